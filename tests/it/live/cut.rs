//! Nobody follows anything a second longer than they may, whyever it ends, and strangers do not learn that there is anything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use serde_json::json;

use super::{ACCESS, DEPLOYMENT_LOG, DEPLOYMENTS, ENVIRONMENT_LOG, Ground, id};
use crate::harness::{Client, GRANT, Heard, Live, TestServer};

/// Rule 12.
const SECOND: Duration = Duration::from_secs(1);

const OVER: &str = "your authority to follow this has ended";

/// Somebody who follows the log already.
async fn follower(ground: &Ground, client: &Client) -> Live {
    let mut live = client.follow(ENVIRONMENT_LOG, id(&ground.environment.id)).await;
    live.item().await;
    live
}

async fn is_cut(live: &mut Live, since: Instant) {
    let (code, message, at) = live.cut().await;
    assert!(code == "FORBIDDEN" && message.starts_with(OVER), "{code}: {message}");
    let after = at.saturating_duration_since(since);
    assert!(after < SECOND, "cut after {after:?}");
}

#[tokio::test]
async fn it_is_cut_when_the_role_is_taken_away() {
    let ground = Ground::new().await;
    let (bob, eve) = (ground.server.client().sign_up("bob").await, ground.server.client().sign_up("eve").await);
    let binding = ground.ada.grant(&bob, "ownstak/editor", &ground.organization).await;
    ground.ada.grant(&eve, "ownstak/editor", &ground.organization).await;
    let (mut his, mut hers) = (follower(&ground, &bob).await, follower(&ground, &eve).await);
    let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { __typename } }";
    let began = Instant::now();
    ground.ada.ok(revoke, json!({ "input": { "id": binding } })).await;
    is_cut(&mut his, began).await;
    // The others go on, and he may use the connection for what is left to him.
    ground.ask("/later").await;
    while hers.item().await["environmentLog"]["text"] != "asked for /later" {}
    his.subscribe("again", ENVIRONMENT_LOG, id(&ground.environment.id)).await;
    assert_eq!(his.cut().await.0, "NOT_FOUND");
}

#[tokio::test]
async fn it_is_cut_when_the_environment_becomes_a_production_one() {
    let ground = Ground::new().await;
    let bob = ground.server.client().sign_up("bob").await;
    let row = |capability: &str, environments: &str| json!({ "boundAt": "ORGANIZATION", "capability": capability, "environments": environments });
    let create = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    let rows = [row("environment.view", "ANY"), row("log.view", "NONPRODUCTION")];
    let input = json!({ "name": "watcher", "scope": ground.organization, "rows": rows });
    let made = ground.ada.ok(create, json!({ "input": input })).await;
    let role = made["createRole"]["role"]["name"].as_str().unwrap();
    ground.ada.grant(&bob, role, &ground.organization).await;
    let mut live = follower(&ground, &bob).await;
    let update = "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { __typename } }";
    let began = Instant::now();
    let input = json!({ "id": ground.environment.id, "production": true, "expectedVersion": 1 });
    ground.ada.ok(update, json!({ "input": input })).await;
    is_cut(&mut live, began).await;
}

#[tokio::test]
async fn it_is_cut_when_the_time_is_over() {
    let ground = Ground::new().await;
    let bob = ground.server.client().sign_up("bob").await;
    let end = chrono::Utc::now() + chrono::TimeDelta::seconds(3);
    let input = json!({ "subject": bob.account.email, "role": "ownstak/editor", "scope": ground.organization,
        "notAfter": end.to_rfc3339() });
    ground.ada.ok(GRANT, json!({ "input": input })).await;
    let mut live = follower(&ground, &bob).await;
    let left = (end - chrono::Utc::now()).to_std().unwrap();
    is_cut(&mut live, Instant::now() + left).await;
    assert!(chrono::Utc::now() >= end, "cut too early");
}

#[tokio::test]
async fn it_is_cut_when_the_session_ends_and_other_sessions_go_on() {
    let ground = Ground::new().await;
    let sign_in =
        "mutation($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken user { id email } } }";
    let account = &ground.ada.account;
    let input = json!({ "input": { "email": account.email, "password": account.password } });
    let other = ground.ada.holding(&ground.ada.ok(sign_in, input).await["signIn"]);
    let (mut kept, mut ended) = (follower(&ground, &ground.ada).await, follower(&ground, &other).await);
    let began = Instant::now();
    other.ok("mutation { signOut { signedOut } }", json!({})).await;
    let code = loop {
        if let Heard::Closed(code, _) = ended.hear().await {
            break code;
        }
    };
    assert!(code == 4403 && began.elapsed() < SECOND, "{code} after {:?}", began.elapsed());
    ground.ask("/later").await;
    while kept.item().await["environmentLog"]["text"] != "asked for /later" {}
}

#[tokio::test]
async fn it_is_cut_when_what_was_followed_is_gone() {
    let ground = Ground::new().await;
    let mut live = follower(&ground, &ground.ada).await;
    let delete = "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { __typename } }";
    let began = Instant::now();
    ground.ada.ok(delete, json!({ "input": { "id": ground.environment.id } })).await;
    is_cut(&mut live, began).await;
}

/// The fields that the contract lets be followed.
fn subscriptions() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
    let types = parse_schema(&text).unwrap().definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    let mut roots = types.filter(|definition| definition.name.node == "Subscription");
    let TypeKind::Object(root) = roots.next().unwrap().kind else { panic!("no object") };
    root.fields.iter().map(|field| field.node.name.node.to_string()).collect()
}

#[tokio::test]
async fn strangers_learn_nothing_and_viewers_what_they_lack() {
    let server = TestServer::start().await;
    let (ada, bob, eve) = (server.sign_up("ada").await, server.sign_up("bob").await, server.sign_up("eve").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let environment = ada.create_environment(&project, "production", true).await;
    let nowhere = ada.create_environment(&project, "gone", true).await;
    let files: &[(&str, &[u8])] = &[("index.html", b"one")];
    let (draft, lost) = (ada.draft(&environment, files, None).await, ada.draft(&nowhere, files, None).await);
    let delete = "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { __typename } }";
    ada.ok(delete, json!({ "input": { "id": nowhere.id } })).await;
    // What can be followed, by what is there, and by what is there no more; and what a viewer lacks for it.
    let all = [
        ("environmentLog", ENVIRONMENT_LOG, &environment.id, &nowhere.id, Some("log.view")),
        ("deploymentLog", DEPLOYMENT_LOG, &draft.deployment.id, &lost.deployment.id, Some("log.view")),
        ("accessChanged", ACCESS, &environment.id, &nowhere.id, Some("member.view")),
        ("deploymentUpdated", DEPLOYMENTS, &environment.id, &nowhere.id, None),
    ];
    let tried: BTreeSet<String> = all.iter().map(|(field, ..)| (*field).to_owned()).collect();
    assert_eq!(subscriptions(), tried, "the left is in the schema, the right is tried here");
    ada.grant(&bob, "ownstak/viewer", &organization).await;
    for (field, document, there, gone, lacking) in all {
        let (hidden, message, _) = eve.follow(document, id(there)).await.cut().await;
        let absent = eve.follow(document, id(gone)).await.cut().await;
        assert_eq!((&hidden, &message), (&absent.0, &absent.1), "{field}: what is hidden and what is not there");
        assert_eq!(hidden, "NOT_FOUND", "{field}");
        let Some(lacking) = lacking else { continue };
        let (code, message, _) = bob.follow(document, id(there)).await.cut().await;
        assert!(code == "FORBIDDEN" && message.contains(&format!("`{lacking}`")), "{field}: {code}: {message}");
    }
}
