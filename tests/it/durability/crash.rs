//! Death at every step of every action: the server is killed at the place, comes back, and goes on as if nothing had
//! happened. The places come from the tables of steps, so that a new step is tried as well.

use reeve::workflow::{Step, deploy, rollback};
use serde_json::json;

use super::machine;
use super::program::Mood;
use super::site::{Kind, Site, every, never_broke, recovered};
use super::visitor::{Seen, Watch};
use crate::harness::{DEPLOY, Deployment, ROLLBACK, eventually};

const POINTS: [&str; 3] = ["begun", "run", "recorded"];

/// Where the server dies, in what, and what dies with it.
#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    place: String,
    /// The link had moved already.
    moved: bool,
    /// Programs die as well.
    power_cut: bool,
}

fn cases(kind: Kind, action: &str, steps: &[Step]) -> Vec<Case> {
    let activate = steps.iter().position(|step| step.name == "activate").unwrap();
    let places = steps.iter().enumerate().flat_map(|(position, step)| {
        POINTS.map(|point| Case {
            kind,
            place: format!("{action}.{}.{point}", step.name),
            moved: position > activate || position == activate && point != "begun",
            power_cut: false,
        })
    });
    let places: Vec<Case> = places.collect();
    assert_eq!(places.len(), steps.len() * POINTS.len());
    places
}

/// For static files, whose steps do little, one point of each step is enough.
fn after_each_effect(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().filter(|case| case.place.ends_with(".run")).collect()
}

async fn dies_in_a_deploy(case: Case) {
    let mut site = Site::new(case.kind).await;
    let old = site.deploy("v1").await;
    let before = machine::on_record(site.data.path());
    let watch = site.watch();
    site.server.kill().await;
    site.start_again(&[("REEVE_CRASH_AT", &case.place)]).await;
    let new = site.draft("v2", Mood::Well).await;
    site.request_of_the_dying(DEPLOY, json!({ "id": new.id })).await;
    site.server.ended().await;
    let watch = after(&case, &site, watch).await;
    site.start_again(&[]).await;
    site.succeeded(&new).await;
    watch.until("v2").await;
    saw(&case, &watch.end().await, ["v1", "v2"]);
    runs(&site, &old).await;
    site.is_settled(&new, &[&old]).await;
    if case.kind == Kind::Process && !case.power_cut {
        let after = machine::on_record(site.data.path());
        assert_eq!(after[&old.id], before[&old.id], "the earlier program was not left alone");
        let log = site.log(&new).await;
        assert_eq!(log.iter().filter(|line| *line == "starting v2").count(), 1, "it was not started once: {log:?}");
    }
}

async fn dies_in_a_rollback(case: Case) {
    let mut site = Site::new(case.kind).await;
    let target = site.deploy("v1").await;
    let newest = site.deploy("v2").await;
    let before = machine::on_record(site.data.path());
    let watch = site.watch();
    site.server.kill().await;
    site.start_again(&[("REEVE_CRASH_AT", &case.place)]).await;
    site.request_of_the_dying(ROLLBACK, json!({ "id": target.id, "reason": "v2 is slow" })).await;
    site.server.ended().await;
    let watch = after(&case, &site, watch).await;
    site.start_again(&[]).await;
    site.succeeded(&target).await;
    watch.until("v1").await;
    saw(&case, &watch.end().await, ["v2", "v1"]);
    runs(&site, &newest).await;
    site.is_settled(&target, &[&newest]).await;
    if !case.power_cut {
        assert_eq!(machine::on_record(site.data.path()), before, "programs were not left alone");
    }
}

/// Where the power is cut, visitors come anew; otherwise they have not noticed anything.
async fn after(case: &Case, site: &Site, watch: Watch) -> Watch {
    if !case.power_cut {
        return watch;
    }
    drop(watch.end().await);
    machine::cut_power(site.data.path());
    site.watch()
}

fn saw(case: &Case, seen: &Seen, order: [&str; 2]) {
    match (case.power_cut, case.moved) {
        (false, _) => never_broke(seen, &order),
        (true, false) => recovered(seen, &order),
        (true, true) => recovered(seen, &order[1..]),
    }
}

/// A power cut takes programs that do not serve the environment's link as well; they are brought back a little later.
async fn runs(site: &Site, deployment: &Deployment) {
    if site.kind == Kind::Process {
        eventually("the other program runs", async || {
            machine::on_record(site.data.path()).contains_key(&deployment.id).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_deploy_of_a_program_survives_death_at_every_step() {
    every(cases(Kind::Process, "deploy", deploy::STEPS), dies_in_a_deploy).await;
}

#[tokio::test]
async fn a_deploy_of_static_files_survives_death_after_every_step() {
    every(after_each_effect(cases(Kind::Static, "deploy", deploy::STEPS)), dies_in_a_deploy).await;
}

#[tokio::test]
async fn a_rollback_of_programs_survives_death_at_every_step() {
    every(cases(Kind::Process, "rollback", rollback::STEPS), dies_in_a_rollback).await;
}

#[tokio::test]
async fn a_rollback_of_static_files_survives_death_after_every_step() {
    every(after_each_effect(cases(Kind::Static, "rollback", rollback::STEPS)), dies_in_a_rollback).await;
}

fn with_a_power_cut(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().map(|case| Case { power_cut: true, ..case }).collect()
}

/// What the action had started is started again.
#[tokio::test]
async fn a_deploy_survives_a_power_cut_after_every_step() {
    let cases = after_each_effect(cases(Kind::Process, "deploy", deploy::STEPS));
    every(with_a_power_cut(cases), dies_in_a_deploy).await;
}

#[tokio::test]
async fn a_rollback_survives_a_power_cut_after_every_step() {
    let cases = after_each_effect(cases(Kind::Process, "rollback", rollback::STEPS));
    every(with_a_power_cut(cases), dies_in_a_rollback).await;
}

/// Whatever becomes of the program after the link has moved, the deploy is not taken back: the link would lead nowhere.
#[tokio::test]
async fn a_deploy_is_not_undone_once_the_link_has_moved() {
    let mut site = Site::new(Kind::Process).await;
    let old = site.deploy("v1").await;
    site.server.kill().await;
    site.start_again(&[("REEVE_CRASH_AT", "deploy.activate.run")]).await;
    let new = site.draft("v2", Mood::Barred).await;
    site.request_of_the_dying(DEPLOY, json!({ "id": new.id })).await;
    site.server.ended().await;
    let bar = machine::release(site.data.path(), &new.id).join("bar");
    std::fs::write(&bar, "").unwrap();
    machine::cut_power(site.data.path());
    site.start_again(&[]).await;
    // By its third start, whoever had the deploy in hand has seen that the program does not come up.
    eventually("the program was tried again and again", async || {
        let now = site.read(&new).await;
        let goes_on = matches!(now["action"]["state"].as_str(), Some("RUNNING" | "SUCCEEDED"));
        assert!(now["state"] == "ACTIVE" && goes_on, "{now:#}");
        (site.log(&new).await.len() >= 3).then_some(())
    })
    .await;
    std::fs::remove_file(bar).unwrap();
    let watch = site.watch();
    watch.until("v2").await;
    recovered(&watch.end().await, &["v2"]);
    site.succeeded(&new).await;
    runs(&site, &old).await;
    site.is_settled(&new, &[&old]).await;
}
