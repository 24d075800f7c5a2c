//! The role packs against the running program, through the API: every cell, and the teams that use them.

mod matrix;
mod mia_team;
mod mia_team_works;
mod operations;
mod permits;
mod permits_of_people;
mod specification;
mod world;
