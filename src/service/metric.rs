//! What was measured of deployments, as series that can be drawn.

use chrono::{DateTime, TimeDelta, Utc};
use entities::ids::{DeploymentId, EnvironmentId};

use crate::authz::cap;
use crate::domain::traffic::Traffic;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::metric::{self, KEPT};
use crate::sys::clock;

/// Points of a series at most.
const MOST_POINTS: i64 = 1_500;

/// Which part of the past, and how finely.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from: i64,
    until: i64,
    step: i64,
}

/// What was measured from a time on, until the next point.
#[derive(Clone, Debug)]
pub struct Point {
    /// The time.
    pub at: DateTime<Utc>,
    /// Requests.
    pub traffic: Traffic,
}

impl Span {
    /// From one time to another, now if it is left out, with a point every so many minutes.
    ///
    /// # Errors
    /// `InvalidInput` when it begins after its end, or has too many points.
    pub fn new(since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>, minutes: i32) -> Result<Self> {
        let now = clock::now();
        let until = until.unwrap_or(now);
        let since = since.unwrap_or(until - TimeDelta::hours(1)).max(now - KEPT);
        let step = i64::from(minutes);
        if !(1..=1_440).contains(&step) {
            return Err(Error::invalid("stepMinutes", "out_of_range", "`stepMinutes` has to be from 1 to 1440"));
        }
        if since > until {
            return Err(Error::invalid("since", "out_of_range", "`since` has to be before `until`, and within a week"));
        }
        let from = metric::minute(since).div_euclid(step) * step;
        let span = Self { from, until: metric::minute(until) + 1, step };
        if (span.until - span.from) / step > MOST_POINTS {
            let message = format!("that is more than {MOST_POINTS} points; ask for a larger `stepMinutes`");
            return Err(Error::invalid("stepMinutes", "too_small", message));
        }
        Ok(span)
    }
}

/// What was measured of one deployment of an environment, or of all: a point for every step, also where nothing was.
///
/// # Errors
/// `Forbidden`, `NotFound` by `log.view`.
pub async fn series(op: &Op, environment: EnvironmentId, of: Option<DeploymentId>, span: Span) -> Result<Vec<Point>> {
    let permit = op.permit::<cap::LogView>(environment).await?;
    let counted = metric::traffic(op.store(), &permit, of, (span.from, span.until)).await?;
    let mut counted = counted.into_iter().peekable();
    let mut points = Vec::new();
    let mut from = span.from;
    while from < span.until {
        let mut traffic = Traffic::default();
        while let Some((_, more)) = counted.next_if(|(minute, _)| *minute < from + span.step) {
            traffic.add(&more);
        }
        let at = DateTime::from_timestamp(from * 60, 0).unwrap_or_default();
        points.push(Point { at, traffic });
        from += span.step;
    }
    Ok(points)
}
