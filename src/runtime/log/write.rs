//! The end of a log that is written, and what keeps it short: by size while it is written, by age then and in the background.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{FILES, LogLimits, Segment, path, segments};
use crate::runtime::{LogLine, LogStream};
use crate::sys::clock;

/// The end of the log that is written.
pub(in crate::runtime) struct LogFile {
    dir: PathBuf,
    limits: LogLimits,
    file: File,
    size: u64,
    /// The number of the next line.
    next: u64,
    /// The last line may be half written.
    torn: bool,
    /// When something was written last.
    at_ms: i64,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl LogFile {
    /// Goes on where the last one stopped.
    pub(in crate::runtime) fn open(dir: &Path, limits: LogLimits) -> io::Result<Self> {
        let (first, next, size, torn) = match segments(dir)?.last() {
            None => (1, 1, 0, false),
            Some(last) => {
                let (next, size, torn) = end_of(last)?;
                (last.first, next, size, torn)
            }
        };
        let file = append(&path(dir, first))?;
        let at_ms = clock::now().timestamp_millis();
        Ok(Self { dir: dir.to_owned(), limits, file, size, next, torn, at_ms })
    }

    /// Writes one line. What cannot be written, as on a full disk, is lost, but for its number: the program must not stand
    /// still for it.
    pub(in crate::runtime) fn write(&mut self, stream: LogStream, text: String) {
        let at_ms = clock::now().timestamp_millis();
        let line = LogLine { seq: self.next, at_ms, stream, text };
        self.next += 1;
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return };
        bytes.push(b'\n');
        if std::mem::take(&mut self.torn) {
            bytes.insert(0, b'\n');
        }
        if self.size > 0 && self.size + bytes.len() as u64 > self.limits.bytes / FILES && self.turn(line.seq).is_err() {
            return;
        }
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.size += bytes.len() as u64;
                self.at_ms = at_ms;
            }
            Err(_) => self.torn = true,
        }
    }

    /// Takes away what is too old; to be called now and then.
    pub(in crate::runtime) fn tidy(&mut self) {
        let oldest = oldest(self.limits);
        if self.at_ms < oldest && self.size > 0 {
            let _ = self.turn(self.next);
        }
        let _ = forget(&self.dir, oldest);
    }

    /// Begins another file, and lets go of the oldest.
    fn turn(&mut self, first: u64) -> io::Result<()> {
        self.file = append(&path(&self.dir, first))?;
        self.size = 0;
        self.torn = false;
        let files = segments(&self.dir)?;
        let keep = usize::try_from(FILES).unwrap_or(usize::MAX);
        for old in files.iter().take(files.len().saturating_sub(keep)) {
            fs::remove_file(&old.path)?;
        }
        Ok(())
    }
}

/// Takes away what is too old of the log of an instance whose shim has ended.
pub(in crate::runtime) fn tidy(dir: &Path, limits: LogLimits) -> io::Result<()> {
    let oldest = oldest(limits);
    if let Some(last) = segments(dir)?.last() {
        let (next, size, _) = end_of(last)?;
        // An empty one keeps the number of the next line.
        if size > 0 && written(&last.path)? < oldest {
            append(&path(dir, next))?;
        }
    }
    forget(dir, oldest)
}

/// Takes away the files that were written last before this; never the last one.
fn forget(dir: &Path, oldest: i64) -> io::Result<()> {
    let mut files = segments(dir)?;
    files.pop();
    for file in files {
        if written(&file.path)? < oldest {
            fs::remove_file(&file.path)?;
        }
    }
    Ok(())
}

fn oldest(limits: LogLimits) -> i64 {
    clock::now().timestamp_millis().saturating_sub_unsigned(limits.age_ms)
}

fn written(path: &Path) -> io::Result<i64> {
    let at: chrono::DateTime<chrono::Utc> = fs::metadata(path)?.modified()?.into();
    Ok(at.timestamp_millis())
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// The number of the next line, the size, and whether the last line is half written.
fn end_of(segment: &Segment) -> io::Result<(u64, u64, bool)> {
    let file = File::open(&segment.path)?;
    let size = file.metadata()?.len();
    let (mut next, mut torn) = (segment.first, false);
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        torn = match serde_json::from_slice::<Numbered>(&line) {
            Ok(line) => {
                next = next.max(line.seq + 1);
                false
            }
            Err(_) => !line.is_empty(),
        };
    }
    Ok((next, size, torn))
}
