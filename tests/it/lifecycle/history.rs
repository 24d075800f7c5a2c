//! What has happened to a deployment, and what happens by itself: retention, promotion, skipping.

use serde_json::{Value, json};

use super::Ground;
use crate::durability::program::Mood;
use crate::harness::{Deployment, ROLLBACK};

const SET: &str = "mutation($input: SetRetentionInput!) { setRetention(input: $input) {
    project { version retention { keepRunning retireAfterMinutes keepDeployments reviveOnVisit } } } }";
const PROMOTE: &str = "mutation($input: PromoteDeploymentInput!) { promoteDeployment(input: $input) {
    deployment { id environment { id } source { id } } } }";

impl Ground {
    /// Sets the project's retention, the rest as it comes.
    pub(super) async fn retention(&self, some: Value) -> Value {
        let mut input = json!({ "id": self.project, "keepRunning": 3, "retireAfterMinutes": 1440,
            "keepDeployments": 100, "reviveOnVisit": true, "expectedVersion": self.version().await });
        for (key, value) in some.as_object().unwrap() {
            input[key] = value.clone();
        }
        self.ada.ok(SET, json!({ "input": input })).await["setRetention"]["project"]["retention"].clone()
    }

    async fn version(&self) -> i64 {
        let data = self.ada.ok("query($id: ID!) { project(id: $id) { version } }", json!({ "id": self.project })).await;
        data["project"]["version"].as_i64().unwrap()
    }

    async fn events(&self, deployment: &Deployment) -> Vec<(String, String)> {
        let document = "query($id: ID!) { deployment(id: $id) { events(first: 100) { nodes { state cause at
            actor { name } detail } } } }";
        let data = self.ada.ok(document, json!({ "id": deployment.id })).await;
        let events = data["deployment"]["events"]["nodes"].as_array().unwrap();
        let told = |event: &Value| {
            let by = if event["cause"] == "USER" { &event["actor"]["name"] } else { &event["cause"] };
            (event["state"].as_str().unwrap().to_owned(), by.as_str().unwrap().to_owned())
        };
        events.iter().rev().map(told).collect()
    }
}

fn by(actor: &str, states: &[&str]) -> Vec<(String, String)> {
    states.iter().map(|state| ((*state).to_owned(), actor.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_happened_is_told_in_order() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let first = ground.program(&environment, "v1", Mood::Well).await;
    ground.deploy(&first).await;
    ground.settled(&first.id, "ACTIVE").await;
    let second = ground.page(&environment, "v2").await;
    ground.deploy(&second).await;
    ground.settled(&second.id, "ACTIVE").await;
    ground.ask("RETIRE", &first).await;
    ground.settled(&first.id, "RETIRED").await;
    ground.ada.ok(ROLLBACK, json!({ "input": { "id": first.id, "reason": "v2 is wrong" } })).await;
    ground.settled(&first.id, "ACTIVE").await;
    assert_eq!(ground.visit(&environment.url).await, "v1", "a retired one is started for a rollback");
    let life = [
        "DRAFT", "QUEUED", "BUILDING", "STARTING", "READY", "ACTIVE", "READY", "RETIRED", "REVIVING", "READY", "ACTIVE",
    ];
    assert_eq!(ground.events(&first).await, by("ada", &life));
    let eve = ground.server.client().sign_up("eve").await;
    let hidden = "query($id: ID!) { deployment(id: $id) { events { nodes { id } } } }";
    assert_eq!(eve.code(hidden, json!({ "id": first.id })).await, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_uses_is_retired_and_what_is_old_is_deleted() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let mut all = Vec::new();
    for version in ["v1", "v2", "v3", "v4"] {
        let deployment = ground.page(&environment, version).await;
        ground.deploy(&deployment).await;
        ground.settled(&deployment.id, "ACTIVE").await;
        all.push(deployment);
    }
    ground.retention(json!({ "keepRunning": 1, "retireAfterMinutes": 0 })).await;
    for old in &all[..2] {
        let retired = ground.settled(&old.id, "RETIRED").await;
        assert_eq!((&retired["action"]["kind"], &retired["action"]["cause"]), (&json!("RETIRE"), &json!("POLICY")));
        assert_eq!(ground.events(old).await.last(), Some(&("RETIRED".to_owned(), "POLICY".to_owned())));
    }
    assert_eq!(ground.read(&all[2].id).await["state"], "READY", "the newest but the active one keeps running");
    ground.retention(json!({ "keepRunning": 1, "retireAfterMinutes": 0, "keepDeployments": 3 })).await;
    ground.settled(&all[0].id, "DELETED").await;
    assert_eq!(ground.read(&all[1].id).await["state"], "RETIRED");
    assert_eq!(ground.visit(&all[0].url).await, "unknown_host");
    assert_eq!(ground.visit(&all[3].url).await, "v4");
    let wrong = json!({ "input": { "id": ground.project, "keepRunning": -1, "retireAfterMinutes": 9_999_999,
        "keepDeployments": 0, "reviveOnVisit": true, "expectedVersion": ground.version().await } });
    let refused = ground.ada.refusal(SET, wrong).await;
    assert_eq!(
        (refused.code.as_str(), refused.extensions["problems"].as_array().map(Vec::len)),
        ("INVALID_INPUT", Some(3))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_takes_only_its_own_content_along() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let (first, second) = (ground.page(&environment, "v1").await, ground.page(&environment, "v2").await);
    for deployment in [&first, &second] {
        ground.deploy(deployment).await;
        ground.settled(&deployment.id, "ACTIVE").await;
    }
    let again = ground.ask("REDEPLOY", &first).await;
    ground.settled(&again, "READY").await;
    ground.ask("DELETE", &first).await;
    ground.settled(&first.id, "DELETED").await;
    let copy = ground.ada.ok("query($id: ID!) { deployment(id: $id) { url } }", json!({ "id": again })).await;
    let link = copy["deployment"]["url"].as_str().unwrap().to_owned();
    assert_eq!(ground.visit(&link).await, "v1", "somebody else still needs it");
    let blobs = || walk(&ground.data.path().join("blobs"));
    assert_eq!(blobs(), 2);
    ground.ada.ok(super::document("DELETE"), json!({ "input": { "id": again } })).await;
    ground.settled(&again, "DELETED").await;
    assert_eq!(blobs(), 1, "nobody needs it any more");
    // The same may come again.
    let third = ground.page(&environment, "v1").await;
    ground.deploy(&third).await;
    ground.settled(&third.id, "ACTIVE").await;
    assert_eq!(ground.visit(&environment.url).await, "v1");
}

/// How many files there are below a folder.
fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_promoted_within_its_project() {
    let ground = Ground::new().await;
    let (staging, production) = (ground.environment().await, ground.environment().await);
    let tried = ground.page(&staging, "v1").await;
    let promote = |id: &str, to: &str| json!({ "input": { "id": id, "environmentId": to } });
    let refused = ground.ada.refusal(PROMOTE, promote(&tried.id, &production.id)).await;
    assert_eq!(refused.extensions["reason"], "DEPLOYMENT_NOT_READY");
    ground.deploy(&tried).await;
    ground.settled(&tried.id, "ACTIVE").await;
    let promoted =
        ground.ada.ok(PROMOTE, promote(&tried.id, &production.id)).await["promoteDeployment"]["deployment"].clone();
    assert_eq!((&promoted["environment"]["id"], &promoted["source"]["id"]), (&json!(production.id), &json!(tried.id)));
    ground.settled(promoted["id"].as_str().unwrap(), "ACTIVE").await;
    assert_eq!(ground.visit(&production.url).await, "v1");
    let other = ground.ada.create_organization("other").await;
    let other = ground.ada.create_project(&other, "site").await;
    let other = ground.ada.create_environment(&other, "production", true).await;
    for to in [&staging.id, &other.id] {
        assert_eq!(ground.ada.code(PROMOTE, promote(&tried.id, to)).await, "INVALID_INPUT");
    }
}
