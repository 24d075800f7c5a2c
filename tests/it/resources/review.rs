//! Access as it is followed and reviewed: who gained and lost what, and who holds more than they use.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer, eventually, grant, text};

const FOLLOW: &str = "subscription($scope: String!, $since: Int) { accessChanged(scope: $scope, since: $since) {
    epoch operation reason actor { name }
    differences { user { name } scope gained { capability environments } lost { capability environments } } } }";
const REVIEW: &str = "query($scope: String!, $first: Int, $after: String) {
    accessReview(scope: $scope, first: $first, after: $after) { totalCount endCursor nodes {
        user { name } capabilities { capability environments } bindings { role } lastUsedAt neverUsed suggestedRole
        used { capability lastUsedAt } } } }";
const REVOKE: &str = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";

fn has(list: &Value, capability: &str, environments: &str) -> bool {
    list.as_array().unwrap().contains(&json!({ "capability": capability, "environments": environments }))
}

#[tokio::test]
async fn who_gains_and_loses_what_is_told_as_it_happens() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    ada.create_site().await;
    eve.create_organization("other").await;
    let mut live = ada.live().await;
    // What happens elsewhere is not told; what happens here is, in its order.
    live.subscribe("1", FOLLOW, json!({ "scope": "acme", "since": 0 })).await;
    let binding = ada.grant(&dev, "ownstak/viewer", "acme/site").await;
    let first = live.item().await["accessChanged"].clone();
    assert_eq!((&first["operation"], &first["actor"]["name"]), (&json!("access.grant"), &json!("ada")));
    assert_eq!(first["differences"][0]["user"]["name"], "dev");
    assert!(has(&first["differences"][0]["gained"], "project.view", "ANY"), "{first}");
    eve.grant(&dev, "ownstak/admin", "other").await;
    ada.ok(REVOKE, json!({ "input": { "id": binding } })).await;
    let second = live.item().await["accessChanged"].clone();
    assert_eq!(second["operation"], "access.revoke");
    assert!(has(&second["differences"][0]["lost"], "project.view", "ANY"), "{second}");
    assert!(second["epoch"].as_i64() > first["epoch"].as_i64());
    let mut reasoned = grant(&dev, "ownstak/editor", "acme");
    reasoned["input"]["reason"] = json!("joins the team");
    ada.ok(GRANT, reasoned).await;
    assert_eq!(live.item().await["accessChanged"]["reason"], "joins the team");

    // Who was away hears what was missed.
    let mut late = ada.live().await;
    late.subscribe("1", FOLLOW, json!({ "scope": "acme", "since": first["epoch"].as_i64().unwrap() + 1 })).await;
    assert_eq!(late.item().await["accessChanged"], second);
    assert_eq!(late.item().await["accessChanged"]["reason"], "joins the team");

    let mut hidden = eve.live().await;
    hidden.subscribe("1", FOLLOW, json!({ "scope": "acme" })).await;
    assert_eq!(hidden.cut().await.0, "NOT_FOUND");
}

async fn reviewed(client: &Client, name: &str) -> Value {
    let review = client.ok(REVIEW, json!({ "scope": "acme" })).await["accessReview"].clone();
    let mut people = review["nodes"].as_array().unwrap().iter();
    people.find(|person| person["user"]["name"] == name).unwrap_or_else(|| panic!("{review}")).clone()
}

#[tokio::test]
async fn a_review_tells_what_is_held_and_what_would_be_enough() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    ada.grant(&dev, "ownstak/admin", "acme").await;
    let untouched = reviewed(&ada, "dev").await;
    assert_eq!((&untouched["lastUsedAt"], &untouched["suggestedRole"]), (&Value::Null, &Value::Null));
    assert_eq!(untouched["bindings"], json!([{ "role": "ownstak/admin" }]));
    assert!(has(&untouched["capabilities"], "deployment.create", "ANY"), "{untouched}");

    dev.ok("query($id: ID!) { environment(id: $id) { id } }", json!({ "id": environment.id })).await;
    dev.ok("{ organization(path: \"acme\") { id } project(path: \"acme/site\") { id } }", json!({})).await;
    let used = eventually("the uses are written", async || {
        let person = reviewed(&ada, "dev").await;
        (person["used"].as_array().unwrap().len() == 3).then_some(person)
    })
    .await;
    let never: Vec<&str> = used["neverUsed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(never.contains(&"deployment.create") && !never.contains(&"environment.view"), "{never:?}");
    // Whoever only looks needs no more than a role that looks.
    let enough = text(&used["suggestedRole"]);
    let packs = ada
        .ok("{ roles { name capabilities(boundAt: ORGANIZATION) { capability production nonproduction } } }", json!({}))
        .await;
    let role = packs["roles"].as_array().unwrap().iter().find(|role| role["name"] == enough.as_str()).unwrap().clone();
    let gives: Vec<&str> =
        role["capabilities"].as_array().unwrap().iter().filter_map(|row| row["capability"].as_str()).collect();
    assert!(
        ["organization.view", "project.view", "environment.view"].iter().all(|needed| gives.contains(needed)),
        "{role}"
    );
    assert!(!gives.contains(&"deployment.create"), "{enough} gives more than needed");

    let page = ada.ok(REVIEW, json!({ "scope": "acme", "first": 1 })).await["accessReview"].clone();
    assert_eq!((&page["totalCount"], page["nodes"].as_array().unwrap().len()), (&json!(2), 1));
    let rest = ada.ok(REVIEW, json!({ "scope": "acme", "after": page["endCursor"] })).await["accessReview"].clone();
    assert_eq!((rest["nodes"].as_array().unwrap().len(), &rest["endCursor"]), (1, &Value::Null));
    assert_ne!(page["nodes"][0]["user"], rest["nodes"][0]["user"]);
    assert_eq!(eve.code(REVIEW, json!({ "scope": "acme" })).await, "NOT_FOUND");
}
