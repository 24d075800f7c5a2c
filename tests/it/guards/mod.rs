//! What people would otherwise argue about in every review: the shape of the sources, the contract, the command line. A list
//! of exceptions may only shrink.

mod directions;
mod files;
mod help;
mod reference;
mod schema;
mod sources;
