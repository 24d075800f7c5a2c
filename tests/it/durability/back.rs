//! How long a rollback takes, from the mutation to the first answer of the old version, when that is running.

use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{Kind, Site, say};
use super::visitor::Visitor;
use crate::harness::{PATIENCE, ROLLBACK};

const ROLLBACKS: usize = 40;
const MEDIAN: Duration = Duration::from_millis(50);

async fn rolled_back(kind: Kind) {
    let site = Site::new(kind).await;
    let mut deployments = [("v0", site.deploy("v0").await), ("v1", site.deploy("v1").await)];
    let mut visitor = Visitor::connect(site.server.edge_address(), &site.environment.url).await;
    let mut times = Vec::new();
    for _ in 0..ROLLBACKS {
        let (version, target) = deployments[0].clone();
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
    times.sort();
    let (median, most) = (times[ROLLBACKS / 2], times[ROLLBACKS - 1]);
    say(&format!("{kind:?}: {ROLLBACKS} rollbacks, from mutation to answer: median {median:?}, at most {most:?}"));
    assert!(median < MEDIAN, "half of all rollbacks took {median:?} and longer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_a_running_program_takes_less_than_50_ms() {
    rolled_back(Kind::Process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_files_takes_less_than_50_ms() {
    rolled_back(Kind::Static).await;
}
