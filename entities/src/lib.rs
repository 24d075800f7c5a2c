//! Rows of the database and the typed ids that name them. Knows sea-orm and nothing of policy, wire formats or workflows.

pub mod ids;
pub mod values;

pub mod access_change;
pub mod acme_account;
pub mod action;
pub mod action_step;
pub mod api_key;
pub mod audit_entry;
pub mod binding;
pub mod blob;
pub mod capability_use;
pub mod certificate;
pub mod deployment;
pub mod deployment_event;
pub mod domain;
pub mod edge_settings;
pub mod eligible_role;
pub mod environment;
pub mod idempotency_key;
pub mod invitation;
pub mod manifest;
pub mod notice;
pub mod organization;
pub mod policy_epoch;
pub mod policy_test;
pub mod project;
pub mod refresh_token;
pub mod role;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod team;
pub mod team_member;
pub mod transfer;
pub mod user;
