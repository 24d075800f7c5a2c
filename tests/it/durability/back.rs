//! How long a rollback takes, from the mutation to the first answer of the old version, when that is running. On a machine that
//! is busy with other things, by the measure of a mutation that writes one row and waits for nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{Kind, Site, say};
use super::visitor::Visitor;
use crate::harness::{PATIENCE, ROLLBACK};

const ROLLBACKS: usize = 40;
const MEDIAN: Duration = Duration::from_millis(50);
/// Mutations that take as long as one rollback may, where that is longer.
const MUTATIONS: u32 = 8;

async fn rolled_back(kind: Kind) {
    let site = Site::new(kind).await;
    let mut deployments = [("v0", site.deploy("v0").await), ("v1", site.deploy("v1").await)];
    let mut visitor = Visitor::connect(site.server.edge_address(), &site.environment.url).await;
    let (mut times, mut mutations) = (Vec::new(), Vec::new());
    for _ in 0..ROLLBACKS {
        let (version, target) = deployments[0].clone();
        let began = Instant::now();
        site.ada.draft(&site.environment, &[("index.html", b"never sent")], None).await;
        mutations.push(began.elapsed());
        let began = Instant::now();
        let mutation =
            site.ada.ok(ROLLBACK, json!({ "input": { "id": target.id, "reason": "the newer one is slow" } }));
        let answer = async {
            while visitor.visit().await != version {
                assert!(began.elapsed() < PATIENCE, "{version} does not come back");
            }
            began.elapsed()
        };
        let (_, took) = tokio::join!(mutation, answer);
        times.push(took);
        site.succeeded(&target).await;
        deployments.reverse();
    }
    let [median, mutation] = [&mut times, &mut mutations].map(|times| {
        times.sort();
        times[ROLLBACKS / 2]
    });
    let most = times[ROLLBACKS - 1];
    say(&format!(
        "{kind:?}: {ROLLBACKS} rollbacks, from mutation to answer: median {median:?}, at most {most:?}; a mutation: {mutation:?}"
    ));
    let limit = MEDIAN.max(MUTATIONS * mutation);
    assert!(median < limit, "half of all rollbacks took {median:?} and longer, against {limit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_a_running_program_is_seen_at_once() {
    rolled_back(Kind::Process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_files_is_seen_at_once() {
    rolled_back(Kind::Static).await;
}
