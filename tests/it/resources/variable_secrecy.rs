//! Secrets stay secret: in answers, in what is kept of requests, in the audit log, in a copy of the database. They open where
//! they belong only, and with the key that is in force.

use std::path::Path;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::process::Command;

use super::audit::LOG;
use super::variable::{PENDING, REVEAL, SET, input};
use crate::harness::{Client, RealServer, TestServer, dump, holds, text};

const SECRET: &str = "correct-horse-battery-staple";
const SHOWN: &str = "query($id: ID!) { environment(id: $id) { variables { id name value } } }";

async fn reveal(client: &Client, id: &str) -> String {
    text(&client.ok(REVEAL, json!({ "input": { "id": id } })).await["revealSecret"]["value"])
}

async fn audited(client: &Client, operation: &str) -> Vec<Value> {
    let filter = json!({ "operation": operation });
    let data = client.ok(LOG, json!({ "scope": "acme", "first": 100, "filter": filter })).await;
    data["auditLog"]["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_secret_is_told_to_whoever_reveals_it_and_stands_nowhere_else() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let retried = ada.with_header("idempotency-key", "set");
    let variable = json!({ "name": "TOKEN", "value": SECRET, "secret": true });
    let variables = input(&environment.id, &[variable]);
    let set = retried.ok(SET, variables.clone()).await;
    let id = text(&set["setVariables"]["variables"][0]["id"]);
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let mut told = vec![set, ada.ok(SHOWN, json!({ "id": environment.id })).await];
    told.push(ada.ok(PENDING, json!({ "id": environment.id })).await);
    told.push(json!(audited(&ada, "variable.set").await));
    assert!(!json!(told).to_string().contains(SECRET), "{told:?}");
    assert!(json!(told).to_string().contains("TOKEN"));

    for _ in 0..2 {
        assert_eq!(reveal(&ada.with_header("idempotency-key", "reveal"), &id).await, SECRET);
    }
    let kept = audited(&ada, "secret.reveal").await;
    assert_eq!(kept.len(), 2, "each time: {kept:?}");
    assert_eq!((&kept[0]["subject"], &kept[0]["details"]), (&json!(id), &json!({ "name": "TOKEN" })));
    assert!(!kept[0]["bindings"].as_array().unwrap().is_empty());
    let kept = audited(&ada, "variable.set").await;
    let details = &kept[0]["details"]["set"][0];
    assert_eq!((&details["name"], &details["secret"], details.get("value")), (&json!("TOKEN"), &json!(true), None));

    let all = dump(&server.database_url()).await;
    assert!(holds(&all, "TOKEN") && !holds(&all, SECRET), "a copy of the database gives it away");
    // Nor can a guess be tried on what is kept of the request for its retries.
    let request = json!({ "query": SET, "variables": variables }).to_string();
    assert!(!holds(&all, blake3::hash(request.as_bytes()).to_hex().as_str()));
}

#[tokio::test]
async fn a_sealed_value_opens_where_it_belongs_only() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let organization = eve.create_organization("evil").await;
    let project = eve.create_project(&organization, "site").await;
    let other = eve.create_environment(&project, "production", true).await;
    let mine = ada.set_variable(&environment.id, "TOKEN", SECRET, true).await;
    let second = ada.set_variable(&environment.id, "OTHER", "another", true).await;
    let hers = eve.set_variable(&other.id, "TOKEN", "x", true).await;
    let database = sea_orm::Database::connect(server.database_url()).await.unwrap();
    let run = async |statement: &str| {
        assert_eq!(database.execute_unprepared(statement).await.unwrap().rows_affected(), 1, "{statement}");
    };
    let key = |id: &str| {
        let uuid = id.parse::<entities::ids::VariableId>().unwrap().0;
        if server.database_url().starts_with("postgres") {
            format!("'{uuid}'")
        } else {
            format!("X'{}'", uuid.simple())
        }
    };
    let sealed = |id: &str| format!("(SELECT sealed FROM variables WHERE id = {})", key(id));
    let refused = async |client: &Client, id: &str| {
        let refusal = client.refusal(REVEAL, json!({ "input": { "id": id } })).await;
        assert_eq!(refusal.extensions["reason"], "SECRET_CANNOT_BE_OPENED", "{refusal:?}");
        assert!(!format!("{refusal:?}").contains(SECRET));
    };
    // With the database in hand: into a row of one's own, into another row of the same environment, ...
    run(&format!("UPDATE variables SET sealed = {} WHERE id = {}", sealed(&mine), key(&hers))).await;
    refused(&eve, &hers).await;
    run(&format!("UPDATE variables SET sealed = {} WHERE id = {}", sealed(&mine), key(&second))).await;
    refused(&ada, &second).await;
    assert_eq!(reveal(&ada, &mine).await, SECRET, "where it belongs it opens still");
    // ... or by changing what the row says of itself: that it is public, or of another name.
    for (change, back) in [("secret = FALSE", "secret = TRUE"), ("name = 'LEVEL'", "name = 'TOKEN'")] {
        run(&format!("UPDATE variables SET {change} WHERE id = {}", key(&mine))).await;
        refused(&ada, &mine).await;
        run(&format!("UPDATE variables SET {back} WHERE id = {}", key(&mine))).await;
    }
    // What cannot be opened is deployed with nothing rather than with something else.
    let draft = ada.draft(&environment, &[("index.html", b"hello")], None).await;
    ada.upload(&draft, &[("index.html", b"hello")]).await;
    let deploy = crate::harness::DEPLOY;
    assert_eq!(ada.code(deploy, json!({ "input": { "id": draft.deployment.id } })).await, "FAILED_PRECONDITION");
    database.close().await.unwrap();
}

/// `reeve rotate-master-key` over a folder; what it ended with and said.
async fn rotate(data: &Path, server: &RealServer, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().envs(variables.iter().copied()).args(["rotate-master-key", "--data"]).arg(data);
    command.args(server.database_url().iter().flat_map(|url| ["--database-url", url]));
    let ended = command.output().await.unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn the_master_key_is_replaced_whenever_it_is_interrupted() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    let id = ada.set_variable(&environment.id, "TOKEN", SECRET, true).await;
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let (code, said) = rotate(data.path(), &server, &[]).await;
    assert!(code == Some(7) && said.contains("another server uses the data folder"), "{said}");

    let file = data.path().join("master.key");
    let first = std::fs::read_to_string(&file).unwrap();
    let mut keys_before = 1;
    for point in ["master_key.renewed", "master_key.resealed", ""] {
        server.kill().await;
        let (code, said) = rotate(data.path(), &server, &[("REEVE_CRASH_AT", point)]).await;
        assert_eq!(code == Some(0), point.is_empty(), "{point}: {said}");
        let keys = std::fs::read_to_string(&file).unwrap();
        assert_eq!(keys.lines().count(), if point.is_empty() { 1 } else { 2 }, "{point}");
        if keys_before == 2 && !point.is_empty() {
            assert!(keys.ends_with(&first), "it went on with the same");
        }
        keys_before = keys.lines().count();
        // Wherever it was interrupted, the server comes up and opens everything, and nobody was signed out.
        server.start_again().await;
        assert_eq!(reveal(&ada, &id).await, SECRET);
        let pending = ada.ok(PENDING, json!({ "id": environment.id })).await;
        assert_eq!(pending["environment"]["pendingChanges"], json!([]));
    }
    let last = std::fs::read_to_string(&file).unwrap();
    assert_ne!(first, last);
    // With the old key alone nothing opens; nothing is left that it has sealed.
    server.kill().await;
    let (code, said) = rotate(data.path(), &server, &[("REEVE_MASTER_KEY", first.trim())]).await;
    assert!(code == Some(6) && said.contains("nothing was changed"), "{code:?} {said}");
    let both = format!("{} {}", first.trim(), last.trim());
    let (code, said) = rotate(data.path(), &server, &[("REEVE_MASTER_KEY", &both)]).await;
    assert_eq!(code, Some(0), "{said}");
    server.start_again_with(&[("REEVE_MASTER_KEY", first.trim())]).await;
    assert_eq!(reveal(&ada, &id).await, SECRET, "the key of the environment is in force");
}
