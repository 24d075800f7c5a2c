//! Taking people out, suspending and freezing: what counts no longer, from when on, and what comes back.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer, draft_input, entry};

const REMOVE: &str = "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { revokedIds } }";
const SUSPEND: &str = "mutation($input: SuspensionOfUserInput!) { suspendUser(input: $input) { suspended } }";
const RESUME: &str = "mutation($input: SuspensionOfUserInput!) { resumeUser(input: $input) { suspended } }";
const CLOSE: &str =
    "mutation($input: LockInput!) { suspendOrganization(input: $input) { organization { suspendedAt } } }";
const OPEN: &str =
    "mutation($input: LockInput!) { resumeOrganization(input: $input) { organization { suspendedAt } } }";
const FREEZE: &str =
    "mutation($input: LockInput!) { freezeEnvironment(input: $input) { environment { frozen frozenAt } } }";
const THAW: &str =
    "mutation($input: LockInput!) { thawEnvironment(input: $input) { environment { frozen frozenAt } } }";
const CHANGE: &str = "mutation($input: ChangeAccessInput!) { changeAccess(input: $input) { revokedIds } }";
const READ: &str = "query($id: ID!) { environment(id: $id) { id } }";
const VIEWER: &str = "{ viewer { id } }";

fn member(scope: &str, user: &Client) -> Value {
    json!({ "input": { "scope": scope, "user": user.account.email } })
}

fn who(user: &Client) -> Value {
    json!({ "input": { "user": user.account.email, "reason": "to try" } })
}

fn lock(id: &str) -> Value {
    json!({ "input": { "id": id } })
}

async fn organization(client: &Client) -> String {
    let data = client.ok("{ organization(path: \"acme\") { id } }", json!({})).await;
    data["organization"]["id"].as_str().unwrap().to_owned()
}

async fn reason(client: &Client, document: &str, variables: Value) -> String {
    let refusal = client.refusal(document, variables).await;
    assert_eq!(refusal.code, "FAILED_PRECONDITION", "{refusal:?}");
    refusal.extensions["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_is_removed_holds_nothing_there_and_below() {
    let server = TestServer::start().await;
    let (ada, dev, ed) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("ed").await);
    let environment = ada.create_site().await;
    let mut given = Vec::new();
    for scope in ["acme", "acme/site", "acme/site/production"] {
        given.push(ada.grant(&dev, "ownstak/editor", scope).await);
    }
    ada.grant(&ed, "ownstak/editor", "acme").await;
    let other = dev.create_organization("other").await;
    // From the project: the organization's own binding stays.
    let gone = ada.ok(REMOVE, member("acme/site", &dev)).await["removeMember"]["revokedIds"].clone();
    assert_eq!(gone.as_array().unwrap().len(), 2);
    dev.ok(READ, json!({ "id": environment.id })).await;
    assert_eq!(ada.code(REMOVE, member("acme/site", &dev)).await, "NOT_FOUND");
    given.push(ada.grant(&dev, "ownstak/editor", "acme/site/production").await);
    let gone = ada.ok(REMOVE, member("acme", &dev)).await["removeMember"]["revokedIds"].clone();
    assert_eq!(gone.as_array().unwrap().len(), 2);
    assert!(gone.as_array().unwrap().contains(&json!(given[0])));
    assert_eq!(dev.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
    assert!(dev.can("organization.update", &other).await, "elsewhere nothing has changed");
    ed.ok(READ, json!({ "id": environment.id })).await;
    assert_eq!(ed.code(REMOVE, member("acme", &ada)).await, "FORBIDDEN");
    assert_eq!(ed.code(REMOVE, member("acme", &dev)).await, "FORBIDDEN", "it tells nobody who has an account");
    assert_eq!(dev.code(REMOVE, member("acme", &ada)).await, "NOT_FOUND");
    assert_eq!(ada.code(REMOVE, member("console", &dev)).await, "NOT_FOUND");
    assert_eq!(reason(&ada, REMOVE, member("acme", &ada)).await, "LAST_ACCESS_MANAGER");
    ada.ok(READ, json!({ "id": environment.id })).await;
}

#[tokio::test]
async fn two_who_remove_each_other_leave_one() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    ada.create_site().await;
    ada.grant(&ben, "ownstak/admin", "acme").await;
    let (one, other) = tokio::join!(ada.query(REMOVE, member("acme", &ben)), ben.query(REMOVE, member("acme", &ada)));
    let done = [&one, &other].iter().filter(|response| response.errors.is_empty()).count();
    assert_eq!(done, 1, "{one:?}\n{other:?}");
}

#[tokio::test]
async fn a_suspended_user_is_out_at_once_and_comes_back_as_they_were() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    ada.grant(&dev, "ownstak/editor", "acme").await;
    for client in [&ada, &dev] {
        assert_eq!(client.code(SUSPEND, who(&dev)).await, "NOT_FOUND", "not theirs to do");
    }
    assert_eq!(root.ok(SUSPEND, who(&dev)).await["suspendUser"]["suspended"], true);
    assert_eq!(root.ok(SUSPEND, who(&dev)).await["suspendUser"]["suspended"], true, "twice is once");
    assert_eq!(dev.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    let sign_in =
        "mutation($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken user { id email } } }";
    let credentials = json!({ "input": { "email": dev.account.email, "password": dev.account.password } });
    assert_eq!(server.client().code(sign_in, credentials.clone()).await, "UNAUTHENTICATED");
    let decision = "query($of: String!) { accessDecision(subject: $of, capability: \"environment.view\",
        resource: \"acme/site/production\") { allowed refusal { reason } } }";
    let told = ada.ok(decision, json!({ "of": dev.account.email })).await["accessDecision"].clone();
    assert_eq!(told["refusal"]["reason"], "ACTOR_SUSPENDED");
    assert_eq!(root.ok(RESUME, who(&dev)).await["resumeUser"]["suspended"], false);
    assert_eq!(dev.code(VIEWER, json!({})).await, "UNAUTHENTICATED", "the session has ended for good");
    let back = dev.holding(&server.client().ok(sign_in, credentials).await["signIn"]);
    back.ok(READ, json!({ "id": environment.id })).await;
}

#[tokio::test]
async fn nobody_is_suspended_who_alone_manages_access_and_nobody_suspends_themselves() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    assert_eq!(reason(&root, SUSPEND, who(&root)).await, "ONESELF");
    assert_eq!(reason(&root, SUSPEND, who(&ada)).await, "LAST_ACCESS_MANAGER");
    ada.ok(VIEWER, json!({})).await;
    // In one go with somebody who takes over.
    let take_over =
        json!({ "grantRole": { "subject": root.account.email, "capability": "access.manage", "scope": "acme" } });
    let suspend = json!({ "suspendUser": { "user": ada.account.email } });
    root.ok(CHANGE, json!({ "input": { "changes": [take_over, suspend] } })).await;
    assert_eq!(ada.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_suspended_organization_can_be_looked_at_and_no_more() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let id = organization(&ada).await;
    assert_eq!(ada.code(CLOSE, lock(&id)).await, "NOT_FOUND", "removing one's own is not suspending any");
    assert!(root.ok(CLOSE, lock(&id)).await["suspendOrganization"]["organization"]["suspendedAt"].is_string());
    ada.ok(READ, json!({ "id": environment.id })).await;
    let input = json!({ "input": { "subject": dev.account.email, "role": "ownstak/viewer", "scope": "acme" } });
    assert_eq!(ada.code(GRANT, input.clone()).await, "FORBIDDEN");
    let files = [entry("index.html", b"never")];
    let create = "mutation($input: CreateDeploymentInput!) { createDeployment(input: $input) { deployment { id } } }";
    assert_eq!(ada.code(create, draft_input(&environment, &files, None)).await, "FORBIDDEN");
    // Nobody is left who could manage it when it opens again: refused while it is closed too.
    assert_eq!(reason(&root, REMOVE, member("acme", &ada)).await, "LAST_ACCESS_MANAGER");
    assert!(root.ok(OPEN, lock(&id)).await["resumeOrganization"]["organization"]["suspendedAt"].is_null());
    ada.ok(GRANT, input).await;
    assert_eq!(root.code(CLOSE, lock("org_00000000000000000000000000")).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_frozen_environment_is_not_deployed_to_until_it_is_thawed() {
    let server = TestServer::start().await;
    let (ada, ed) = (server.sign_up("ada").await, server.sign_up("ed").await);
    let environment = ada.create_site().await;
    ada.grant(&ed, "ownstak/viewer", "acme").await;
    assert_eq!(ed.code(FREEZE, lock(&environment.id)).await, "FORBIDDEN");
    assert_eq!(server.sign_up("eve").await.code(FREEZE, lock(&environment.id)).await, "NOT_FOUND");
    let frozen = ada.ok(FREEZE, lock(&environment.id)).await["freezeEnvironment"]["environment"].clone();
    assert_eq!(frozen["frozen"], true);
    let again = ada.ok(FREEZE, lock(&environment.id)).await["freezeEnvironment"]["environment"].clone();
    assert_eq!(again, frozen, "since the first time");
    assert!(!ada.can("deployment.create", &environment.id).await);
    assert!(ada.can("deployment.rollback", &environment.id).await);
    let files = [entry("index.html", b"never")];
    let create = "mutation($input: CreateDeploymentInput!) { createDeployment(input: $input) { deployment { id } } }";
    assert_eq!(ada.code(create, draft_input(&environment, &files, None)).await, "FORBIDDEN");
    let thawed = ada.ok(THAW, lock(&environment.id)).await["thawEnvironment"]["environment"].clone();
    assert_eq!(thawed, json!({ "frozen": false, "frozenAt": null }));
    ada.ok(create, draft_input(&environment, &files, None)).await;
}
