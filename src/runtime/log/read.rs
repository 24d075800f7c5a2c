//! Reads a log from wherever somebody has stopped. It must not know who reads.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::Path,
};

use super::{Segment, segments};
use crate::runtime::{LogFrom, LogLine, LogMark, LogPage};

/// Lines of a log, at most `most`, the oldest first, and from where to look next: no line is told twice, and of those that are
/// not there any more the number is told. Blocks.
pub(in crate::runtime) fn read(dir: &Path, from: LogFrom, most: usize) -> io::Result<LogPage> {
    let files = segments(dir)?;
    match from {
        LogFrom::Mark(mark) => read_on(&files, mark, most),
        LogFrom::Last(wanted) => last(&files, u64::MAX, wanted.min(most)),
        LogFrom::Before(number) => last(&files, number, most),
        LogFrom::Since(at_ms) => {
            let mut mark = LogMark::default();
            let end = number_of_end(&files)?;
            // The first line that is young enough; what is older is not missed.
            for file in &files {
                let found = each(file, 0, |line, _| line.is_none_or(|line| line.at_ms < at_ms))?;
                if let Some((line, _)) = found {
                    mark.seq = line.seq - 1;
                    return read_on(&files, mark, most);
                }
            }
            mark.seq = end;
            Ok(LogPage { mark, ..LogPage::default() })
        }
    }
}

/// What comes after a mark. What is missed is told before what follows it: lines behind a gap come with the next look.
fn read_on(files: &[Segment], mut mark: LogMark, most: usize) -> io::Result<LogPage> {
    let mut page = LogPage::default();
    let known = mark.place.and_then(|(first, _)| files.iter().position(|file| file.first == first));
    if known.is_none() {
        mark.place = None;
    }
    let by_number = || files.iter().rposition(|file| file.first <= mark.seq + 1).unwrap_or(0);
    for file in files.iter().skip(known.unwrap_or_else(by_number)) {
        let offset = mark.place.filter(|(first, _)| *first == file.first).map_or(0, |(_, offset)| offset);
        let (mut full, mut reached) = (false, offset);
        each(file, offset, |line, end| {
            if let Some(line) = line.filter(|line| line.seq > mark.seq) {
                let missed = line.seq - 1 - mark.seq;
                if page.lines.len() == most || (missed > 0 && !page.lines.is_empty()) {
                    full = true;
                    return false;
                }
                page.missed += missed;
                mark.seq = line.seq;
                page.lines.push(line);
            }
            reached = end;
            true
        })?;
        mark.place = Some((file.first, reached));
        if full {
            break;
        }
    }
    if let Some(file) = files.last().filter(|file| page.lines.is_empty() && file.first > mark.seq + 1) {
        // Nothing is there any more but the number of the next line.
        page.missed = file.first - 1 - mark.seq;
        mark.seq = file.first - 1;
    }
    page.mark = mark;
    Ok(page)
}

/// The last lines whose number is below one.
fn last(files: &[Segment], below: u64, wanted: usize) -> io::Result<LogPage> {
    let mut lines: VecDeque<LogLine> = VecDeque::new();
    let mut place = None;
    for file in files.iter().rev().filter(|file| file.first < below) {
        let mut here: VecDeque<LogLine> = VecDeque::new();
        let room = wanted - lines.len();
        let mut reached = 0;
        each(file, 0, |line, end| {
            reached = end;
            if let Some(line) = line.filter(|line| line.seq < below) {
                here.push_back(line);
                if here.len() > room {
                    here.pop_front();
                }
            }
            true
        })?;
        place = place.or(Some((file.first, reached)));
        here.append(&mut lines);
        lines = here;
        if lines.len() == wanted {
            break;
        }
    }
    let end = match lines.back() {
        Some(line) => line.seq,
        None if below == u64::MAX => number_of_end(files)?,
        None => 0,
    };
    Ok(LogPage { lines: lines.into(), missed: 0, mark: LogMark { seq: end, place } })
}

/// The number of the last line that there was.
fn number_of_end(files: &[Segment]) -> io::Result<u64> {
    let Some(file) = files.last() else { return Ok(0) };
    let mut end = file.first - 1;
    each(file, 0, |line, _| {
        end = line.map_or(end, |line| line.seq);
        true
    })?;
    Ok(end)
}

/// Shows every whole line from an offset on, with where it ends, as long as the answer is true; the line at which it was not. One
/// that cannot be read, as it was half written when the power went, is shown as none.
fn each(
    file: &Segment,
    offset: u64,
    mut show: impl FnMut(Option<LogLine>, u64) -> bool,
) -> io::Result<Option<(LogLine, u64)>> {
    let mut opened = match File::open(&file.path) {
        Ok(opened) => opened,
        // Taken away since it was listed: it is missed with the next look.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    opened.seek(SeekFrom::Start(offset))?;
    let (mut reader, mut line, mut at) = (BufReader::new(opened), Vec::new(), offset);
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        at += line.len() as u64;
        let parsed: Option<LogLine> = serde_json::from_slice(&line).ok();
        if !show(parsed.clone(), at) {
            return Ok(parsed.map(|parsed| (parsed, at)));
        }
        line.clear();
    }
    Ok(None)
}
