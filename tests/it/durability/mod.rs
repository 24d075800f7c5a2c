//! What survives: switches under load, and death at every step.

mod back;
mod crash;
mod crowd;
mod failing;
mod full;
mod kept;
mod kill;
mod load;
pub(crate) mod machine;
mod outage;
pub(crate) mod program;
pub(crate) mod site;
mod switch;
mod undo;
pub(crate) mod visitor;
