//! Lines of logs, and how one says which of them are wanted.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::runtime::LogStream;
use crate::service::instance;
use crate::service::log::{From as Begin, Kind, Said, Shown};

/// Lines of a log that one answer may have.
const MOST_LINES: i32 = 1_000;

/// Which log of a deployment.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Kind")]
pub(in crate::graphql) enum LogKind {
    /// What its program prints.
    Runtime,
    /// What its build printed.
    Build,
}

/// A line that a deployment's program or its build printed, or that their supervisor says of them.
#[derive(SimpleObject)]
pub(in crate::graphql) struct LogLine {
    /// Where one goes on behind it, also after a restart of the server. It means something to this log only.
    cursor: String,
    /// When it was printed.
    at: DateTime<Utc>,
    /// Where it was printed.
    stream: LogLineStream,
    /// Which instance of the deployment printed it, from 1; nothing for a build.
    instance: Option<i32>,
    /// The line, without its end. A long one is cut, and says so at its end; what is no UTF-8 is replaced.
    text: String,
    /// How many lines that were here are not there any more; of a `GAP` only.
    missed: Option<i64>,
}

/// Where a line was printed.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) enum LogLineStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Said by the supervisor.
    System,
    /// Nowhere: lines that were here are not there any more, as the log has become too long or too old.
    Gap,
}

impl From<Shown> for LogLine {
    fn from(shown: Shown) -> Self {
        let Shown { cursor, at_ms, instance, said } = shown;
        let (stream, text, missed) = match said {
            Said::Missed(lines) => {
                let text = format!("{lines} lines are not there any more");
                (LogLineStream::Gap, text, Some(i64::try_from(lines).unwrap_or(i64::MAX)))
            }
            Said::Line(line) => {
                let stream = match line.stream {
                    LogStream::Stdout => LogLineStream::Stdout,
                    LogStream::Stderr => LogLineStream::Stderr,
                    LogStream::System => LogLineStream::System,
                };
                (stream, line.text, None)
            }
        };
        let at = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
        Self { cursor, at, stream, instance: instance::number(&instance), text, missed }
    }
}

/// Reads how many lines of a log are wanted.
pub(in crate::graphql) fn lines(last: i32) -> Result<usize> {
    let lines = usize::try_from(last).ok().filter(|_| last <= MOST_LINES);
    lines.ok_or_else(|| Error::invalid("last", "out_of_range", format!("`last` has to be from 0 to {MOST_LINES}")))
}

/// Reads where one wants to begin.
pub(in crate::graphql) fn place(
    last: usize,
    before: Option<String>,
    after: Option<String>,
    since: Option<DateTime<Utc>>,
) -> Result<Begin> {
    match (before, after, since) {
        (None, None, None) => Ok(Begin::Last(last)),
        (Some(cursor), None, None) => Ok(Begin::Before(cursor)),
        (None, Some(cursor), None) => Ok(Begin::After(cursor)),
        (None, None, Some(at)) => Ok(Begin::Since(at)),
        _ => Err(Error::invalid("after", "contradiction", "use one of `before`, `after` and `since`")),
    }
}
