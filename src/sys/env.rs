//! The one reader of environment variables; it must not know which ones the program has.

/// The variable's text; `None` when it is not set or is not UTF-8.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
