//! A retry never acts twice.

use serde_json::json;

use crate::harness::TestServer;

const CREATE: &str = "mutation($input: CreateOrganizationInput!) {
    createOrganization(input: $input) { organization { id slug } } }";

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_acts_once() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let retrying = ada.with_header("idempotency-key", "4f1c8f7e");
    let acme = json!({ "input": { "name": "Acme", "slug": "acme" } });
    let first = retrying.ok(CREATE, acme.clone()).await;
    assert_eq!(retrying.ok(CREATE, acme.clone()).await, first);
    assert_eq!(ada.code(CREATE, acme).await, "CONFLICT", "without the key it is another request");
    let other = json!({ "input": { "name": "Blue", "slug": "blue" } });
    assert_eq!(retrying.code(CREATE, other.clone()).await, "IDEMPOTENCY_KEY_REUSED");
    let anothers = ben.with_header("idempotency-key", "4f1c8f7e").ok(CREATE, other).await;
    assert_eq!(anothers["createOrganization"]["organization"]["slug"], "blue", "a key belongs to who sends it");
    let mine = ada.ok("{ organizations { nodes { slug } } }", json!({})).await;
    assert_eq!(mine["organizations"]["nodes"], json!([{ "slug": "acme" }]));
}

#[tokio::test]
async fn retries_at_the_same_time_act_once() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let retrying = ada.with_header("idempotency-key", "one-draft");
    let files = [crate::harness::entry("index.html", b"hello")];
    let variables = crate::harness::draft_input(&environment, &files, None);
    let send = || retrying.query(crate::harness::CREATE_DEPLOYMENT, variables.clone());
    let (a, b, c) = tokio::join!(send(), send(), send());
    for answer in [a, b, c] {
        // Who comes while the first is under way may be asked to come again.
        let fine = answer.errors.is_empty() || answer.clone().refusal().code == "CONFLICT";
        assert!(fine, "{answer:?}");
    }
    let count = "query($id: ID!) { environment(id: $id) { deployments { nodes { number } } } }";
    let drafts = ada.ok(count, json!({ "id": environment.id })).await;
    assert_eq!(drafts["environment"]["deployments"]["nodes"], json!([{ "number": 1 }]));
}
