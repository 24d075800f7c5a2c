//! The log of an instance: one JSON object a line, capped, turned over once. The shim writes, the driver reads. It must
//! not know what the lines mean.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{LogFrom, LogLine, LogMark, LogStream};
use crate::sys::clock;

/// The log is at most twice this long: the file that is written and the one before.
const CAP: u64 = 4 * 1024 * 1024;
/// Longer lines are cut.
const LINE: usize = 16 * 1024;
const NOW: &str = "log.jsonl";
const BEFORE: &str = "log.1.jsonl";

/// The end of the log that is written.
pub(super) struct LogFile {
    dir: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(NOW))?;
        let size = file.metadata()?.len();
        Ok(Self { dir: dir.to_owned(), file, size })
    }

    /// Writes one line. What cannot be written, as on a full disk, is lost: the program must not stand still for it.
    pub(super) fn write(&mut self, stream: LogStream, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        let line = LogLine { at_ms: clock::now().timestamp_millis(), stream, text };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return };
        bytes.push(b'\n');
        if self.size + bytes.len() as u64 > CAP {
            let turned = fs::rename(self.dir.join(NOW), self.dir.join(BEFORE)).and_then(|()| Self::open(&self.dir));
            match turned {
                Ok(next) => *self = next,
                Err(_) => return,
            }
        }
        if self.file.write_all(&bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }
}

/// Puts the log of one that has ended before the log of its heir, unless the heir has written enough to have turned its
/// own over. Blocks.
pub(super) fn inherit(heir: &Path, from: &Path) -> io::Result<()> {
    let before = heir.join(BEFORE);
    if before.exists() {
        return Ok(());
    }
    match fs::rename(from.join(NOW), before) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub(super) struct Lines {
    open: Vec<u8>,
    /// The rest of a line that was too long.
    skipping: bool,
}

impl Lines {
    /// Takes bytes and gives the lines that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let ends = pieces.peek().is_some();
            if !self.skipping {
                let room = LINE - self.open.len();
                self.open.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    line(&self.open);
                    self.open.clear();
                    self.skipping = true;
                }
            }
            if ends {
                if !self.skipping {
                    line(self.open.strip_suffix(b"\r").unwrap_or(&self.open));
                }
                self.open.clear();
                self.skipping = false;
            }
        }
    }

    /// The stream has ended: gives what no line break followed.
    pub(super) fn end(self, mut line: impl FnMut(&[u8])) {
        if !self.open.is_empty() {
            line(&self.open);
        }
    }
}

/// The last lines of a log, oldest first. Blocks.
pub(super) fn tail(dir: &Path, last_lines: usize) -> io::Result<Vec<LogLine>> {
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    for name in [BEFORE, NOW] {
        let file = match File::open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            lines.push_back(line?);
            if lines.len() > last_lines {
                lines.pop_front();
            }
        }
    }
    // A line may be half written, at this moment or since a power cut.
    Ok(lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// What was written since an earlier look, and how far it was read now: to the end of the last whole line. What was turned
/// over twice in between is lost. Blocks.
pub(super) fn read_on(dir: &Path, from: LogFrom) -> io::Result<(Vec<LogLine>, LogMark)> {
    // The newer one first: if it is turned over now, it is found again as the older one.
    let (newer, older) = (open(dir, NOW)?, open(dir, BEFORE)?);
    let same = |one: &(u64, File)| newer.as_ref().is_some_and(|(file, _)| *file == one.0);
    let files: Vec<(u64, File)> = older.filter(|older| !same(older)).into_iter().chain(newer).collect();
    let (mut mark, last) = match from {
        LogFrom::Last(lines) => (LogMark::default(), Some(lines)),
        LogFrom::Mark(mark) => (mark, None),
    };
    let known = files.iter().position(|(file, _)| *file == mark.file);
    let mut lines = VecDeque::new();
    for (id, mut file) in files.into_iter().skip(known.unwrap_or(0)) {
        let offset = if id == mark.file && mark.offset <= file.metadata()?.len() { mark.offset } else { 0 };
        file.seek(SeekFrom::Start(offset))?;
        mark = LogMark { file: id, offset };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            mark.offset += line.len() as u64;
            lines.push_back(std::mem::take(&mut line));
            if last.is_some_and(|last| lines.len() > last) {
                lines.pop_front();
            }
        }
    }
    Ok((lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect(), mark))
}

/// A file of the log with what tells it from others, whatever it is called by then.
fn open(dir: &Path, name: &str) -> io::Result<Option<(u64, File)>> {
    match File::open(dir.join(name)) {
        Ok(file) => Ok(Some((file.metadata()?.ino(), file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn reading_on_neither_loses_nor_repeats_a_line() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let nothing = read_on(dir.path(), LogFrom::Last(10))?;
        assert!(nothing.0.is_empty());
        let mut log = LogFile::open(dir.path())?;
        for text in ["one", "two", "three"] {
            log.write(LogStream::Stdout, text.as_bytes());
        }
        let (lines, mark) = read_on(dir.path(), LogFrom::Last(2))?;
        assert_eq!(texts(&lines), ["two", "three"]);
        assert_eq!(texts(&read_on(dir.path(), LogFrom::Mark(nothing.1))?.0), ["one", "two", "three"]);
        log.write(LogStream::Stdout, b"four");
        let (lines, mark) = read_on(dir.path(), LogFrom::Mark(mark))?;
        assert_eq!(texts(&lines), ["four"]);
        assert_eq!(read_on(dir.path(), LogFrom::Mark(mark))?, (Vec::new(), mark));
        // Half a line is none yet.
        log.file.write_all(b"{\"at_ms\":1,\"stream\":\"stdout\",")?;
        assert_eq!(read_on(dir.path(), LogFrom::Mark(mark))?, (Vec::new(), mark));
        log.file.write_all(b"\"text\":\"five\"}\n")?;
        fs::rename(dir.path().join(NOW), dir.path().join(BEFORE))?;
        let mut log = LogFile::open(dir.path())?;
        log.write(LogStream::Stderr, b"six");
        let (lines, mark) = read_on(dir.path(), LogFrom::Mark(mark))?;
        assert_eq!(texts(&lines), ["five", "six"], "over the turn");
        assert_eq!(read_on(dir.path(), LogFrom::Mark(mark))?, (Vec::new(), mark));
        Ok(())
    }
}
