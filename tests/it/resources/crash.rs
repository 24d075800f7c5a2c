//! Killed at any moment, the program comes back as if nothing had happened; what it serves never stopped.

use serde_json::json;

use super::process::deploy;
use crate::harness::{DEPLOY, Page, RealServer, visit};

#[tokio::test]
async fn programs_outlive_the_server_and_are_found_again() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    deploy(&ada, &environment, "one").await;
    let before = Page::of(visit(server.edge_address(), &environment.url, "/")).await;
    assert!(before.body.starts_with("one "), "{before:?}");
    server.kill().await;
    server.start_again().await;
    let after = Page::of(visit(server.edge_address(), &environment.url, "/")).await;
    assert_eq!(after.body, before.body, "it is the same process; the server said:\n{}", server.output());
    ada.ok("{ viewer { id } }", json!({})).await;
    deploy(&ada, &environment, "two").await;
    assert!(Page::of(visit(server.edge_address(), &environment.url, "/")).await.body.starts_with("two "));
}

#[tokio::test]
async fn an_accepted_deployment_survives_a_kill_at_any_moment() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    for round in 0..6_u8 {
        let content = format!("version {round}").into_bytes();
        let files: &[(&str, &[u8])] = &[("index.html", &content)];
        let draft = ada.draft(&environment, files, None).await;
        ada.upload(&draft, files).await;
        ada.ok(DEPLOY, json!({ "input": { "id": draft.deployment.id } })).await;
        server.kill().await;
        server.start_again().await;
        ada.wait_for(&draft.deployment, "ACTIVE").await;
        let page = Page::of(visit(server.edge_address(), &environment.url, "/")).await;
        assert_eq!(page.body.as_bytes(), content, "{}", server.output());
    }
    let states = "query($id: ID!) { environment(id: $id) { deployments { nodes { state } } } }";
    let states = ada.ok(states, json!({ "id": environment.id })).await;
    let active = states["environment"]["deployments"]["nodes"].as_array().unwrap().iter();
    assert_eq!(active.filter(|deployment| deployment["state"] == "ACTIVE").count(), 1, "{states}");
}

#[tokio::test]
async fn a_data_folder_is_one_servers_alone() {
    let data = tempfile::tempdir().unwrap();
    let _first = RealServer::start(data.path()).await;
    let mut second = tokio::process::Command::new(env!("CARGO_BIN_EXE_reeve"));
    second.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--edge-listen", "127.0.0.1:0", "--data"]);
    let ended = second.arg(data.path()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(7) && said.contains("another server uses the data folder"), "{ended:?}");
}
