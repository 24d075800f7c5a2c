//! The GraphQL face: names, descriptions and conversions. Every field calls one verb of the services or one loader; what
//! may be done is decided below. The only user of async-graphql beside the HTTP entry point.

mod batch;
pub mod context;
mod directive;
mod error;
mod input;
mod loaders;
mod mutation;
pub mod page;
mod query;
pub mod schema;
mod subscription;
mod types;
