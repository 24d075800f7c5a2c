//! Death from outside: at any moment of a deploy, and of the programs together with the server.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::machine;
use super::program::Mood;
use super::site::{Kind, Site, every, never_broke, recovered};
use crate::harness::{DEPLOY, eventually};

const ROUNDS: u64 = 6;

/// A moment between 0 and `below`, the same in every run (xorshift).
fn moments(seed: u64, below: u64) -> impl Iterator<Item = u64> {
    let next = |state: &u64| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        Some(state ^ (state << 17))
    };
    std::iter::successors(next(&seed), next).map(move |state| (state >> 11) % below)
}

/// The moment is counted in answers that a visitor got since the deploy was asked for.
async fn is_killed_now_and_then((kind, seed): (Kind, u64)) {
    let mut site = Site::new(kind).await;
    let mut deployments = vec![site.deploy("v0").await];
    for (round, moment) in (1..=ROUNDS).zip(moments(seed, 400)) {
        let (old, new) = (format!("v{}", round - 1), format!("v{round}"));
        let draft = site.draft(&new, Mood::Well).await;
        let watch = site.watch();
        watch.until(&old).await;
        site.ada.ok(DEPLOY, json!({ "input": { "id": draft.id } })).await;
        let deadline = watch.count() + moment;
        eventually("the moment has come", async || (watch.count() >= deadline).then_some(())).await;
        site.server.kill().await;
        site.start_again(&[]).await;
        site.succeeded(&draft).await;
        watch.until(&new).await;
        never_broke(&watch.end().await, &[&old, &new]);
        site.is_settled(&draft, &deployments.iter().collect::<Vec<_>>()).await;
        deployments.push(draft);
    }
}

#[tokio::test]
async fn a_deploy_survives_a_kill_at_any_moment() {
    let cases = [(Kind::Process, 0x2545_f491_4f6c_dd1d), (Kind::Process, 7_777_777), (Kind::Static, 0x9e37_79b9)];
    every(cases.to_vec(), is_killed_now_and_then).await;
}

/// Who dies with the server.
#[derive(Clone, Copy, Debug)]
enum Victims {
    Everybody,
    Shims,
    Programs,
}

async fn comes_back(victims: Victims) {
    let mut site = Site::new(Kind::Process).await;
    let old = site.deploy("v1").await;
    let active = site.deploy("v2").await;
    let before = machine::on_record(site.data.path());
    assert_eq!(before.len(), 2);
    site.server.kill().await;
    for running in before.values() {
        let pids = match victims {
            Victims::Everybody => running.pids().collect(),
            Victims::Shims => vec![running.shim],
            Victims::Programs => vec![running.child],
        };
        for pid in pids {
            // Those behind a wall go with the one who holds it.
            let killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
            assert!(matches!(killed, Ok(()) | Err(Errno::ESRCH)), "{killed:?}");
        }
    }
    // Until there is a server, the edge has nobody to ask and nothing to start.
    site.start_again(&[]).await;
    let watch = site.watch();
    watch.until("v2").await;
    recovered(&watch.end().await, &["v2"]);
    eventually("the other one runs as well", async || {
        let now = machine::on_record(site.data.path());
        let is_new = now.get(&old.id).is_some_and(|running| *running != before[&old.id]);
        is_new.then_some(())
    })
    .await;
    site.is_settled(&active, &[&old]).await;
    site.rollback(&old).await;
    site.is_settled(&old, &[&active]).await;
}

#[tokio::test]
async fn programs_that_died_with_the_server_run_again() {
    every(vec![Victims::Everybody, Victims::Shims, Victims::Programs], comes_back).await;
}
