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
mod invitation;
mod migration;
mod organization;
mod pages;
mod people;
mod process;
mod project;
mod service_account;
mod session;
mod suspension;
mod team;
mod transfer;
