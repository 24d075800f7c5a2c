//! Stories by resource, told through the API and the edge.

mod access;
mod crash;
mod demo;
mod deployment;
mod edge;
mod environment;
mod forgery;
mod hostile;
mod idempotency;
mod migration;
mod organization;
mod pages;
mod people;
mod process;
mod eligible_role;
mod project;
mod question;
mod role;
mod session;
