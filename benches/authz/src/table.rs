//! What was measured, as Markdown for `docs/authorization.md`. It must not measure.

use std::fmt::Write;
use std::time::Duration;

use crate::contest::{Figures, Score};
use crate::{cedar, reeve, server};

/// The engines beside Reeve.
const ENGINES: [&str; 4] = ["cedar-policy", "regorus", "oso", "casbin"];
const LOCK: &str = include_str!("../../../Cargo.lock");

/// A line for each contestant; the ratios are to Reeve with nothing remembered, and for pages to Reeve with the actor's
/// authority remembered, which answers every capability.
pub(crate) fn table(scores: &[Score]) -> String {
    let (cold, known) = (score(scores, reeve::COLD).single.p50, score(scores, reeve::KNOWN).page.p50);
    let mut table = String::from(
        "| | one request, p50 | p99 | | 100 environments, p50 | p99 | |\n| --- | --: | --: | --: | --: | --: | --: |\n",
    );
    for Score { name, single, page } in scores {
        let (one, many) = (ratio(single.p50, cold), ratio(page.p50, known));
        let cells =
            [micros(single.p50), micros(single.p99), times(one), micros(page.p50), micros(page.p99), times(many)];
        let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
    }
    table
}

/// What Reeve means to hold, with what was measured.
pub(crate) fn checks(scores: &[Score], heavy: Figures) -> String {
    let (warm, cold) = (score(scores, server::WARM).single.p50, score(scores, reeve::COLD).single.p50);
    let (page, cedar) = (score(scores, reeve::KNOWN).page.p50, score(scores, cedar::BEST).single.p50);
    let within = |took: Duration, limit| (micros(took), took < Duration::from_micros(limit));
    let faster = |took: Duration, limit| {
        let ratio = ratio(cedar, took);
        (times(ratio), ratio >= limit)
    };
    let mut checks = String::from("| | measured | |\n| --- | --: | --- |\n");
    for (what, (measured, holds)) in [
        ("remembered at least 100x faster than Cedar", faster(warm, 100.0)),
        ("nothing remembered at least 8x faster than Cedar", faster(cold, 8.0)),
        ("100 environments, every capability, under 40 µs", within(page, 40)),
        ("authority of an actor with 100 bindings under 50 µs", within(heavy.p50, 50)),
    ] {
        let _ = writeln!(checks, "| {what} | {measured} | {} |", if holds { "yes" } else { "NO" });
    }
    checks
}

/// The versions of the engines, from the lock file.
pub(crate) fn versions() -> String {
    let version = |engine: &str| {
        let (_, rest) = LOCK.split_once(&format!("name = \"{engine}\"\nversion = \""))?;
        Some(format!("{engine} {}", rest.split_once('"')?.0))
    };
    ENGINES.into_iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

fn score<'a>(scores: &'a [Score], name: &str) -> &'a Score {
    static NONE: Score = Score {
        name: "",
        single: Figures { p50: Duration::ZERO, p99: Duration::ZERO },
        page: Figures { p50: Duration::ZERO, p99: Duration::ZERO },
    };
    scores.iter().find(|score| score.name == name).unwrap_or(&NONE)
}

fn ratio(took: Duration, base: Duration) -> f64 {
    took.as_secs_f64() / base.as_secs_f64()
}

fn micros(took: Duration) -> String {
    let micros = took.as_secs_f64() * 1e6;
    format!("{} µs", short(micros))
}

fn times(ratio: f64) -> String {
    format!("{}x", short(ratio))
}

/// Two or three digits that matter.
fn short(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.2}"),
        1.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
