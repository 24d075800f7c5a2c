//! What differs between two deployments: settings, files, variables; and who is told.

use serde_json::{Value, json};

use super::variable::SET;
use crate::harness::{Deployment, Environment, TestServer};

const DIFFERENCES: &str = "query($id: ID!, $since: ID!) { deployment(id: $id) { differences(since: $since) {
    settings { name before after } files { added changed removed files { path kind } } variables { name kind secret } } } }";
const WITHOUT_VARIABLES: &str = "query($id: ID!, $since: ID!) { deployment(id: $id) { differences(since: $since) {
    files { added } } } }";

fn pair(before: &Deployment, after: &Deployment) -> Value {
    json!({ "id": after.id, "since": before.id })
}

#[tokio::test]
async fn what_differs_between_two_deployments_is_told() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let site = ada.create_site().await;
    let set = async |name: &str, value: &str, secret: bool| {
        let variables = json!([{ "name": name, "value": value, "secret": secret }]);
        ada.ok(SET, json!({ "input": { "scope": site.id, "variables": variables } })).await;
    };
    set("LEVEL", "info", false).await;
    set("TOKEN", "hunter2", true).await;
    let before = ada.deploy_static(&site, &[("index.html", b"one"), ("old.css", b"a"), ("same.js", b"s")]).await;
    set("LEVEL", "warn", false).await;
    set("REGION", "eu", false).await;
    let files: &[(&str, &[u8])] = &[("index.html", b"two"), ("new.css", b"b"), ("same.js", b"s")];
    let after = ada.deploy(&site, files, Some("[static]\nsingle_page = true\n")).await;
    ada.wait_for(&after, "ACTIVE").await;
    let told = ada.ok(DIFFERENCES, pair(&before, &after)).await;
    assert_eq!(
        told["deployment"]["differences"],
        json!({
            "settings": [{ "name": "single_page", "before": "false", "after": "true" }],
            "files": { "added": 1, "changed": 1, "removed": 1, "files": [
                { "path": "index.html", "kind": "CHANGED" },
                { "path": "new.css", "kind": "ADDED" },
                { "path": "old.css", "kind": "REMOVED" },
            ] },
            "variables": [
                { "name": "LEVEL", "kind": "CHANGED", "secret": false },
                { "name": "REGION", "kind": "ADDED", "secret": false },
            ],
        })
    );
    let same = ada.ok(DIFFERENCES, pair(&after, &after)).await;
    let nothing = json!({ "added": 0, "changed": 0, "removed": 0, "files": [] });
    assert_eq!(same["deployment"]["differences"], json!({ "settings": [], "files": nothing, "variables": [] }));
}

#[tokio::test]
async fn who_may_not_see_one_of_the_two_is_told_nothing() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let production = ada.create_environment(&project, "production", true).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let page = async |environment: &Environment| ada.deploy_static(environment, &[("index.html", b"page")]).await;
    let (live, next) = (page(&production).await, page(&staging).await);
    let elsewhere = ada.create_project(&organization, "other").await;
    let other = page(&ada.create_environment(&elsewhere, "production", true).await).await;
    ada.ok(DIFFERENCES, pair(&live, &next)).await;
    let refusal = ada.refusal(DIFFERENCES, pair(&other, &next)).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("INVALID_INPUT", "name a deployment of the same project")
    );
    let bob = server.sign_up("bob").await;
    ada.grant(&bob, "mia-console/maintainer", &staging.id).await;
    let absent = json!({ "id": next.id, "since": next.id.replace(&next.id[4..], &live.id[4..]) });
    assert_eq!(bob.code(WITHOUT_VARIABLES, absent).await, "NOT_FOUND");
    assert_eq!(bob.code(WITHOUT_VARIABLES, pair(&live, &next)).await, "NOT_FOUND");
    assert_eq!(bob.code(WITHOUT_VARIABLES, pair(&other, &next)).await, "NOT_FOUND");
    bob.ok(WITHOUT_VARIABLES, pair(&next, &next)).await;
}
