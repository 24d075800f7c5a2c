//! What is followed comes, in order and once, and ends when nothing more can come.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{DEPLOYMENT_LOG, DEPLOYMENTS, ENVIRONMENT_LOG, Ground, TOML, deploy, id};
use crate::harness::{Live, PATIENCE, TestServer};

/// Skips what was said before.
async fn until(live: &mut Live, text: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|line| line != text) {
        let item = live.item().await;
        let line = item.get("environmentLog").or(item.get("deploymentLog")).unwrap();
        heard.push(line["text"].as_str().unwrap().to_owned());
    }
    heard
}

#[tokio::test]
async fn the_lines_of_a_running_program_come_as_it_prints_them() {
    let ground = Ground::new().await;
    let mut live = ground.ada.follow(ENVIRONMENT_LOG, id(&ground.environment.id)).await;
    let mut again = ground.ada.follow(DEPLOYMENT_LOG, id(&ground.deployment.id)).await;
    let first = until(&mut live, "starting one").await;
    assert!(first.len() <= 2, "before it started, its supervisor may have said something: {first:?}");
    for number in 0..3 {
        let path = format!("/visit-{number}");
        ground.ask(&path).await;
        let line = format!("asked for {path}");
        let heard = until(&mut live, &line).await;
        assert!(heard.iter().all(|other| other.contains("/health") || *other == line), "{heard:?}");
        until(&mut again, &line).await;
    }
    // Whoever wants no past gets what comes.
    let mut late = ground.ada.follow(ENVIRONMENT_LOG, json!({ "id": ground.environment.id, "last": 1 })).await;
    assert_eq!(late.item().await["environmentLog"]["text"], "asked for /visit-2");
    // The environment's log goes on with the next deployment, from its beginning.
    deploy(&ground.ada, &ground.environment, "two").await;
    until(&mut live, "starting two").await;
    ground.ask("/next").await;
    until(&mut live, "asked for /next").await;
}

#[tokio::test]
async fn the_command_line_follows_until_nothing_more_can_come() {
    let ground = Ground::new().await;
    let home = tempfile::tempdir().unwrap();
    let reeve = |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_reeve"));
        command.env_clear().env("HOME", home.path()).env("REEVE_TOKEN", ground.ada.token.as_ref().unwrap());
        command.args(["--server", &ground.ada.base, "log", &ground.environment.path, "--follow"]).args(arguments);
        command.stdout(std::process::Stdio::piped()).kill_on_drop(true);
        command
    };
    let mut running = reeve(&["--json"]).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    for text in ["starting one", "asked for /now"] {
        ground.ask("/now").await;
        let said = async {
            loop {
                let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
                if line["text"] == text {
                    return line;
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, said).await.unwrap()["stream"], "STDOUT");
    }
    let program = b"import sys; print('no database', flush=True); sys.exit(3)";
    let bad = ground.ada.deploy(&ground.environment, &[("server.py", program)], Some(TOML)).await;
    let ended = tokio::time::timeout(PATIENCE, reeve(&[&bad.number.to_string()]).output()).await.unwrap().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && said.lines().any(|line| line.ends_with("no database")), "{said}");
}

#[tokio::test]
async fn the_log_of_what_has_failed_ends_by_itself() {
    let ground = Ground::new().await;
    let program = b"import sys; print('no database', flush=True); sys.exit(3)";
    let bad = ground.ada.deploy(&ground.environment, &[("server.py", program)], Some(TOML)).await;
    let mut live = ground.ada.follow(DEPLOYMENT_LOG, id(&bad.id)).await;
    let all = live.rest().await;
    let said = all.iter().any(|item| item["deploymentLog"]["text"] == "no database");
    assert!(said, "{all:?}");
}

#[tokio::test]
async fn a_deployment_is_told_of_in_every_state_that_it_comes_to() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let mut live = ada.follow(DEPLOYMENTS, id(&environment.id)).await;
    // What happened before the first look is not told.
    let files: &[(&str, &[u8])] = &[("index.html", b"one")];
    let begun = loop {
        let draft = ada.draft(&environment, files, None).await.deployment;
        let heard = tokio::time::timeout(std::time::Duration::from_secs(1), live.item()).await;
        if heard.is_ok() {
            break draft;
        }
    };
    let deployment = ada.deploy_static(&environment, files).await;
    assert_ne!(begun.id, deployment.id);
    let mut states: Vec<Value> = Vec::new();
    while states.last().is_none_or(|state| state != "ACTIVE") {
        let item = live.item().await["deploymentUpdated"].clone();
        assert_eq!(item["environment"]["id"], environment.id);
        assert_eq!(item["viewerCan"], json!([{ "allowed": true }]));
        if item["id"] == deployment.id {
            states.push(item["state"].clone());
        }
    }
    let order = ["DRAFT", "QUEUED", "BUILDING", "STARTING", "READY", "ACTIVE"];
    let places: Vec<usize> = states.iter().map(|s| order.iter().position(|state| s == state).unwrap()).collect();
    assert!(places.is_sorted() && places.len() >= 2, "{states:?}");
}
