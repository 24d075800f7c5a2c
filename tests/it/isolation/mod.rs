//! Hostile programs: whatever one tenant's tries, nobody else notices. Each attempt is made by a program that was deployed
//! like any other, while somebody looks at another tenant's the whole time.

mod builds;
mod disk;
mod enforcement;
mod files;
mod memory;
mod network;
mod processes;
mod resources;
mod revival;
mod unprivileged;
mod users;
mod world;
