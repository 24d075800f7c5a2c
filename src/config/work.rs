//! What builds may use of this machine, and how much of logs is kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::tier::Limits;
use crate::error::{Error, Result};

/// What one build may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Builds {
    /// Builds that run at a time on this machine; others wait.
    pub at_once: u32,
    /// A build that takes longer is ended.
    pub timeout_seconds: u64,
    /// Thousandths of a processor.
    pub cpu_millis: u64,
    /// Megabytes of memory, temporary files among them.
    pub memory_mb: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Megabytes of the disk that it works in.
    pub disk_mb: u64,
    /// Megabytes of the cache of one project.
    pub cache_mb: u64,
}

/// How much is kept of the log of one program or build.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logs {
    /// Megabytes.
    pub max_mb: u64,
    /// Days.
    pub max_days: u64,
}

impl Default for Builds {
    fn default() -> Self {
        Self {
            at_once: 2,
            timeout_seconds: 900,
            cpu_millis: 2000,
            memory_mb: 2048,
            processes: 1024,
            disk_mb: 4096,
            cache_mb: 2048,
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_mb: 8, max_days: 14 }
    }
}

impl Builds {
    /// As what runs programs is told; their storage is the disk that a build works in.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            cpu_millis: self.cpu_millis,
            memory_bytes: self.memory_mb << 20,
            processes: self.processes,
            storage_bytes: self.disk_mb << 20,
        }
    }

    /// How long a build may take.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// Bytes of the cache of one project.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.cache_mb << 20
    }

    pub(super) fn check(&self) -> Result<()> {
        within("builds.at_once", self.at_once.into(), 1..=1000)?;
        within("builds.timeout_seconds", self.timeout_seconds, 1..=86_400)?;
        within("builds.cpu_millis", self.cpu_millis, 10..=1_000_000)?;
        within("builds.memory_mb", self.memory_mb, 16..=1 << 20)?;
        within("builds.processes", self.processes, 8..=1 << 20)?;
        within("builds.disk_mb", self.disk_mb, 16..=1 << 20)?;
        within("builds.cache_mb", self.cache_mb, 16..=1 << 20)
    }
}

impl Logs {
    pub(super) fn check(&self) -> Result<()> {
        within("logs.max_mb", self.max_mb, 1..=1 << 20)?;
        within("logs.max_days", self.max_days, 1..=36_500)
    }
}

fn within(field: &str, value: u64, range: RangeInclusive<u64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let text = format!("`{field}` has to be from {} to {}", range.start(), range.end());
    Err(Error::invalid(field, "out_of_range", text))
}
