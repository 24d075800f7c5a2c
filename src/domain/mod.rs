//! The words and rules of the product as pure values; it must not know databases, GraphQL, HTTP, the clock or the disk.

pub mod configuration;
pub mod custom_domain;
pub mod deployment;
pub mod difference;
pub mod digest;
pub mod edge_settings;
pub mod email;
pub mod git;
pub mod host;
pub mod invalid;
pub mod manifest;
pub mod name;
pub mod password;
pub mod path;
pub mod tier;
pub mod traffic;
pub mod variable;

pub use invalid::{Invalid, quote};
