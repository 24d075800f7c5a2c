//! Reeve, an open control plane for deployment platforms. `docs/architecture.md` is the map.

pub mod acme;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod cli;
pub mod command;
pub mod config;
pub mod dns;
pub mod domain;
pub mod edge;
pub mod error;
pub mod graphql;
pub mod http;
pub mod mail;
pub mod op;
pub mod post;
pub mod reach;
pub mod runtime;
pub mod server;
pub mod service;
pub mod store;
pub mod sys;
pub mod tasks;
pub mod workflow;
