//! What the programs of a deployment print, as one log. It must not know who reads it.

use std::collections::HashMap;

use entities::ids::DeploymentId;

use super::{Program, of};
use crate::error::Result;
use crate::runtime::{LogFrom, LogLine, LogMark};
use crate::service::App;

/// The last lines that the programs of a deployment printed, the oldest first.
///
/// # Errors
/// `Internal` when a log cannot be read.
pub async fn log(app: &App, id: DeploymentId, last_lines: usize) -> Result<Vec<LogLine>> {
    Marks::last(last_lines).read(app, id).await
}

/// How far the logs of a deployment's programs were read.
#[derive(Debug, Default)]
pub struct Marks {
    seen: HashMap<Program, LogMark>,
    last: Option<usize>,
}

impl Marks {
    /// Nothing was read, and of what is there only the last lines are wanted.
    #[must_use]
    pub fn last(lines: usize) -> Self {
        Self { seen: HashMap::new(), last: Some(lines) }
    }

    /// What was printed since the look before, the oldest first.
    ///
    /// # Errors
    /// `Internal` when a log cannot be read.
    pub async fn read(&mut self, app: &App, id: DeploymentId) -> Result<Vec<LogLine>> {
        let (last, known) = (self.last.take(), of(app, id).await?);
        let mut lines = Vec::new();
        for program in &known {
            let from = last.map_or_else(|| LogFrom::Mark(self.mark(program, &known)), LogFrom::Last);
            let (more, mark) = app.driver.log_on(&program.name(), from).await?;
            self.seen.insert(*program, mark);
            lines.extend(more);
        }
        lines.sort_by_key(|line| line.at_ms);
        let first = last.map_or(0, |last| lines.len().saturating_sub(last));
        Ok(lines.split_off(first))
    }

    /// Where to read on in the log of a program. One that has inherited the log of another goes on where that was left.
    fn mark(&self, program: &Program, known: &[Program]) -> LogMark {
        let before = |other: &&Program| other.number == program.number && !known.contains(other);
        let inherited = || self.seen.keys().filter(before).max().and_then(|other| self.seen.get(other));
        self.seen.get(program).or_else(inherited).copied().unwrap_or_default()
    }
}
