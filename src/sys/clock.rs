//! The one clock, so that no two parts of the program disagree about the time; it must not know what the time is for.

use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};

/// The time of day in UTC, in whole milliseconds: what both databases keep, so a value read back equals the one written.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// A point on the monotonic clock, for durations within this process.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn instant() -> Instant {
    Instant::now()
}
