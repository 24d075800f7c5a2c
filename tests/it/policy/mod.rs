//! The role packs against the running program, through the API: every cell, and the teams that use them. And that nobody is
//! told of what they may not view.

mod hidden;
mod matrix;
mod mia_team;
mod mia_team_works;
mod open;
mod operations;
mod permits;
mod permits_of_access;
mod permits_of_deployments;
mod permits_of_git;
mod permits_of_people;
mod permits_of_webhooks;
mod specification;
mod ways;
mod world;
