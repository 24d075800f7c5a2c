//! Death while a failed deploy is taken back: it fails all the same, says why, and leaves nothing but its log.

use reeve::workflow::deploy;
use serde_json::json;

use super::program::Mood;
use super::site::{Kind, Site, every, never_broke};
use crate::harness::DEPLOY;

/// What fails, and where the server dies while that is taken back.
#[derive(Clone, Debug)]
struct Case {
    mood: Mood,
    place: String,
}

/// The places on the way back from a step.
fn back_from(step: &str, mood: Mood) -> Vec<Case> {
    let failing = deploy::STEPS.iter().position(|candidate| candidate.name == step).unwrap();
    let begun = deploy::STEPS[..=failing].iter().map(|step| format!("deploy.{}.undoing", step.name));
    begun.chain(["deploy.undone".to_owned()]).map(|place| Case { mood, place }).collect()
}

async fn dies_in_an_undo(case: Case) {
    let mut site = Site::new(Kind::Process).await;
    let old = site.deploy("v1").await;
    let watch = site.watch();
    site.server.kill().await;
    site.start_again(&[("REEVE_CRASH_AT", &case.place)]).await;
    let bad = site.draft("v2", case.mood).await;
    site.request_of_the_dying(DEPLOY, json!({ "id": bad.id })).await;
    site.server.ended().await;
    site.start_again(&[]).await;
    let ended = site.ended(&bad).await;
    assert_eq!((&ended["state"], &ended["action"]["state"]), (&json!("FAILED"), &json!("FAILED")), "{ended:#}");
    let failure = ended["failure"].as_str().unwrap();
    assert!(failure.contains("`/health`"), "{failure}");
    assert_eq!(ended["action"]["error"], failure);
    watch.until("v1").await;
    // Nothing is in the way of the next one, and nothing of the failed one comes back meanwhile.
    let next = site.deploy("v3").await;
    watch.until("v3").await;
    never_broke(&watch.end().await, &["v1", "v3"]);
    site.is_settled(&next, &[&old]).await;
    assert_eq!(site.log(&bad).await, ["starting v2"], "its log, in which it was started once");
}

#[tokio::test]
async fn a_deploy_that_fails_its_check_is_undone_through_death_at_every_place() {
    every(back_from("check", Mood::Sick), dies_in_an_undo).await;
}

#[tokio::test]
async fn a_deploy_that_fails_when_it_was_ready_is_undone_through_death_at_every_place() {
    every(back_from("activate", Mood::Tired), dies_in_an_undo).await;
}
