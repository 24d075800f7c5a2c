//! Who has an account, and who is in which team, is told to nobody who has no business with them.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer};

const DECISION: &str = "query($subject: String, $capability: String!, $resource: String!) {
    accessDecision(subject: $subject, capability: $capability, resource: $resource) { allowed } }";

fn about(subject: &str) -> Value {
    json!({ "subject": subject, "capability": "deployment.create", "resource": "acme/site/production" })
}

fn giving(subject: &str) -> Value {
    json!({ "input": { "subject": subject, "role": "ownstak/viewer", "scope": "acme/site" } })
}

/// What `document` answers about somebody who has an account and about somebody who has none: the same, or it would tell.
async fn the_same_refusal(client: &Client, document: &str, variables: fn(&str) -> Value, known: &str) -> String {
    let one = client.refusal(document, variables(known)).await;
    let other = client.refusal(document, variables("nobody@example.com")).await;
    assert_eq!(one, other, "the answer tells who has an account");
    one.code
}

#[tokio::test]
async fn an_account_cannot_be_found_out_by_asking() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (viewer, stranger) = (server.sign_up("viewer").await, server.sign_up("stranger").await);
    ada.create_site().await;
    ada.grant(&dev, "ownstak/editor", "acme/site").await;
    ada.grant(&viewer, "ownstak/viewer", "acme/site").await;
    for (client, code) in [(&stranger, "NOT_FOUND"), (&viewer, "FORBIDDEN")] {
        assert_eq!(the_same_refusal(client, DECISION, about, &dev.account.email).await, code);
        assert_eq!(the_same_refusal(client, DECISION, about, &dev.account.id).await, code);
        assert_eq!(the_same_refusal(client, GRANT, giving, &dev.account.email).await, code);
    }
    // Whoever may see the people there, or is the one in question, gets an answer.
    assert_eq!(ada.ok(DECISION, about(&dev.account.email)).await["accessDecision"]["allowed"], true);
    assert_eq!(viewer.ok(DECISION, about(&viewer.account.email)).await["accessDecision"]["allowed"], false);
    assert_eq!(stranger.code(DECISION, about(&stranger.account.email)).await, "NOT_FOUND");
    assert_eq!(ada.code(DECISION, about("nobody@example.com")).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_team_that_one_may_not_view_cannot_be_given_a_role() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    ada.create_site().await;
    let team = "{ viewer { personalTeam { id } } }";
    let of = async |client: &Client| client.ok(team, json!({})).await["viewer"]["personalTeam"]["id"].clone();
    let (own, foreign) = (of(&ada).await, of(&ben).await);
    ada.ok(GRANT, giving(own.as_str().unwrap())).await;
    assert_eq!(ada.code(GRANT, giving(foreign.as_str().unwrap())).await, "NOT_FOUND");
    let absent = format!("{}0", &foreign.as_str().unwrap()[..foreign.as_str().unwrap().len() - 1]);
    assert_eq!(ada.code(GRANT, giving(&absent)).await, "NOT_FOUND");
}
