//! Logs: pages of them, and following them as they grow. Every line comes with the cursor behind it; whoever goes on from a cursor
//! misses nothing and is told nothing twice, and where lines were dropped in between it says so. Whoever follows has to be judged
//! again and again by whoever passes it on; here it is read with the permit of the beginning.

mod cursor;
mod tail;

use chrono::{DateTime, Utc};

use entities::ids::DeploymentId;

use self::cursor::Cursor;
use super::App;
use super::instance::{self, Program};
use crate::authz::cap;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::runtime::{LogFrom, LogLine, LogMark};
use crate::store;
use crate::sys::clock;

pub use tail::{deployment, environment};

/// Lines that are read at a time.
const BITE: usize = 500;

/// Which log of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What its program prints.
    Runtime,
    /// What its build printed.
    Build,
}

impl Kind {
    /// The instances that write it, or have written it and are still on record.
    async fn instances(self, app: &App, id: DeploymentId) -> Result<Vec<String>> {
        match self {
            Self::Runtime => {
                let mut programs = instance::of(app, id).await?;
                programs.sort_unstable();
                Ok(programs.iter().map(Program::name).collect())
            }
            Self::Build => Ok(vec![instance::build(id)]),
        }
    }

    /// Whether an instance writes it.
    fn is_written_by(self, id: DeploymentId, name: &str) -> bool {
        match self {
            Self::Runtime => name.parse::<Program>().is_ok_and(|program| program.deployment == id),
            Self::Build => name == instance::build(id),
        }
    }
}

/// Where to begin.
#[derive(Clone, Debug)]
pub enum From {
    /// With the last so many lines.
    Last(usize),
    /// Behind the line with this cursor.
    After(String),
    /// With the last lines before the one with this cursor; for pages only.
    Before(String),
    /// With what was printed from this moment on.
    Since(DateTime<Utc>),
}

/// A line of a log, or that some are missing.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where one goes on behind it.
    pub cursor: String,
    /// When it was printed; of a gap, when what follows it was.
    pub at_ms: i64,
    /// Who has printed it.
    pub instance: String,
    /// What.
    pub said: Said,
}

/// What is shown.
#[derive(Clone, Debug)]
pub enum Said {
    /// A line.
    Line(LogLine),
    /// So many lines are not there any more.
    Missed(u64),
}

/// A page of a deployment's log, the oldest line first.
///
/// # Errors
/// `InvalidInput` for a cursor of another log; `Forbidden`, `NotFound` by `log.view`, for a build by `deployment.view`.
pub async fn page(app: &App, op: &Op, id: DeploymentId, kind: Kind, from: From, most: usize) -> Result<Vec<Shown>> {
    let row = match kind {
        Kind::Runtime => {
            let permit = op.permit::<cap::LogView>(id).await?;
            store::deployment::get(op.store(), &permit, id).await?
        }
        Kind::Build => {
            let permit = op.permit::<cap::DeploymentView>(id).await?;
            store::deployment::get(op.store(), &permit, id).await?
        }
    };
    let mut reader = Reader::begin(app, (row.id, kind), &from).await?;
    reader.read(app, most).await
}

/// Reads the logs of instances, each from where it has stopped.
struct Reader {
    sources: Vec<(String, LogFrom)>,
    cursor: Cursor,
}

impl Reader {
    /// Over a log of a deployment, from the beginning that somebody has chosen.
    async fn begin(app: &App, (id, kind): (DeploymentId, Kind), from: &From) -> Result<Self> {
        let named = |field: &str, text: &str| {
            let cursor = Cursor::parse(field, text)?;
            if cursor.instances().any(|name| !kind.is_written_by(id, name)) {
                return Err(Error::invalid(field, "of_another_log", "this is a cursor of another log"));
            }
            Ok(cursor)
        };
        let (cursor, before) = match from {
            From::Last(_) | From::Since(_) => (Cursor::default(), false),
            From::After(text) => (named("after", text)?, false),
            From::Before(text) => (named("before", text)?, true),
        };
        let sources = kind.instances(app, id).await?.into_iter().map(|name| {
            let place = cursor.place(&name).unwrap_or(0);
            let from = match from {
                From::Last(lines) => LogFrom::Last(*lines),
                From::Since(at) => LogFrom::Since(at.timestamp_millis()),
                From::After(_) | From::Before(_) if before => LogFrom::Before(place),
                From::After(_) | From::Before(_) => LogFrom::Mark(LogMark::after(place)),
            };
            (name, from)
        });
        Ok(Self { sources: sources.collect(), cursor: if before { Cursor::default() } else { cursor } })
    }

    /// The next lines of all of them, at most `most` of each, by the time at which they were printed.
    async fn read(&mut self, app: &App, most: usize) -> Result<Vec<Shown>> {
        let mut found: Vec<(i64, usize, u64, Said)> = Vec::new();
        let (mut wanted, several) = (None, self.sources.len() > 1);
        for (place, (name, from)) in self.sources.iter_mut().enumerate() {
            let page = app.driver.log(name, *from, most).await?;
            if let LogFrom::Last(lines) = *from {
                wanted = Some(lines);
            }
            if page.missed > 0 {
                let first = page.lines.first();
                let at = first.map_or_else(|| clock::now().timestamp_millis(), |line| line.at_ms);
                let seq = first.map_or(page.mark.seq, |line| line.seq - 1);
                found.push((at, place, seq, Said::Missed(page.missed)));
            }
            found.extend(page.lines.into_iter().map(|line| (line.at_ms, place, line.seq, Said::Line(line))));
            *from = LogFrom::Mark(page.mark);
        }
        if several {
            found.sort_by_key(|(at, ..)| *at);
        }
        let skipped = wanted.map_or(0, |wanted| found.len().saturating_sub(wanted));
        let mut shown = Vec::with_capacity(found.len() - skipped);
        for (number, (at_ms, place, seq, said)) in found.into_iter().enumerate() {
            let Some((name, _)) = self.sources.get(place) else { continue };
            self.cursor.reach(name, seq);
            if number >= skipped {
                shown.push(Shown { cursor: self.cursor.text(), at_ms, instance: name.clone(), said });
            }
        }
        Ok(shown)
    }

    /// Goes on with the logs of these instances: one that was read already from there, another from where it was left once, or
    /// from its beginning.
    fn turn_to(&mut self, instances: Vec<String>) {
        let before = std::mem::take(&mut self.sources);
        let from = |name: &String| {
            let read = before.iter().find(|(known, _)| known == name).map(|(_, from)| *from);
            read.unwrap_or_else(|| LogFrom::Mark(LogMark::after(self.cursor.place(name).unwrap_or(0))))
        };
        self.sources = instances.into_iter().map(|name| (name.clone(), from(&name))).collect();
    }
}
