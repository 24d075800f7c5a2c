//! The rules of a deployment's life; it must not know how a step of it is carried out.

pub mod retention;
pub mod state;
