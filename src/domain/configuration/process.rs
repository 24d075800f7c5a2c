//! Which program a deployment runs, how many of it, and when it counts as healthy; it must not know how one is started or asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::tier::Tier;

/// Which program is run, and how one sees that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub(super) command: Vec<String>,
    pub(super) health: HealthCheck,
    /// Deployments that were made before there were tiers have the default.
    #[serde(default)]
    pub(super) tier: Tier,
    /// Those that were made before there were several have one.
    #[serde(default = "one")]
    pub(super) instances: u16,
}

pub(super) const fn one() -> u16 {
    1
}

impl Process {
    /// The program and its arguments; there is at least the program.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// How one sees that it serves.
    #[must_use]
    pub fn health(&self) -> &HealthCheck {
        &self.health
    }

    /// How much it may use.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// How many of it run side by side; at least one.
    #[must_use]
    pub fn instances(&self) -> u32 {
        self.instances.into()
    }
}

/// A request that a healthy program answers with success, and when it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub(super) path: String,
    pub(super) timeout_seconds: u16,
    pub(super) interval_ms: u16,
    /// Those that were made before running programs were asked have the defaults.
    #[serde(default)]
    pub(super) probe: Probe,
}

/// How a running program is asked for its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub(super) interval_seconds: u16,
    pub(super) timeout_seconds: u16,
    pub(super) threshold: u16,
}

impl Default for Probe {
    fn default() -> Self {
        Self { interval_seconds: 10, timeout_seconds: 5, threshold: 3 }
    }
}

impl Probe {
    /// From one question to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// For one answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }

    /// So many failures in a row make it sick; at least one.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold.into()
    }
}

impl HealthCheck {
    /// The path to ask for; it starts with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How long the program may take until its first healthy answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }

    /// How long to wait between two questions.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    /// How it is asked once it runs.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }
}
