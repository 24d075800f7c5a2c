//! What survives: switches under load, and death at every step.
