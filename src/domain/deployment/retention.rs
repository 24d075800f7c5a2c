//! How long a project keeps what it does not use, and what is over by that. It must not know who asks, nor a database.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::State;
use crate::domain::invalid::Invalid;

/// As many deployments as may keep running, or be kept, in one environment.
const MOST: i32 = 1_000;
/// A year.
const LONGEST_MINUTES: i32 = 366 * 24 * 60;

/// How long a project keeps what it does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// As many deployments of each environment, beside the active one, keep running although nobody visits them.
    pub keep_running: i32,
    /// After so many minutes without a visit the others are retired.
    pub retire_after_minutes: i32,
    /// As many deployments of each environment are kept; older ones that do not run are deleted.
    pub keep_deployments: i32,
    /// Whether a visit of a retired deployment's link starts it again.
    pub revive_on_visit: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_running: 3, retire_after_minutes: 24 * 60, keep_deployments: 100, revive_on_visit: true }
    }
}

impl Retention {
    /// Whether the numbers are such that they can be kept to.
    ///
    /// # Errors
    /// One problem for each that is not.
    pub fn check(self) -> Result<Self, Vec<Invalid>> {
        let limits = [
            ("keepRunning", self.keep_running, 0, MOST),
            ("retireAfterMinutes", self.retire_after_minutes, 0, LONGEST_MINUTES),
            ("keepDeployments", self.keep_deployments, 1, MOST),
        ];
        let wrong = limits.into_iter().filter(|(_, value, least, most)| !(least..=most).contains(&value));
        let problems: Vec<Invalid> = wrong
            .map(|(field, _, least, most)| {
                Invalid::new("out_of_range", format!("`{field}` has to be from {least} to {most}")).within(field)
            })
            .collect();
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// What is over among the deployments of one environment, given newest first, without those that are deleted.
    pub fn over<K: Copy>(self, newest_first: &[Kept<K>], now: DateTime<Utc>) -> Vec<(K, Over)> {
        let mut over = Vec::new();
        let mut running = 0;
        let idle_since = now - TimeDelta::minutes(self.retire_after_minutes.into());
        for (place, kept) in newest_first.iter().enumerate() {
            match kept.state {
                State::Ready => {
                    running += 1;
                    if running > self.keep_running && kept.used_at <= idle_since {
                        over.push((kept.key, Over::Running));
                    }
                }
                State::Draft | State::Failed | State::Cancelled | State::Skipped | State::Retired => {
                    if i32::try_from(place).is_ok_and(|place| place >= self.keep_deployments) {
                        over.push((kept.key, Over::Kept));
                    }
                }
                State::Queued
                | State::Building
                | State::Starting
                | State::Active
                | State::Reviving
                | State::Deleted => {}
            }
        }
        over
    }
}

/// A deployment, as far as its retention goes.
#[derive(Clone, Copy, Debug)]
pub struct Kept<K> {
    /// Names it.
    pub key: K,
    /// Where it stands.
    pub state: State,
    /// When it came to its state, or was visited, whatever is later.
    pub used_at: DateTime<Utc>,
}

/// What is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It runs and nobody visits it: it is to be retired.
    Running,
    /// It does not run and is old: it is to be deleted.
    Kept,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    #[test]
    fn the_newest_keep_running_and_the_visited_do_too() {
        let keep = Retention { keep_running: 1, retire_after_minutes: 10, ..Retention::default() };
        let kept = |key, state, used| Kept { key, state, used_at: at(used) };
        let rows = [
            kept(6, State::Ready, 0),
            kept(5, State::Active, 0),
            kept(4, State::Ready, 90),
            kept(3, State::Ready, 95),
            kept(2, State::Reviving, 0),
            kept(1, State::Ready, 0),
        ];
        assert_eq!(keep.over(&rows, at(100)), vec![(4, Over::Running), (1, Over::Running)]);
    }

    #[test]
    fn the_oldest_go_unless_they_run() {
        let keep = Retention { keep_deployments: 2, ..Retention::default() };
        let kept = |key, state| Kept { key, state, used_at: at(100) };
        let rows = [
            kept(5, State::Failed),
            kept(4, State::Retired),
            kept(3, State::Ready),
            kept(2, State::Retired),
            kept(1, State::Draft),
        ];
        assert_eq!(keep.over(&rows, at(100)), vec![(2, Over::Kept), (1, Over::Kept)]);
    }

    #[test]
    fn numbers_that_cannot_be_are_named() {
        let wrong = Retention { keep_running: -1, keep_deployments: 0, ..Retention::default() };
        assert_eq!(wrong.check().map_err(|problems| problems.len()), Err(2));
        assert_eq!(Retention::default().check(), Ok(Retention::default()));
    }
}
