//! What was measured, as Markdown for `docs/performance.md`. It must not measure.

use std::fmt::Write as _;

use crate::contest::Score;

/// Of nginx's answers in a second, Reeve's edge means to give at least this share.
pub(crate) const GOAL: f64 = 0.8;

/// A line for each scenario and number of connections.
pub(crate) fn table(scores: &[Score]) -> String {
    let mut table = String::from(
        "| | connections | reeve, answers/s | p99, ms | nginx, answers/s | p99, ms | ratio | |\n\
         | --- | --: | --: | --: | --: | --: | --: | --- |\n",
    );
    for score in scores {
        let (reeve, nginx, ratio) = (score.reeve, score.nginx, score.ratio());
        let verdict = if ratio >= GOAL { "holds" } else { "**below the goal**" };
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} | {:.2} | {:.0} | {:.2} | {ratio:.2} | {verdict} |",
            score.scenario.name(),
            score.connections,
            reeve.rate,
            reeve.p99,
            nginx.rate,
            nginx.p99,
        );
    }
    table
}
