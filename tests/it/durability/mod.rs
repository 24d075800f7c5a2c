//! What survives: switches under load, and death at every step.

mod crash;
mod failing;
mod full;
mod kill;
pub(crate) mod machine;
mod outage;
pub(crate) mod program;
pub(crate) mod site;
mod switch;
mod undo;
pub(crate) mod visitor;
