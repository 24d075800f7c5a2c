//! Webhooks on the command line: made, listed, tried, looked at, sent once more, rotated and removed.

use tokio::process::Command;

use super::webhook::{server, settled, site};
use crate::harness::{Client, Manner, Receiver};

/// Runs `reeve webhooks …` as somebody: how it ends, what its result is, and what else it says.
async fn reeve(client: &Client, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().env("REEVE_TOKEN", client.token.as_ref().unwrap()).env("REEVE_CONFIG_DIR", "/nonexistent");
    command.args(["--server", &client.base, "webhooks"]).args(arguments).kill_on_drop(true);
    let ended = command.output().await.unwrap();
    let [out, err] = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap());
    (ended.status.code(), out, err)
}

async fn done(client: &Client, arguments: &[&str]) -> String {
    let (code, out, err) = reeve(client, arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
    out
}

/// What stands behind a word.
fn said(text: &str, word: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no {word}: {text}"));
    line.trim().to_owned()
}

#[tokio::test]
async fn webhooks_are_managed_and_looked_at_on_the_command_line() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    assert_eq!(done(&ada, &["list", "acme/site"]).await.trim(), "");
    let made = done(&ada, &["create", "acme/site", "CI", &receiver.url(), "--event", "deployment.failed"]).await;
    let (secret, id) = (said(&made, "secret"), said(&made, "id"));
    let listed = done(&ada, &["list", "acme/site"]).await;
    assert!(listed.contains(&id) && listed.contains("deployment.failed") && !listed.contains(&secret), "{listed}");
    let narrow = ["update", &id, "--all-events", "--environment", "acme/site/production", "--name", "Ops"];
    assert_eq!(done(&ada, &narrow).await, format!("updated {id}\n"));
    let listed = done(&ada, &["list", &project]).await;
    assert!(listed.contains("acme/site/production") && listed.contains("Ops") && listed.contains("all"), "{listed}");
    done(&ada, &["test", &id]).await;
    assert!(receiver.receives(1).await[0].is_signed_with(&secret));
    settled(&ada, &project).await;
    receiver.answers(Manner::Status(500, "broken"));
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    settled(&ada, &project).await;
    let told = done(&ada, &["deliveries", "acme/site"]).await;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[1].contains("deployment.succeeded  dead") && lines[1].contains("the answer was 500"), "{told}");
    assert!(lines[2].contains("ping") && lines[2].contains("delivered") && lines[2].contains("200 in"), "{told}");
    receiver.answers(Manner::Status(200, ""));
    done(&ada, &["resend", lines[1].split_whitespace().last().unwrap()]).await;
    assert_eq!(settled(&ada, &project).await["state"], "DELIVERED");
    let rotated = done(&ada, &["rotate", &id]).await;
    assert_ne!(said(&rotated, "secret"), secret);
    done(&ada, &["update", &id, "--off", "--all-environments"]).await;
    assert!(done(&ada, &["list", "acme/site"]).await.contains(" off "));
    for (arguments, code, says) in [
        (&["test", &*id][..], 6, "switched off"),
        (&["list", "acme"], 2, "organization/project"),
        (&["create", "acme/site", "CI", "https://x.test", "--environment", "acme/site"], 2, "name an environment"),
        (&["create", "acme/site", "CI", "ftp://x.test"], 2, "https://"),
        (&["create", "acme/site", "CI", "https://x.test", "--event", "x"], 2, "deployment.failed"),
        (&["delete", "whk_00000000000000000000000000"], 5, "webhook"),
    ] {
        let (ended, out, err) = reeve(&ada, arguments).await;
        assert!(ended == Some(code) && err.contains(says), "{arguments:?}: {ended:?} {out}{err}");
    }
    assert_eq!(done(&ada, &["delete", &id]).await, format!("deleted {id}\n"));
}
