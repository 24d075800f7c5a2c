//! Places at which a test can have the program die as if it were killed: the proof that an action survives it. Or stand still,
//! to be met in a state that passes too quickly. In release builds there are none.

/// Dies here by SIGKILL if the environment variable `REEVE_CRASH_AT` names this place, or waits while the file
/// `REEVE_HOLD_WHILE` is there if `REEVE_HOLD_AT` does, beside which it puts `….reached`; debug builds only.
#[cfg(debug_assertions)]
pub fn point(place: &str) {
    if super::env::var("REEVE_CRASH_AT").as_deref() == Some(place) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
    if super::env::var("REEVE_HOLD_AT").as_deref() == Some(place) {
        let file = super::env::var("REEVE_HOLD_WHILE").unwrap_or_default();
        tokio::task::block_in_place(|| {
            if std::path::Path::new(&file).exists() {
                let _ = std::fs::write(format!("{file}.reached"), place);
            }
            while std::path::Path::new(&file).exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
    }
}

/// Nothing in release builds.
#[cfg(not(debug_assertions))]
pub fn point(_place: &str) {}
