//! Who holds which role where, and who may change that.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer, grant};

const REVOKE: &str = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
const BINDINGS: &str = "query($path: String!) { organization(path: $path) {
    bindings { nodes { id subject { ... on User { name } } role scope } } } }";
const DECISION: &str = "query($subject: String, $capability: String!, $resource: String!) {
    accessDecision(subject: $subject, capability: $capability, resource: $resource) {
        allowed summary because { bindingId role boundAt scope sentence } refusal { reason sentence } } }";

fn revoke(binding: &str) -> Value {
    json!({ "input": { "id": binding } })
}

async fn bindings(client: &Client) -> Vec<Value> {
    let data = client.ok(BINDINGS, json!({ "path": "acme" })).await;
    data["organization"]["bindings"]["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_role_counts_from_the_grant_to_the_revocation() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let read = "query($id: ID!) { environment(id: $id) { id } }";
    let id = json!({ "id": environment.id });
    assert_eq!(dev.code(read, id.clone()).await, "NOT_FOUND");
    let binding = ada.grant(&dev, "ownstak/editor", "acme/site").await;
    dev.ok(read, id.clone()).await;
    assert!(dev.can("deployment.create", &environment.id).await);
    assert!(!dev.can("environment.update", &environment.id).await);
    assert_eq!(ada.ok(REVOKE, revoke(&binding)).await["revokeBinding"]["revokedId"], binding);
    assert_eq!(dev.code(read, id).await, "NOT_FOUND");
    assert_eq!(ada.code(REVOKE, revoke(&binding)).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_role_counts_within_its_time_only() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let (before, after) = (Utc::now() - TimeDelta::hours(1), Utc::now() + TimeDelta::hours(1));
    let within = async |not_before: Option<_>, not_after: Option<_>| {
        let mut variables = grant(&dev, "ownstak/viewer", "acme");
        variables["input"]["notBefore"] = json!(not_before);
        variables["input"]["notAfter"] = json!(not_after);
        let data = ada.ok(GRANT, variables).await;
        let read = dev.query("query($id: ID!) { environment(id: $id) { id } }", json!({ "id": environment.id })).await;
        ada.ok(REVOKE, revoke(data["grantRole"]["binding"]["id"].as_str().unwrap())).await;
        read.errors.is_empty()
    };
    assert!(within(Some(before), Some(after)).await);
    assert!(within(None, Some(after)).await && within(Some(before), None).await);
    assert!(!within(Some(after), None).await, "not yet");
    assert!(!within(None, Some(before)).await, "no more");
    let mut upside_down = grant(&dev, "ownstak/viewer", "acme");
    upside_down["input"]["notBefore"] = json!(after);
    upside_down["input"]["notAfter"] = json!(before);
    assert_eq!(ada.code(GRANT, upside_down).await, "INVALID_INPUT");
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_hold() {
    let server = TestServer::start().await;
    let (ada, editor, admin) = (server.sign_up("ada").await, server.sign_up("ed").await, server.sign_up("pat").await);
    let friend = server.sign_up("friend").await;
    ada.create_site().await;
    ada.grant(&editor, "ownstak/editor", "acme").await;
    ada.grant(&admin, "ownstak/admin", "acme/site").await;
    let refused = async |by: &Client, role: &str, scope: &str| by.refusal(GRANT, grant(&friend, role, scope)).await;

    for role in ["ownstak/viewer", "ownstak/editor", "ownstak/admin"] {
        let refusal = refused(&editor, role, "acme/site").await;
        assert_eq!((refusal.code.as_str(), &refusal.extensions["capability"]), ("FORBIDDEN", &json!("access.manage")));
        // A project's administrator does not see the organization, so it is not there.
        assert_eq!(refused(&admin, role, "acme").await.code, "NOT_FOUND", "{role}");
    }
    assert_eq!(refused(&admin, "ownstak/admin", "console").await.code, "NOT_FOUND");
    assert_eq!(refused(&ada, "ownstak/admin", "console").await.code, "NOT_FOUND");
    assert_eq!(editor.code(GRANT, grant(&editor, "ownstak/admin", "acme")).await, "FORBIDDEN", "not even to oneself");
    assert_eq!(admin.code(GRANT, grant(&admin, "ownstak/admin", "acme")).await, "NOT_FOUND");
    // Another pack's administrator manages access and holds less: what is missing is named.
    let mia = server.sign_up("mia").await;
    ada.grant(&mia, "mia-console/project-administrator", "acme/site").await;
    let more = refused(&mia, "ownstak/admin", "acme/site").await;
    assert_eq!(more.code, "FORBIDDEN");
    assert_ne!(more.extensions["capability"], "access.manage");
    mia.grant(&friend, "mia-console/reporter", "acme/site").await;
    admin.grant(&friend, "ownstak/editor", "acme/site").await;
    assert!(
        bindings(&ada).await.iter().all(|binding| binding["subject"]["name"] != "friend"),
        "granted at the organization"
    );
}

#[tokio::test]
async fn a_grant_of_nonsense_is_refused_with_the_field() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    ada.create_site().await;
    let before = bindings(&ada).await.len();
    for role in ["", "admin", "ownstak", "ownstak/owner", "ownstak/Admin", "'; DROP TABLE bindings; --"] {
        let refusal = ada.refusal(GRANT, grant(&dev, role, "acme")).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{role}");
        assert!(refusal.extensions.to_string().contains("role"), "{refusal:?}");
    }
    for scope in ["nowhere", "acme/nowhere", "acme/site/nowhere", "org_00000000000000000000000000"] {
        assert_eq!(ada.code(GRANT, grant(&dev, "ownstak/viewer", scope)).await, "NOT_FOUND", "{scope}");
    }
    let mut nobody = grant(&dev, "ownstak/viewer", "acme");
    nobody["input"]["subject"] = json!("nobody@example.com");
    assert_eq!(ada.code(GRANT, nobody).await, "NOT_FOUND");
    assert_eq!(bindings(&ada).await.len(), before);
}

#[tokio::test]
async fn the_last_who_manages_access_stays() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    ada.create_site().await;
    let [own] = bindings(&ada).await.try_into().unwrap();
    assert_eq!((&own["role"], &own["subject"]["name"]), (&json!("ownstak/admin"), &json!("ada")));
    let own = own["id"].as_str().unwrap().to_owned();
    ada.grant(&ben, "ownstak/editor", "acme").await;
    let refusal = ada.refusal(REVOKE, revoke(&own)).await;
    assert_eq!(
        (refusal.code.as_str(), &refusal.extensions["reason"]),
        ("FAILED_PRECONDITION", &json!("LAST_ACCESS_MANAGER"))
    );
    assert_eq!(bindings(&ada).await.len(), 2, "nothing was taken away");
    let bens = ada.grant(&ben, "ownstak/admin", "acme").await;
    ben.ok(REVOKE, revoke(&own)).await;
    assert_eq!(ben.code(REVOKE, revoke(&bens)).await, "FAILED_PRECONDITION");
    assert_eq!(ada.code(BINDINGS, json!({ "path": "acme" })).await, "NOT_FOUND", "Ada is out");
}

#[tokio::test]
async fn who_holds_what_is_shown_to_those_who_may_know() {
    let server = TestServer::start().await;
    let (ada, vic, ed) = (server.sign_up("ada").await, server.sign_up("vic").await, server.sign_up("ed").await);
    ada.create_site().await;
    let vics = ada.grant(&vic, "ownstak/viewer", "acme").await;
    ada.grant(&ed, "ownstak/editor", "acme").await;
    assert_eq!(bindings(&ed).await.len(), 3);
    let refusal = vic.refusal(BINDINGS, json!({ "path": "acme" })).await;
    assert_eq!((refusal.code.as_str(), &refusal.extensions["capability"]), ("FORBIDDEN", &json!("member.view")));
    assert_eq!(ed.code(REVOKE, revoke(&vics)).await, "FORBIDDEN");
    assert_eq!(
        vic.code(REVOKE, revoke(&vics)).await,
        "NOT_FOUND",
        "who may not see bindings is told that there are none"
    );
}

#[tokio::test]
async fn every_decision_is_explained() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    ada.create_site().await;
    let binding = ada.grant(&dev, "ownstak/editor", "acme/site").await;
    let ask = |subject: &Client, capability: &str| json!({ "subject": subject.account.email, "capability": capability, "resource": "acme/site/production" });
    let allowed = ada.ok(DECISION, ask(&dev, "deployment.create")).await["accessDecision"].clone();
    assert_eq!((&allowed["allowed"], &allowed["because"][0]["bindingId"]), (&json!(true), &json!(binding)));
    assert_eq!(
        (&allowed["because"][0]["role"], &allowed["because"][0]["boundAt"]),
        (&json!("ownstak/editor"), &json!("PROJECT"))
    );
    let denied = ada.ok(DECISION, ask(&dev, "environment.update")).await["accessDecision"].clone();
    assert_eq!((&denied["allowed"], &denied["because"]), (&json!(false), &json!([])));
    assert!(denied["refusal"]["sentence"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{denied}");
    let mut own = ask(&dev, "deployment.create");
    own.as_object_mut().unwrap().remove("subject");
    assert_eq!(dev.ok(DECISION, own).await["accessDecision"]["allowed"], true);
    assert_eq!(eve.code(DECISION, ask(&dev, "deployment.create")).await, "NOT_FOUND");
    assert_eq!(ada.code(DECISION, ask(&dev, "deployment.fly")).await, "INVALID_INPUT");
}
