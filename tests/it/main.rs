//! The integration tests: stories told through the API and the edge, and the guards over the source tree. It must not reach
//! into the server past its public doors, except to forge what no door hands out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends at the first thing that is not as it should be, and reads the real clock and environment"
)]

mod authz;
mod consistency;
mod durability;
mod edge;
mod guards;
mod harness;
mod lifecycle;
mod live;
mod policy;
mod resources;
