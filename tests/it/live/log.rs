//! Whoever goes on from a cursor misses nothing and is told nothing twice, whatever has happened in between; and where lines are not
//! there any more, it is said.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

use super::{Ground, deploy};
use crate::harness::{Client, Deployment, Live, PATIENCE, eventually};

const ENVIRONMENT: &str = "subscription($id: ID!, $after: String) {
    line: environmentLog(environmentId: $id, after: $after) { cursor at stream instance text missed } }";
const DEPLOYMENT: &str = "subscription($id: ID!, $after: String) {
    line: deploymentLog(deploymentId: $id, after: $after) { cursor at stream instance text missed } }";
const PAGE: &str = "query($id: ID!, $last: Int! = 1000, $before: String, $after: String, $since: DateTime) {
    deployment(id: $id) { log(last: $last, before: $before, after: $after, since: $since) {
        cursor at stream text missed } } }";

/// What is heard up to this line.
async fn until(live: &mut Live, text: &str) -> Vec<Value> {
    let mut heard: Vec<Value> = Vec::new();
    while heard.last().is_none_or(|line| line["text"] != text) {
        heard.push(live.item().await["line"].clone());
    }
    heard
}

async fn page(client: &Client, deployment: &Deployment, mut window: Value) -> Vec<Value> {
    window["id"] = json!(deployment.id);
    client.ok(PAGE, window).await["deployment"]["log"].as_array().unwrap().clone()
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

impl Ground {
    async fn restart(&mut self) {
        self.server.kill().await;
        self.server.start_again().await;
        self.ada.http = self.server.client().http;
    }
}

#[tokio::test]
async fn a_cursor_is_good_after_a_restart_and_after_a_switch() {
    let mut ground = Ground::new().await;
    let id = json!({ "id": ground.environment.id });
    ground.ask("/one").await;
    let mut live = ground.ada.follow(ENVIRONMENT, id).await;
    let before = until(&mut live, "asked for /one").await;
    drop(live);
    ground.restart().await;
    ground.ask("/two").await;
    // While nobody follows, two others are the active one in between, and the first again.
    let second = deploy(&ground.ada, &ground.environment, "two").await;
    ground.ask("/three").await;
    let third = deploy(&ground.ada, &ground.environment, "three").await;
    ground.ada.rollback(&ground.deployment, "both are worse").await;
    ground.ask("/four").await;
    let cursor = before.last().unwrap()["cursor"].clone();
    let mut expected = Vec::new();
    let last = [(&ground.deployment, "asked for /four"), (&second, "asked for /three"), (&third, "asked for /health")];
    for (deployment, last) in last {
        eventually("its last words are there", async || {
            let lines = page(&ground.ada, deployment, json!({})).await;
            texts(&lines).contains(&last).then_some(())
        })
        .await;
        expected.extend(page(&ground.ada, deployment, json!({})).await);
    }
    let on = json!({ "id": ground.environment.id, "after": cursor });
    let mut live = ground.ada.follow(ENVIRONMENT, on).await;
    let mut all = before;
    while all.len() < expected.len() {
        all.push(live.item().await["line"].clone());
    }
    assert!(all.iter().all(|line| line["stream"] != "GAP" && line["instance"] == 1), "{all:#?}");
    assert_eq!(texts(&all), texts(&expected), "each line once, one deployment after the other");
    // And on with what comes.
    ground.ask("/five").await;
    until(&mut live, "asked for /five").await;
    // A deployment's own.
    let some = page(&ground.ada, &second, json!({ "last": 2 })).await;
    let on = json!({ "id": second.id, "after": some[0]["cursor"] });
    let mut live = ground.ada.follow(DEPLOYMENT, on).await;
    assert_eq!(live.item().await["line"]["text"], some[1]["text"]);
}

#[tokio::test]
async fn pages_are_the_whole_log_once() {
    let ground = Ground::new().await;
    ground.ask("/flood-40").await;
    eventually("all is said", async || {
        let last = page(&ground.ada, &ground.deployment, json!({ "last": 1 })).await;
        last[0]["text"].as_str().unwrap().starts_with("flood 39").then_some(())
    })
    .await;
    let all = page(&ground.ada, &ground.deployment, json!({})).await;
    let mut back: Vec<Value> = page(&ground.ada, &ground.deployment, json!({ "last": 7 })).await;
    loop {
        let window = json!({ "last": 7, "before": back[0]["cursor"] });
        let mut lines = page(&ground.ada, &ground.deployment, window).await;
        if lines.is_empty() {
            break;
        }
        lines.extend(back);
        back = lines;
    }
    assert_eq!(texts(&back), texts(&all));
    let mut on = vec![all[0].clone()];
    loop {
        let window = json!({ "last": 7, "after": on.last().unwrap()["cursor"] });
        let lines = page(&ground.ada, &ground.deployment, window).await;
        if lines.is_empty() {
            break;
        }
        on.extend(lines);
    }
    assert_eq!(texts(&on), texts(&all));
    let since = page(&ground.ada, &ground.deployment, json!({ "since": all[5]["at"] })).await;
    assert!(since.len() >= all.len() - 5 && texts(&all).ends_with(&texts(&since)), "{since:?}");
    let other = deploy(&ground.ada, &ground.environment, "two").await;
    for (field, wrong) in [("after", json!("nonsense")), ("before", all[0]["cursor"].clone())] {
        let refusal = ground.ada.refusal(PAGE, json!({ "id": other.id, field: wrong })).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{field}: {refusal:?}");
    }
    let both = json!({ "id": other.id, "after": all[0]["cursor"], "since": all[0]["at"] });
    assert_eq!(ground.ada.code(PAGE, both).await, "INVALID_INPUT");
    let elsewhere = json!({ "id": other.id, "after": all[0]["cursor"] });
    assert_eq!(ground.ada.follow(DEPLOYMENT, elsewhere).await.cut().await.0, "INVALID_INPUT");
}

#[tokio::test]
async fn lines_that_are_gone_are_told_of() {
    let ground = Ground::with("[logs]\nmax_mb = 1\n").await;
    let first = page(&ground.ada, &ground.deployment, json!({ "last": 1 })).await;
    let cursor = &first[0]["cursor"];
    const LINES: usize = 30_000;
    ground.ask(&format!("/flood-{LINES}")).await;
    ground.ask("/end").await;
    eventually("the end is said", async || {
        let last = page(&ground.ada, &ground.deployment, json!({ "last": 5 })).await;
        last.iter().any(|line| line["text"] == "asked for /end").then_some(())
    })
    .await;
    let on = json!({ "id": ground.deployment.id, "after": cursor });
    let mut live = ground.ada.follow(DEPLOYMENT, on).await;
    let heard = until(&mut live, "asked for /end").await;
    let gap = &heard[0];
    assert_eq!(gap["stream"], "GAP", "{gap}");
    let missed = usize::try_from(gap["missed"].as_i64().unwrap()).unwrap();
    assert!(heard[1..].iter().all(|line| line["missed"].is_null()), "one gap");
    // The flood, and what was asked for twice.
    assert_eq!(missed + heard.len() - 1, LINES + 2);
    let behind = json!({ "id": ground.deployment.id, "after": gap["cursor"] });
    let mut again = ground.ada.follow(DEPLOYMENT, behind).await;
    assert_eq!(again.item().await["line"], heard[1], "a gap is told once");
    let paged = page(&ground.ada, &ground.deployment, json!({ "after": cursor, "last": 1 })).await;
    assert_eq!(paged[0]["missed"], gap["missed"]);
    let folder = ground.data.path().join("instances").join(format!("{}-1-0", ground.deployment.id));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_name().to_str().unwrap().starts_with("log-"));
    let size: u64 = files.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(size <= 1 << 20, "{size} bytes");
}

struct Reading(Lines<BufReader<ChildStdout>>, #[expect(dead_code, reason = "it ends with this")] tokio::process::Child);

impl Reading {
    /// Lines up to this one.
    async fn until(&mut self, text: &str) -> Vec<Value> {
        let mut heard: Vec<Value> = Vec::new();
        while heard.last().is_none_or(|line| line["text"] != text) {
            let line = tokio::time::timeout(PATIENCE, self.0.next_line()).await.unwrap().unwrap().unwrap();
            heard.push(serde_json::from_str(&line).unwrap());
        }
        heard
    }
}

#[tokio::test]
async fn the_command_line_goes_on_when_the_server_is_back() {
    let mut ground = Ground::new().await;
    let home = tempfile::tempdir().unwrap();
    let reeve = |ground: &Ground, arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_reeve"));
        command.env_clear().env("HOME", home.path()).env("REEVE_TOKEN", ground.ada.token.as_ref().unwrap());
        command.args(["--server", &ground.ada.base, "logs", &ground.environment.path]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command
    };
    let mut child = reeve(&ground, &["--follow", "--json"]).spawn().unwrap();
    let mut reading = Reading(BufReader::new(child.stdout.take().unwrap()).lines(), child);
    ground.ask("/one").await;
    let mut heard = reading.until("asked for /one").await;
    ground.restart().await;
    ground.ask("/two").await;
    heard.extend(reading.until("asked for /two").await);
    let all = page(&ground.ada, &ground.deployment, json!({})).await;
    assert_eq!(texts(&heard), texts(&all));
    let cursor = heard[0]["cursor"].as_str().unwrap();
    let printed = reeve(&ground, &["--after", cursor, "--json"]).output().await.unwrap();
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(texts(printed["log"].as_array().unwrap()), texts(&all[1..]));
    let printed = reeve(&ground, &["--since", "1h"]).output().await.unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap().lines().count(), all.len());
    let built = ground.ada.built(&ground.environment, "echo building; mkdir dist; echo x > dist/index.html").await;
    let printed = reeve(&ground, &["--build", "--follow"]).output().await.unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.trim_end().ends_with("  building") && printed.lines().count() == 1,
        "{printed} of {}",
        built.number
    );
}
