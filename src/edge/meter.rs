//! Counts the requests to one target. It must not know what becomes of the numbers.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hyper::StatusCode;

use crate::domain::traffic::{BUCKETS, Traffic, bucket};

/// What was counted since it was taken last.
pub(super) struct Meter {
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            client_errors: AtomicU64::new(0),
            server_errors: AtomicU64::new(0),
            latency: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Meter {
    /// A request whose answer begins now, after this time.
    pub(super) fn count(&self, status: StatusCode, after: Duration) {
        if status.is_client_error() {
            self.client_errors.fetch_add(1, Relaxed);
        } else if status.is_server_error() {
            self.server_errors.fetch_add(1, Relaxed);
        }
        self.latency[bucket(u64::try_from(after.as_micros()).unwrap_or(u64::MAX))].fetch_add(1, Relaxed);
    }

    /// What was counted since this was asked last; `None` for nothing.
    pub(super) fn take(&self) -> Option<Traffic> {
        let mut latency: Vec<u64> = self.latency.iter().map(|count| count.swap(0, Relaxed)).collect();
        let used = latency.iter().rposition(|count| *count > 0)? + 1;
        latency.truncate(used);
        Some(Traffic {
            requests: latency.iter().sum(),
            client_errors: self.client_errors.swap(0, Relaxed),
            server_errors: self.server_errors.swap(0, Relaxed),
            latency,
        })
    }
}
