//! Service accounts and keys: what a key carries, and what it never does.

use chrono::{DateTime, TimeDelta, Utc};
use entities::api_key;
use entities::ids::{ApiKeyId, UserId};
use reeve::authn::opaque::KeySecret;
use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer};

const KEY: &str = "mutation($input: CreateApiKeyInput!) {
    createApiKey(input: $input) { secret apiKey { id name capabilities scope expiresAt lastUsedAt } } }";
const REVOKE: &str = "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { revokedId } }";
const CREATE: &str = "mutation($input: CreateServiceAccountInput!) {
    createServiceAccount(input: $input) { serviceAccount { id name email } } }";
const DELETE: &str =
    "mutation($input: DeleteServiceAccountInput!) { deleteServiceAccount(input: $input) { deletedId } }";
const VIEWER: &str = "{ viewer { id name bot } }";
const READ: &str = "query($id: ID!) { environment(id: $id) { id } }";
const UPDATE: &str =
    "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";

fn input(value: Value) -> Value {
    json!({ "input": value })
}

/// A key and the client that uses it.
async fn key(by: &Client, value: Value) -> (Value, Client) {
    let made = by.ok(KEY, input(value)).await["createApiKey"].clone();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("reeve_key_") && secret.len() == "reeve_key_".len() + 43, "{secret}");
    (made["apiKey"].clone(), by.with_token(secret))
}

/// A service account of a scope; its id.
async fn account(by: &Client, scope: &str) -> String {
    let data = by.ok(CREATE, input(json!({ "scope": scope, "name": "Robot" }))).await;
    data["createServiceAccount"]["serviceAccount"]["id"].as_str().unwrap().to_owned()
}

/// A client with a key that was good until an hour ago.
async fn expired(server: &TestServer, of: &Client) -> Client {
    let secret = KeySecret::generate();
    let holder: UserId = of.account.id.parse().unwrap();
    let (made, ended) = (Utc::now() - TimeDelta::hours(2), Utc::now() - TimeDelta::hours(1));
    let row = api_key::Model {
        id: ApiKeyId::from(1),
        user_id: holder,
        name: "old".to_owned(),
        hash: secret.hash(),
        capabilities: None,
        scope_kind: None,
        scope_id: None,
        created_by: holder,
        created_at: made,
        expires_at: Some(ended),
        last_used_at: None,
    };
    let mut write = server.operation(of).await.write("api_key.create").await.unwrap();
    reeve::store::api_key::create_own(&mut write, row).await.unwrap();
    write.commit().await.unwrap();
    of.with_token(secret.reveal())
}

async fn reason(client: &Client, document: &str, variables: Value) -> String {
    let refusal = client.refusal(document, variables).await;
    assert_eq!(refusal.code, "FAILED_PRECONDITION", "{refusal:?}");
    refusal.extensions["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_stands_for_its_holder_until_it_is_revoked() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let (made, by_key) = key(&ada, json!({ "name": "laptop" })).await;
    assert_eq!(
        (&made["capabilities"], &made["scope"], &made["lastUsedAt"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        by_key.ok(VIEWER, json!({})).await["viewer"],
        json!({ "id": ada.account.id, "name": "ada", "bot": false })
    );
    by_key.ok(READ, json!({ "id": environment.id })).await;
    by_key.ok(UPDATE, input(json!({ "id": environment.id, "name": "Live", "expectedVersion": 1 }))).await;
    let mine = ada.ok("{ viewer { apiKeys { nodes { id lastUsedAt } } } }", json!({})).await;
    let [row] = mine["viewer"]["apiKeys"]["nodes"].as_array().unwrap().clone().try_into().unwrap();
    let used: DateTime<Utc> = row["lastUsedAt"].as_str().unwrap().parse().unwrap();
    assert!(Utc::now() - used < TimeDelta::minutes(2));
    let eve = server.sign_up("eve").await;
    assert_eq!(eve.code(REVOKE, input(json!({ "id": made["id"] }))).await, "NOT_FOUND");
    assert_eq!(ada.ok(REVOKE, input(json!({ "id": made["id"] }))).await["revokeApiKey"]["revokedId"], made["id"]);
    assert_eq!(by_key.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(ada.code(REVOKE, input(json!({ "id": made["id"] }))).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_key_does_nothing_about_sessions_and_keys() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (made, by_key) = key(&ada, json!({ "name": "laptop" })).await;
    assert_eq!(reason(&by_key, KEY, input(json!({ "name": "another" }))).await, "SESSION_REQUIRED");
    assert_eq!(reason(&by_key, REVOKE, input(json!({ "id": made["id"] }))).await, "SESSION_REQUIRED");
    assert_eq!(reason(&by_key, "mutation { signOut { signedOut } }", json!({})).await, "SESSION_REQUIRED");
    ada.ok(VIEWER, json!({})).await;
    assert_eq!(server.client().code(KEY, input(json!({ "name": "x" }))).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_narrowed_key_carries_what_it_says_and_no_more() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let production = ada.create_environment(&project, "production", true).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let narrow =
        json!({ "name": "ci", "capabilities": ["environment.view", "environment.update"], "scope": staging.path });
    let (made, by_key) = key(&ada, narrow).await;
    assert_eq!(
        (&made["scope"], &made["capabilities"]),
        (&json!(staging.id), &json!(["environment.view", "environment.update"]))
    );
    by_key.ok(READ, json!({ "id": staging.id })).await;
    by_key.ok(UPDATE, input(json!({ "id": staging.id, "name": "Stage", "expectedVersion": 1 }))).await;
    assert_eq!(by_key.code(READ, json!({ "id": production.id })).await, "NOT_FOUND");
    assert_eq!(by_key.code("query($id: ID!) { project(id: $id) { id } }", json!({ "id": project })).await, "NOT_FOUND");
    let delete = "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }";
    assert_eq!(
        by_key.refusal(delete, input(json!({ "id": staging.id }))).await.extensions["capability"],
        "environment.delete"
    );
    assert_eq!(
        by_key.ok("{ organizations { nodes { id } } viewer { projects { nodes { id } } } }", json!({})).await,
        json!({ "organizations": { "nodes": [] }, "viewer": { "projects": { "nodes": [] } } })
    );
    assert!(
        !by_key.can("environment.delete", &staging.id).await && by_key.can("environment.update", &staging.id).await
    );
    let why = "query($id: String!) { accessDecision(capability: \"environment.delete\", resource: $id) {
        allowed refusal { reason } } }";
    let told = by_key.ok(why, json!({ "id": staging.id })).await["accessDecision"].clone();
    assert_eq!(told, json!({ "allowed": false, "refusal": { "reason": "KEY_NARROWED" } }));
    let mine = "{ viewer { personalTeam { id } teams { nodes { id } } } }";
    assert_eq!(by_key.ok(mine, json!({})).await["viewer"], json!({ "personalTeam": null, "teams": { "nodes": [] } }));
    // What no capability stands for needs all of its holder.
    let team = "mutation { createTeam(input: { name: \"Mine\" }) { team { id } } }";
    for document in [
        team,
        "{ viewer { notices { nodes { id } } } }",
        "{ viewer { invitations { nodes { id } } } }",
        "{ viewer { apiKeys { nodes { id } } } }",
    ] {
        assert_eq!(reason(&by_key, document, json!({})).await, "KEY_NARROWED", "{document}");
    }
}

#[tokio::test]
async fn no_key_is_wider_than_its_holder_and_none_gives_what_it_does_not_carry() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let binding = ada.grant(&dev, "ownstak/viewer", "acme").await;
    let (_, of_dev) =
        key(&dev, json!({ "name": "wide", "capabilities": ["environment.view", "environment.delete"] })).await;
    assert!(!of_dev.can("environment.delete", &environment.id).await);
    let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
    ada.ok(revoke, input(json!({ "id": binding }))).await;
    assert_eq!(
        of_dev.code(READ, json!({ "id": environment.id })).await,
        "NOT_FOUND",
        "what the holder loses, it loses"
    );
    // A key that may manage access gives no more than it carries.
    let narrow = ["access.manage", "member.view", "organization.view", "project.view", "environment.view"];
    let (_, manages) = key(&ada, json!({ "name": "access", "capabilities": narrow })).await;
    let editor = json!({ "subject": dev.account.email, "role": "ownstak/editor", "scope": "acme" });
    assert_eq!(manages.code(GRANT, input(editor.clone())).await, "FORBIDDEN");
    let view = json!({ "subject": dev.account.email, "capability": "environment.view", "scope": "acme" });
    manages.ok(GRANT, input(view)).await;
    ada.ok(GRANT, input(editor)).await;
}

#[tokio::test]
async fn what_is_no_good_key_all_looks_the_same() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (_, of_dev) = key(&dev, json!({ "name": "his" })).await;
    let suspend = "mutation($input: SuspensionOfUserInput!) { suspendUser(input: $input) { suspended } }";
    root.ok(suspend, input(json!({ "user": dev.account.email }))).await;
    let unknown = format!("reeve_key_{}", "A".repeat(43));
    let mut refusals = vec![of_dev.refusal(VIEWER, json!({})).await];
    for token in [unknown.as_str(), "reeve_key_", "reeve_key_short", "reeve_key_'; DROP TABLE api_keys; --"] {
        refusals.push(ada.with_token(token).refusal(VIEWER, json!({})).await);
    }
    refusals.push(expired(&server, &ada).await.refusal(VIEWER, json!({})).await);
    assert!(refusals.iter().all(|refusal| refusal == &refusals[0]), "{refusals:#?}");
    assert_eq!(refusals[0].code, "UNAUTHENTICATED");
    let past = json!({ "name": "x", "expiresAt": Utc::now() - TimeDelta::hours(1) });
    assert_eq!(ada.code(KEY, input(past)).await, "INVALID_INPUT");
    for bad in [
        json!({ "name": "x", "capabilities": [] }),
        json!({ "name": "x", "capabilities": ["fly"] }),
        json!({ "name": " " }),
    ] {
        assert_eq!(ada.code(KEY, input(bad)).await, "INVALID_INPUT");
    }
    assert_eq!(ada.code(KEY, input(json!({ "name": "x", "scope": "nowhere" }))).await, "NOT_FOUND");
    root.create_organization("roots").await;
    assert_eq!(
        ada.code(KEY, input(json!({ "name": "x", "scope": "roots" }))).await,
        "NOT_FOUND",
        "as if it were not there"
    );
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let trying = ada.with_header("idempotency-key", "one");
    let (first, _) = key(&trying, json!({ "name": "laptop" })).await;
    let (second, _) = key(&trying, json!({ "name": "laptop" })).await;
    assert_ne!(first["id"], second["id"], "an answer with a secret is not kept for a retry");
}

#[tokio::test]
async fn a_service_account_holds_what_it_is_given() {
    let server = TestServer::start().await;
    let (ada, ed) = (server.sign_up("ada").await, server.sign_up("ed").await);
    let environment = ada.create_site().await;
    ada.grant(&ed, "ownstak/editor", "acme").await;
    assert_eq!(ed.code(CREATE, input(json!({ "scope": "acme", "name": "Mine" }))).await, "FORBIDDEN");
    assert_eq!(ada.code(CREATE, input(json!({ "scope": "acme/site/production", "name": "x" }))).await, "INVALID_INPUT");
    let robot = account(&ada, "acme").await;
    let (_, by_key) = key(&ada, json!({ "name": "ci", "serviceAccountId": robot })).await;
    assert_eq!(by_key.ok(VIEWER, json!({})).await["viewer"], json!({ "id": robot, "name": "Robot", "bot": true }));
    assert_eq!(by_key.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
    ada.ok(GRANT, input(json!({ "subject": robot, "role": "ownstak/editor", "scope": "acme/site" }))).await;
    assert!(by_key.can("deployment.create", &environment.id).await);
    let listed = "{ organization(path: \"acme\") { serviceAccounts { nodes { id apiKeys { nodes { name } } } } } }";
    let seen = ada.ok(listed, json!({})).await["organization"]["serviceAccounts"]["nodes"].clone();
    assert_eq!(seen, json!([{ "id": robot, "apiKeys": { "nodes": [{ "name": "ci" }] } }]));
    assert_eq!(ed.code(listed, json!({})).await, "FORBIDDEN");
    // It is nobody who could be in a team or sign in.
    let team = ada.create_team("Blue").await;
    let add = "mutation($input: TeamMemberInput!) { addTeamMember(input: $input) { member { role } } }";
    assert_eq!(ada.code(add, input(json!({ "teamId": team, "user": robot, "role": "MEMBER" }))).await, "INVALID_INPUT");
    assert_eq!(
        by_key.code("mutation { createTeam(input: { name: \"Ours\" }) { team { id } } }", json!({})).await,
        "FAILED_PRECONDITION"
    );
    assert_eq!(ed.code(DELETE, input(json!({ "id": robot }))).await, "FORBIDDEN");
    assert_eq!(server.sign_up("eve").await.code(DELETE, input(json!({ "id": robot }))).await, "NOT_FOUND");
    assert_eq!(ada.code(DELETE, input(json!({ "id": ed.account.id }))).await, "NOT_FOUND", "people are not removed so");
    ada.ok(DELETE, input(json!({ "id": robot }))).await;
    assert_eq!(by_key.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(ada.ok(listed, json!({})).await["organization"]["serviceAccounts"]["nodes"], json!([]));
}

#[tokio::test]
async fn nobody_gets_by_a_key_of_a_service_account_what_they_do_not_hold() {
    let server = TestServer::start().await;
    let (ada, ed) = (server.sign_up("ada").await, server.sign_up("ed").await);
    ada.create_site().await;
    ada.grant(&ed, "ownstak/editor", "acme").await;
    let manage = json!({ "subject": ed.account.email, "capability": "service_account.manage", "scope": "acme" });
    ada.ok(GRANT, input(manage)).await;
    let robot = account(&ed, "acme").await;
    let for_robot = json!({ "name": "ci", "serviceAccountId": robot });
    let (first, by_key) = key(&ed, for_robot.clone()).await;
    ada.ok(GRANT, input(json!({ "subject": robot, "role": "ownstak/admin", "scope": "acme/site" }))).await;
    let refusal = ed.refusal(KEY, input(for_robot.clone())).await;
    assert_eq!(refusal.code, "FORBIDDEN");
    assert_ne!(refusal.extensions["capability"], "service_account.manage", "it is what he lacks of the account's");
    // Also when it only counts tomorrow, and not when it is over.
    let binding = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
    let all = "{ project(path: \"acme/site\") { bindings { nodes { id } } } }";
    let given = ada.ok(all, json!({})).await["project"]["bindings"]["nodes"][0]["id"].clone();
    ada.ok(binding, input(json!({ "id": given }))).await;
    key(&ed, for_robot.clone()).await;
    let tomorrow = json!({ "subject": robot, "role": "ownstak/admin", "scope": "acme/site",
        "notBefore": Utc::now() + TimeDelta::days(1) });
    ada.ok(GRANT, input(tomorrow)).await;
    assert_eq!(ed.code(KEY, input(for_robot)).await, "FORBIDDEN");
    ed.ok(REVOKE, input(json!({ "id": first["id"] }))).await;
    assert_eq!(by_key.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    let eve = server.sign_up("eve").await;
    assert_eq!(eve.code(KEY, input(json!({ "name": "x", "serviceAccountId": robot }))).await, "NOT_FOUND");
    assert_eq!(eve.code(KEY, input(json!({ "name": "x", "serviceAccountId": ada.account.id }))).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_service_account_goes_with_its_organization_and_manages_it_for_nobody() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let robot = account(&ada, "acme").await;
    ada.ok(GRANT, input(json!({ "subject": robot, "role": "ownstak/admin", "scope": "acme" }))).await;
    let (_, by_key) = key(&ada, json!({ "name": "ci", "serviceAccountId": robot })).await;
    let remove = "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { revokedIds } }";
    let out = input(json!({ "scope": "acme", "user": ada.account.email }));
    assert_eq!(reason(&by_key, remove, out).await, "LAST_ACCESS_MANAGER", "a program is not a person");
    let delete = "mutation($input: DeleteOrganizationInput!) { deleteOrganization(input: $input) { deletedId } }";
    ada.ok(delete, input(json!({ "id": organization }))).await;
    assert_eq!(by_key.code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}
