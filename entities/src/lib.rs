//! Rows of the database and the typed ids that name them. Knows sea-orm and nothing of policy, wire formats or workflows.

pub mod ids;
pub mod values;

pub mod action;
pub mod action_step;
pub mod audit_entry;
pub mod binding;
pub mod blob;
pub mod deployment;
pub mod environment;
pub mod idempotency_key;
pub mod manifest;
pub mod organization;
pub mod policy_epoch;
pub mod project;
pub mod refresh_token;
pub mod session;
pub mod signing_key;
pub mod team;
pub mod team_member;
pub mod user;
