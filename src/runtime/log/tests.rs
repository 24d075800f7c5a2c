//! What is read of a log is what was written to it, once and in order, however it is turned over in between.

use super::*;
use crate::runtime::{LogFrom, LogLine, LogMark, LogPage, LogStream};

const LIMITS: LogLimits = LogLimits { bytes: 8 * 256, age_ms: 3_600_000 };

fn texts(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

fn after(seq: u64) -> LogFrom {
    LogFrom::Mark(LogMark::after(seq))
}

fn write(log: &mut LogFile, numbers: std::ops::RangeInclusive<u64>) {
    numbers.for_each(|number| log.write(LogStream::Stdout, format!("line {number}")));
}

fn sizes(dir: &Path) -> io::Result<u64> {
    segments(dir)?.iter().try_fold(0, |sum, file| Ok(sum + fs::metadata(&file.path)?.len()))
}

#[test]
fn reading_on_neither_loses_nor_repeats_a_line() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let nothing = read(dir.path(), LogFrom::Last(10), 100)?;
    assert!(nothing.lines.is_empty());
    let mut log = LogFile::open(dir.path(), LIMITS)?;
    write(&mut log, 1..=3);
    let two = read(dir.path(), LogFrom::Last(2), 100)?;
    assert_eq!(texts(&two), ["line 2", "line 3"]);
    assert_eq!(texts(&read(dir.path(), LogFrom::Mark(nothing.mark), 100)?), ["line 1", "line 2", "line 3"]);
    let mut mark = two.mark;
    let mut number = 3;
    // Over many turns, in bites, sometimes found again by nothing but the number.
    for bite in 1..=20 {
        write(&mut log, number + 1..=number + bite);
        let mut seen = Vec::new();
        loop {
            let from = if bite % 2 == 0 { after(mark.seq) } else { LogFrom::Mark(mark) };
            let page = read(dir.path(), from, 3)?;
            mark = page.mark;
            assert_eq!(page.missed, 0);
            if page.lines.is_empty() {
                break;
            }
            seen.extend(page.lines.into_iter().map(|line| line.seq));
        }
        assert_eq!(seen, (number + 1..=number + bite).collect::<Vec<_>>());
        number += bite;
    }
    assert_eq!(read(dir.path(), LogFrom::Before(number), 2)?.lines.last().map(|line| line.seq), Some(number - 1));
    Ok(())
}

#[test]
fn what_is_gone_is_told() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut log = LogFile::open(dir.path(), LIMITS)?;
    write(&mut log, 1..=2);
    let mark = read(dir.path(), after(0), 100)?.mark;
    write(&mut log, 3..=500);
    assert!(sizes(dir.path())? <= LIMITS.bytes, "{}", sizes(dir.path())?);
    for from in [LogFrom::Mark(mark), after(2)] {
        let page = read(dir.path(), from, 1000)?;
        let first = page.lines.first().map_or(0, |line| line.seq);
        assert!(first > 3 && page.missed == first - 3, "{first}: {}", page.missed);
        assert_eq!(page.lines.last().map(|line| line.seq), Some(500));
        assert!(page.lines.windows(2).all(|two| two[1].seq == two[0].seq + 1));
    }
    // Also when nothing is left.
    drop(log);
    for file in segments(dir.path())? {
        fs::File::options().append(true).open(&file.path)?.set_modified(std::time::UNIX_EPOCH)?;
    }
    tidy(dir.path(), LIMITS)?;
    let page = read(dir.path(), after(499), 1000)?;
    assert_eq!((page.missed, page.lines.len(), page.mark.seq), (1, 0, 500));
    assert_eq!(sizes(dir.path())?, 0);
    write(&mut LogFile::open(dir.path(), LIMITS)?, 501..=501);
    assert_eq!(texts(&read(dir.path(), LogFrom::Mark(page.mark), 10)?), ["line 501"]);
    Ok(())
}

#[test]
fn numbers_go_on_after_a_half_written_line() -> io::Result<()> {
    use std::io::Write;
    let dir = tempfile::tempdir()?;
    write(&mut LogFile::open(dir.path(), LogLimits::default())?, 1..=2);
    let mut file = fs::OpenOptions::new().append(true).open(path(dir.path(), 1))?;
    file.write_all(b"{\"seq\":3,\"at_ms\":1,\"str")?;
    assert_eq!(texts(&read(dir.path(), after(0), 10)?), ["line 1", "line 2"]);
    write(&mut LogFile::open(dir.path(), LogLimits::default())?, 3..=4);
    let page = read(dir.path(), after(1), 10)?;
    assert_eq!(texts(&page), ["line 2", "line 3", "line 4"]);
    // One in the middle that was lost, as on a full disk.
    let line = LogLine { seq: 7, at_ms: 5, stream: LogStream::Stderr, text: "late".to_owned() };
    file.write_all(&[&serde_json::to_vec(&line)?[..], b"\n"].concat())?;
    let page = read(dir.path(), LogFrom::Mark(page.mark), 10)?;
    assert_eq!((texts(&page), page.missed), (vec!["late"], 2));
    Ok(())
}

#[test]
fn a_time_is_a_place_to_begin() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut log = LogFile::open(dir.path(), LIMITS)?;
    write(&mut log, 1..=3);
    let all = read(dir.path(), LogFrom::Since(0), 10)?;
    assert_eq!(all.lines.len(), 3);
    let none = read(dir.path(), LogFrom::Since(i64::MAX), 10)?;
    assert_eq!((none.lines.len(), none.mark.seq), (0, 3));
    Ok(())
}
