//! Roles for emergencies: approved beforehand, activated with a reason, over by themselves.

use serde_json::{Value, json};

use crate::harness::{Client, TestServer, text};

const APPROVE: &str =
    "mutation($input: CreateEligibleRoleInput!) { createEligibleRole(input: $input) { eligibleRole { id role } } }";
const ACTIVATE: &str = "mutation($input: ActivateEligibleRoleInput!) {
    activateEligibleRole(input: $input) { binding { id notAfter reason role } } }";
const END: &str = "mutation($input: EndActivationInput!) { endActivation(input: $input) { endedId } }";
const TAKE_BACK: &str =
    "mutation($input: DeleteEligibleRoleInput!) { deleteEligibleRole(input: $input) { deletedId } }";

fn approve(subject: &Client, role: &str, seconds: i32) -> Value {
    let subject = &subject.account.email;
    json!({ "input": { "subject": subject, "role": role, "scope": "acme", "maxDurationSeconds": seconds } })
}

fn activate(id: &Value, reason: &str, seconds: Option<i32>) -> Value {
    json!({ "input": { "id": id, "reason": reason, "durationSeconds": seconds } })
}

#[tokio::test]
async fn an_emergency_is_announced_and_ends() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    ada.grant(&dev, "ownstak/viewer", "acme").await;
    let id = ada.ok(APPROVE, approve(&dev, "ownstak/editor", 3600)).await["createEligibleRole"]["eligibleRole"]["id"]
        .clone();
    assert!(!dev.can("deployment.create", &environment.id).await, "it does not count before it is activated");
    let mine = dev.ok("{ viewer { eligibleRoles { nodes { id role maxDurationSeconds } } } }", json!({})).await;
    assert_eq!(
        mine["viewer"]["eligibleRoles"]["nodes"],
        json!([{ "id": id, "role": "ownstak/editor", "maxDurationSeconds": 3600 }])
    );

    assert_eq!(eve.code(ACTIVATE, activate(&id, "curious", None)).await, "NOT_FOUND");
    assert_eq!(ada.code(ACTIVATE, activate(&id, "not mine", None)).await, "NOT_FOUND");
    assert_eq!(dev.code(ACTIVATE, activate(&id, "  ", None)).await, "INVALID_INPUT", "a reason has to be given");
    assert_eq!(dev.code(ACTIVATE, activate(&id, "too long", Some(3601))).await, "INVALID_INPUT");
    let binding =
        dev.ok(ACTIVATE, activate(&id, "the shop is down", Some(600))).await["activateEligibleRole"]["binding"].clone();
    assert_eq!((&binding["role"], &binding["reason"]), (&json!("ownstak/editor"), &json!("the shop is down")));
    assert!(binding["notAfter"].is_string(), "it ends by itself");
    assert!(dev.can("deployment.create", &environment.id).await);
    let notices = ada.ok("{ viewer { notices { nodes { subject body } } } }", json!({})).await;
    let told = &notices["viewer"]["notices"]["nodes"][0];
    assert!(text(&told["subject"]).contains("ownstak/editor on acme"), "{told}");
    assert!(text(&told["body"]).contains("the shop is down"), "{told}");

    let end = json!({ "input": { "id": binding["id"] } });
    assert_eq!(eve.code(END, end.clone()).await, "NOT_FOUND");
    dev.ok(END, end).await;
    assert!(!dev.can("deployment.create", &environment.id).await);
    ada.ok(TAKE_BACK, json!({ "input": { "id": id } })).await;
    assert_eq!(dev.code(ACTIVATE, activate(&id, "again", None)).await, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_approves_what_they_could_not_give() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    ada.create_site().await;
    ada.grant(&dev, "ownstak/editor", "acme").await;
    assert_eq!(dev.code(APPROVE, approve(&dev, "ownstak/admin", 3600)).await, "FORBIDDEN");
    assert_eq!(eve.code(APPROVE, approve(&eve, "ownstak/admin", 3600)).await, "NOT_FOUND");
    for seconds in [0, 59, 7 * 24 * 3600 + 1, -1] {
        assert_eq!(ada.code(APPROVE, approve(&dev, "ownstak/editor", seconds)).await, "INVALID_INPUT", "{seconds}");
    }
    assert_eq!(ada.code(APPROVE, approve(&dev, "ownstak/emperor", 60)).await, "INVALID_INPUT");
}

const ADD: &str = "mutation($input: TeamMemberInput!) { addTeamMember(input: $input) { member { role } } }";
const KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }";

/// A team of Ada's that may activate a role, and somebody who manages who is in it and holds nothing else.
#[tokio::test]
async fn what_a_team_may_activate_is_given_to_whoever_joins_it() {
    let server = TestServer::start().await;
    let (ada, mia, eve) = (server.sign_up("ada").await, server.sign_up("mia").await, server.sign_up("eve").await);
    ada.create_site().await;
    let create = "mutation { createTeam(input: { name: \"on call\" }) { team { id } } }";
    let team = text(&mia.ok(create, json!({})).await["createTeam"]["team"]["id"]);
    let subject = json!({ "teamId": team, "user": ada.account.email, "role": "MEMBER" });
    mia.ok(ADD, json!({ "input": subject })).await;
    let approval = json!({ "subject": team, "role": "ownstak/admin", "scope": "acme", "maxDurationSeconds": 60 });
    ada.ok(APPROVE, json!({ "input": approval })).await;
    let friend = json!({ "input": { "teamId": team, "user": eve.account.email, "role": "MEMBER" } });
    assert_eq!(mia.code(ADD, friend).await, "FORBIDDEN", "she could not give it");
    let invite = "mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { invitations { id } } }";
    let invitation = json!({ "input": { "scope": team, "emails": [eve.account.email], "role": "member" } });
    assert_eq!(mia.code(invite, invitation).await, "FORBIDDEN");
}

#[tokio::test]
async fn what_a_program_may_activate_is_given_to_whoever_has_its_key() {
    let server = TestServer::start().await;
    let (ada, mia) = (server.sign_up("ada").await, server.sign_up("mia").await);
    ada.create_site().await;
    let create = "mutation { createServiceAccount(input: { scope: \"acme\", name: \"night shift\" }) {
        serviceAccount { id } } }";
    let account = text(&ada.ok(create, json!({})).await["createServiceAccount"]["serviceAccount"]["id"]);
    let approval = json!({ "subject": account, "role": "ownstak/admin", "scope": "acme", "maxDurationSeconds": 60 });
    ada.ok(APPROVE, json!({ "input": approval })).await;
    for capability in ["organization.view", "service_account.manage", "member.view"] {
        let gift = json!({ "subject": mia.account.email, "capability": capability, "scope": "acme" });
        ada.ok(crate::harness::GRANT, json!({ "input": gift })).await;
    }
    let key = json!({ "input": { "serviceAccountId": account, "name": "mine" } });
    assert_eq!(mia.code(KEY, key.clone()).await, "FORBIDDEN", "she could act as an administrator");
    ada.ok(KEY, key).await;
}

#[tokio::test]
async fn a_narrowed_key_activates_nothing() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    ada.create_site().await;
    let approved = ada.ok(APPROVE, approve(&dev, "ownstak/admin", 60)).await;
    let id = approved["createEligibleRole"]["eligibleRole"]["id"].clone();
    let input = json!({ "input": { "name": "logs", "capabilities": ["log.view"] } });
    let secret = text(&dev.ok(KEY, input).await["createApiKey"]["secret"]);
    let key = dev.with_token(secret);
    assert_eq!(key.code(ACTIVATE, activate(&id, "from a pipeline", None)).await, "FAILED_PRECONDITION");
    dev.ok(ACTIVATE, activate(&id, "in person", None)).await;
}
