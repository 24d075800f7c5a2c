//! Stories by resource, told through the API and the edge.

mod access;
mod audit;
mod audit_export;
mod crash;
mod demo;
mod deployment;
mod edge;
mod eligible_role;
mod environment;
mod forgery;
mod hostile;
mod idempotency;
mod migration;
mod organization;
mod pages;
mod people;
mod process;
mod project;
mod question;
mod review;
mod role;
mod session;
mod usage;
