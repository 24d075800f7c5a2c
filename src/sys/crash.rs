//! Places at which a test can have the program die as if it were killed: the proof that an action survives it. In release
//! builds there are none.

/// Dies here by SIGKILL if the environment variable `REEVE_CRASH_AT` names this place; debug builds only.
#[cfg(debug_assertions)]
pub fn point(place: &str) {
    if super::env::var("REEVE_CRASH_AT").as_deref() == Some(place) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}

/// Nothing in release builds.
#[cfg(not(debug_assertions))]
pub fn point(_place: &str) {}
