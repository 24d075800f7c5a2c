//! The log of an instance: numbered lines, one JSON object each, in files that are turned over. The shim writes, the driver reads.
//! It must not know what the lines mean.
//!
//! A file `log-<number>.jsonl` begins with the line of that number. A line that could not be kept has a number as well: whoever
//! reads on from a number sees what is missing.

mod lines;
mod read;
mod write;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub(super) use lines::Lines;
pub(super) use read::read;
pub(super) use write::{LogFile, tidy};

/// Parts that a log is kept in; the oldest goes as a whole.
const FILES: u64 = 8;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes of one log.
    pub bytes: u64,
    /// Milliseconds that a line is kept.
    pub age_ms: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { bytes: 8 << 20, age_ms: 14 * 24 * 3_600_000 }
    }
}

/// A file of a log.
#[derive(Clone, Debug)]
struct Segment {
    /// The number of its first line.
    first: u64,
    path: PathBuf,
}

/// The files of a log, the oldest first.
fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("log-")?.strip_suffix(".jsonl")?.parse().ok());
        if let Some(first) = number {
            found.push(Segment { first, path: entry.path() });
        }
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("log-{first:020}.jsonl"))
}

#[cfg(test)]
mod tests;
