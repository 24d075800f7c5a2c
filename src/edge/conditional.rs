//! Validators and ranges of RFC 9110: what part of a file a request wants, if any. Pure: it must not know files.

use hyper::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What to send of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    /// From the first to the last byte, both included.
    Part {
        first: u64,
        last: u64,
    },
    /// The client has it: 304.
    Unchanged,
    /// The client wanted another one: 412.
    Other,
    /// The range lies outside the file: 416.
    Unsatisfiable,
}

/// Decides for a file of `size` bytes with the strong validator `etag`, quotes included.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    if headers.contains_key(IF_MATCH) && !matches(headers, IF_MATCH, |tag| tag == etag) {
        return Wanted::Other;
    }
    if matches(headers, IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == etag) {
        return Wanted::Unchanged;
    }
    let fresh = headers.get(IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let mut ranges = headers.get_all(RANGE).iter();
    match (ranges.next().and_then(|range| range.to_str().ok()), ranges.next()) {
        (Some(range), None) if fresh => part(range, size),
        _ => Wanted::Whole,
    }
}

fn matches(headers: &HeaderMap, name: hyper::header::HeaderName, same: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || same(tag))
}

/// One range only: for several, as for a unit that is not bytes or a malformed range, a server may send the whole.
fn part(range: &str, size: u64) -> Wanted {
    let spec = range.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else { return Wanted::Whole };
    let bounds = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Some((first, last)),
        (Some(first), None) if last.is_empty() => Some((first, u64::MAX)),
        (None, Some(0)) if first.is_empty() => return Wanted::Unsatisfiable,
        (None, Some(tail)) if first.is_empty() => Some((size.saturating_sub(tail), u64::MAX)),
        _ => None,
    };
    match bounds {
        None => Wanted::Whole,
        Some((first, _)) if first >= size => Wanted::Unsatisfiable,
        Some((first, last)) => Wanted::Part { first, last: last.min(size - 1) },
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
