//! The promise of the edge: under constant load, deploys and rollbacks fail no request, and what was replaced never answers
//! again once its drain has ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::program::Mood;
use super::site::{Kind, Site, say};
use super::visitor::Visitor;
use crate::harness::eventually;

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 20;

/// What serves when. `order[drained]` is the version before which nothing may answer any more; `order[wanted]` is the one
/// that serves now or is about to.
struct Plan {
    order: Vec<String>,
    drained: AtomicUsize,
    wanted: AtomicUsize,
    /// Answers of each place in `order`, counted at the place that was wanted when they came.
    answers: Vec<AtomicU64>,
    failures: Mutex<Vec<String>>,
}

impl Plan {
    fn new(order: Vec<String>) -> Arc<Self> {
        let answers = order.iter().map(|_| AtomicU64::new(0)).collect();
        let (drained, wanted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { order, drained, wanted, answers, failures: Mutex::default() })
    }

    /// Visits until it is told to stop; gives how long each answer took.
    async fn hammer(self: Arc<Self>, mut visitor: Visitor, stop: CancellationToken) -> Vec<Duration> {
        let mut times = Vec::new();
        while !stop.is_cancelled() {
            let (from, began) = (self.drained.load(SeqCst), Instant::now());
            let answer = visitor.visit().await;
            let to = self.wanted.load(SeqCst);
            times.push(began.elapsed());
            let allowed = &self.order[from..=to];
            if !allowed.contains(&answer) {
                let failure = format!("at switch {from}, {allowed:?} may answer; what came: {answer}");
                self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                return times;
            }
            self.answers[to].fetch_add(1, SeqCst);
        }
        times
    }

    fn nothing_failed(&self) {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.is_empty(), "{} connections saw a failure: {failures:#?}", failures.len());
    }

    /// Waits until everybody had occasion to be served since this version was wanted.
    async fn is_under_load(&self, place: usize, more: u64) {
        let enough = self.answers[place].load(SeqCst) + more;
        eventually("visitors are answered", async || {
            self.nothing_failed();
            (self.answers[place].load(SeqCst) >= enough).then_some(())
        })
        .await;
    }
}

/// Version 0, then deploy 1, back to 0, deploy 2, back to 1, deploy 3, and so on.
fn order() -> Vec<String> {
    let versions = (1..=ROUNDS).flat_map(|version| [version, version - 1]);
    std::iter::once(0).chain(versions).map(|version| format!("v{version}")).collect()
}

async fn alternate(kind: Kind) {
    let site = Site::new(kind).await;
    let plan = Plan::new(order());
    let mut deployments = vec![site.deploy("v0").await];
    let (mut visitors, stop) = (JoinSet::new(), CancellationToken::new());
    for _ in 0..CONNECTIONS {
        let visitor = Visitor::connect(site.server.edge_address(), &site.environment.url).await;
        visitors.spawn(plan.clone().hammer(visitor, stop.clone()));
    }
    plan.is_under_load(0, 2 * CONNECTIONS as u64).await;
    let began = Instant::now();
    for place in 1..plan.order.len() {
        let version = &plan.order[place];
        if place % 2 == 1 {
            let draft = site.draft(version, Mood::Well).await;
            plan.wanted.store(place, SeqCst);
            site.request(&draft).await;
            site.succeeded(&draft).await;
            deployments.push(draft);
        } else {
            plan.wanted.store(place, SeqCst);
            site.rollback(&deployments[place / 2 - 1]).await;
        }
        assert!(plan.answers[place].load(SeqCst) > 0, "nobody was served during the switch to {version}");
        plan.drained.store(place, SeqCst);
        plan.is_under_load(place, 2 * CONNECTIONS as u64).await;
    }
    let took = began.elapsed();
    stop.cancel();
    let mut times: Vec<Duration> = visitors.join_all().await.into_iter().flatten().collect();
    plan.nothing_failed();
    times.sort();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    say(&format!(
        "{kind:?}: {} requests on {CONNECTIONS} connections, {} switches in {took:?}, 0 failed; p50 {:?}, p99 {:?}, max {:?}",
        times.len(),
        plan.order.len() - 1,
        at(500),
        at(990),
        at(1000),
    ));
    let (active, ready) = (&deployments[ROUNDS - 1], [&deployments[..ROUNDS - 1], &deployments[ROUNDS..]].concat());
    site.is_settled(active, &ready.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_sites_switch_under_load_without_a_failed_request() {
    alternate(Kind::Static).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_switch_under_load_without_a_failed_request() {
    alternate(Kind::Process).await;
}
