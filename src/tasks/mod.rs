//! Reconcilers: they take no input, read how things should be, and make them so. Each runs when it is rung for and now and
//! then by itself.

pub mod certificates;
pub mod domains;
pub mod git;
pub mod instances;
pub mod keys;
pub mod leftovers;
pub mod metrics;
mod policies;
pub mod retention;
pub mod routes;
pub mod sessions;
pub mod uses;
pub mod visits;
