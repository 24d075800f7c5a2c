//! What is followed comes, in order and once, and ends when nothing more can come.

use serde_json::{Value, json};

use super::{DEPLOYMENT_LOG, DEPLOYMENTS, ENVIRONMENT_LOG, Ground, TOML, deploy, id};
use crate::harness::{Live, TestServer};

/// Skips what was said before.
async fn until(live: &mut Live, text: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|line| line != text) {
        let item = live.item().await;
        let line = item.get("environmentLog").or(item.get("deploymentLog")).unwrap();
        heard.push(line["text"].as_str().unwrap().to_owned());
    }
    heard
}

#[tokio::test]
async fn the_lines_of_a_running_program_come_as_it_prints_them() {
    let ground = Ground::new().await;
    let mut live = ground.ada.follow(ENVIRONMENT_LOG, id(&ground.environment.id)).await;
    let mut again = ground.ada.follow(DEPLOYMENT_LOG, id(&ground.deployment.id)).await;
    let first = until(&mut live, "starting one").await;
    assert!(first.len() <= 2, "before it started, its supervisor may have said something: {first:?}");
    for number in 0..3 {
        let path = format!("/visit-{number}");
        ground.ask(&path).await;
        let line = format!("asked for {path}");
        let heard = until(&mut live, &line).await;
        assert!(heard.iter().all(|other| other.contains("/health") || *other == line), "{heard:?}");
        until(&mut again, &line).await;
    }
    // Whoever wants no past gets what comes.
    let mut late = ground.ada.follow(ENVIRONMENT_LOG, json!({ "id": ground.environment.id, "last": 1 })).await;
    assert_eq!(late.item().await["environmentLog"]["text"], "asked for /visit-2");
    // The environment's log goes on with the next deployment, from its beginning.
    deploy(&ground.ada, &ground.environment, "two").await;
    until(&mut live, "starting two").await;
    ground.ask("/next").await;
    until(&mut live, "asked for /next").await;
}

#[tokio::test]
async fn the_log_of_what_has_failed_ends_by_itself() {
    let ground = Ground::new().await;
    let program = b"import sys; print('no database', flush=True); sys.exit(3)";
    let bad = ground.ada.deploy(&ground.environment, &[("server.py", program)], Some(TOML)).await;
    let mut live = ground.ada.follow(DEPLOYMENT_LOG, id(&bad.id)).await;
    let all = live.rest().await;
    let said = all.iter().any(|item| item["deploymentLog"]["text"] == "no database");
    assert!(said, "{all:?}");
}

#[tokio::test]
async fn a_deployment_is_told_of_in_every_state_that_it_comes_to() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let mut live = ada.follow(DEPLOYMENTS, id(&environment.id)).await;
    // What happened before the first look is not told.
    let files: &[(&str, &[u8])] = &[("index.html", b"one")];
    let begun = loop {
        let draft = ada.draft(&environment, files, None).await.deployment;
        let heard = tokio::time::timeout(std::time::Duration::from_secs(1), live.item()).await;
        if heard.is_ok() {
            break draft;
        }
    };
    let deployment = ada.deploy_static(&environment, files).await;
    assert_ne!(begun.id, deployment.id);
    let mut states: Vec<Value> = Vec::new();
    while states.last().is_none_or(|state| state != "ACTIVE") {
        let item = live.item().await["deploymentUpdated"].clone();
        assert_eq!(item["environment"]["id"], environment.id);
        assert_eq!(item["viewerCan"], json!([{ "allowed": true }]));
        if item["id"] == deployment.id {
            states.push(item["state"].clone());
        }
    }
    let order = ["DRAFT", "QUEUED", "BUILDING", "STARTING", "READY", "ACTIVE"];
    let places: Vec<usize> = states.iter().map(|s| order.iter().position(|state| s == state).unwrap()).collect();
    assert!(places.is_sorted() && places.len() >= 2, "{states:?}");
}
