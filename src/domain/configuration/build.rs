//! The section `[build]`: which command makes the files that are served, and where it leaves them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::Reader;

/// Seconds that a build may want. The server may allow less.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;

/// How the files of a deployment are made of what was uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    command: Vec<String>,
    output: String,
    timeout_seconds: Option<u32>,
}

impl Build {
    /// The program and its arguments; there is at least the program.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The folder that it leaves, whose files are the deployment's then: `.` for all of them, otherwise a relative path.
    #[must_use]
    pub fn output(&self) -> &str {
        &self.output
    }

    /// How long it may take: what the file says, but not longer than anybody may.
    #[must_use]
    pub fn time_limit(&self, longest: Duration) -> Duration {
        self.timeout_seconds.map_or(longest, |wanted| Duration::from_secs(wanted.into()).min(longest))
    }

    /// The build that a stored configuration has beside what is served, if it has one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(configuration: &serde_json::Value) -> Result<Option<Self>, serde_json::Error> {
        configuration.get("build").map(Self::deserialize).transpose()
    }
}

impl Reader {
    pub(super) fn build(&mut self, table: &Table) -> Build {
        self.known(table, "build", &["command", "output", "timeout_seconds"]);
        let command = self.command("build.command", table.get("command"));
        let output = self.folder(table, "build", "output").unwrap_or_else(|| ".".to_owned());
        let timeout_seconds = match table.get("timeout_seconds") {
            None => None,
            Some(Value::Integer(seconds)) if TIMEOUT_SECONDS.contains(seconds) => u32::try_from(*seconds).ok(),
            Some(other) => {
                self.wrong_type("build.timeout_seconds", other, "a whole number from 1 to 86400");
                None
            }
        };
        Build { command, output, timeout_seconds }
    }
}
