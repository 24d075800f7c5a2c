//! The only readers of the clock, of entropy and of the process environment, and the only maker of ids.

pub mod clock;
pub mod crash;
pub mod env;
pub mod ids;
pub mod random;
