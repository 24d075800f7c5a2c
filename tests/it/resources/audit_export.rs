//! The audit log as JSON lines, and on the command line.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::audit::LOG;
use crate::harness::{Client, TestServer};

/// What the export answers; the body is read whole.
async fn export(client: &Client, query: &str) -> (StatusCode, String) {
    let mut request = client.http.get(format!("{}/audit.jsonl{query}", client.base));
    if let Some(token) = &client.token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    (response.status(), response.text().await.unwrap())
}

async fn lines(client: &Client, query: &str) -> Vec<Value> {
    let (status, text) = export(client, query).await;
    assert_eq!(status, 200, "{query}: {text}");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn code(client: &Client, query: &str) -> (u16, String) {
    let (status, text) = export(client, query).await;
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{query}: {status}, not JSON: {text}"));
    (status.as_u16(), body["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned())
}

/// All pages of the log, the oldest first.
async fn pages(client: &Client, scope: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = client.ok(LOG, json!({ "scope": scope, "first": 100, "after": after })).await["auditLog"].clone();
        all.extend(data["nodes"].as_array().unwrap().clone());
        after = data["pageInfo"]["endCursor"].clone();
        if data["pageInfo"]["hasNextPage"] == false {
            all.reverse();
            return all;
        }
    }
}

#[tokio::test]
async fn an_export_is_what_the_pages_say() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let environment = ada.create_site().await;
    // More than one page of the export: refused attempts are quick to make.
    let rename =
        "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";
    let input = json!({ "input": { "id": environment.id, "name": "x", "expectedVersion": 1 } });
    for _ in 0..520 {
        assert_eq!(ben.code(rename, input.clone()).await, "NOT_FOUND");
    }
    let all = pages(&ada, "acme").await;
    assert!(all.len() > 520, "{}", all.len());
    assert_eq!(lines(&ada, "?scope=acme").await, all);
    let id = |at: usize| all[at]["id"].as_str().unwrap();
    assert_eq!(lines(&ada, &format!("?scope=acme&after={}", id(517))).await, all[518..]);
    assert_eq!(lines(&ada, &format!("?scope=acme&after={}", id(all.len() - 1))).await, Vec::<Value>::new());
    assert_eq!(lines(&ada, "?scope=acme&outcome=ALLOWED").await, all[..2]);
    let since = all[1]["at"].as_str().unwrap().replace("+00:00", "Z");
    assert_eq!(lines(&ada, &format!("?scope=acme&outcome=ALLOWED&since={since}")).await.last(), Some(&all[1]));
    let none = format!("?scope=acme&since={since}&until={since}&actor={}", ada.account.email);
    assert_eq!(lines(&ada, &none).await, Vec::<Value>::new());
    assert_eq!(
        lines(&ada, &format!("?scope={}&operation=environment.&subject={}", environment.id, environment.id)).await,
        all[2..]
    );
}

#[tokio::test]
async fn an_export_is_refused_as_the_log_is() {
    let server = TestServer::start().await;
    let (ada, vic, stranger) =
        (server.sign_up("ada").await, server.sign_up("vic").await, server.sign_up("stranger").await);
    ada.create_site().await;
    ada.grant(&vic, "ownstak/viewer", "acme").await;
    let told = |status: u16, code: &str| (status, code.to_owned());
    for scope in ["acme", "acme/site", "acme/site/production"] {
        let query = format!("?scope={scope}");
        assert_eq!(code(&server.client(), &query).await, told(401, "UNAUTHENTICATED"));
        assert_eq!(code(&ada.with_token("forged"), &query).await, told(401, "UNAUTHENTICATED"));
        assert_eq!(code(&stranger, &query).await, told(404, "NOT_FOUND"));
        assert_eq!(code(&vic, &query).await, told(403, "FORBIDDEN"));
        assert!(!lines(&ada, &query).await.is_empty() || scope.ends_with("production"));
    }
    let hostile = [
        "",
        "?",
        "?scope=a/b/c/d",
        "?scope=acme&scope=acme",
        "?scope=acme&sinse=2030-01-01T00:00:00Z",
        "?scope=acme&since=yesterday",
        "?scope=acme&until=2030-01-01",
        "?scope=acme&since=%2B100000-01-01T00:00:00Z",
        "?scope=acme&after=1",
        "?scope=acme&after=",
        "?scope=acme&after=%00",
        "?scope=acme&outcome=allowed",
        "?scope=acme&outcome=",
        "?scope=acme&actor=%00",
        "?scope=acme&actor[]=x",
        "?scope=acme&subject=%0a",
        "?scope=acme&operation=",
    ];
    for query in hostile {
        assert_eq!(code(&ada, query).await, told(400, "INVALID_INPUT"), "{query}");
    }
    for query in ["?scope=%00", "?scope=%ff%fe", "?scope=%27%20OR%201=1%20--", &format!("?scope={}", "a".repeat(5_000))]
    {
        let (status, code) = code(&ada, query).await;
        assert!(
            matches!(status, 400 | 404) && ["INVALID_INPUT", "NOT_FOUND"].contains(&code.as_str()),
            "{query:.40}: {code}"
        );
    }
    assert_eq!(lines(&ada, "?scope=acme&subject=%27%20OR%201=1%20--").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_command_line_shows_the_log() {
    let server = TestServer::start().await;
    let (ada, vic) = (server.sign_up("ada").await, server.sign_up("vic").await);
    let environment = ada.create_site().await;
    ada.grant(&vic, "ownstak/viewer", "acme").await;
    let rename =
        "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";
    let input = json!({ "input": { "id": environment.id, "name": "x", "expectedVersion": 1 } });
    assert_eq!(vic.code(rename, input).await, "FORBIDDEN");
    let folder = tempfile::tempdir().unwrap();
    let reeve = async |client: &Client, arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_reeve"));
        command.env_clear().env("REEVE_CONFIG_DIR", folder.path()).env("REEVE_TOKEN", client.token.as_ref().unwrap());
        let output = command.arg("audit").args(["--server", &client.base]).args(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (exit, table, _) = reeve(&ada, &["--scope", "acme"]).await;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().skip(2).collect()).collect();
    assert_eq!((exit, rows.len()), (0, 5), "{table}");
    assert_eq!(rows[1][..3], [vic.account.email.as_str(), "environment.update", "refused:"]);
    assert_eq!(rows[2][..3], [ada.account.email.as_str(), "access.grant", "allowed"]);
    let (exit, table, _) = reeve(&ada, &["--scope", "acme", "--refused", "--last", "1"]).await;
    assert_eq!((exit, table.lines().count()), (0, 2), "{table}");
    let (exit, text, _) = reeve(&ada, &["--scope", "acme", "--json"]).await;
    let written: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((exit, written), (0, pages(&ada, "acme").await));
    let filtered = ["--scope", "acme", "--json", "--actor", &ada.account.email, "--operation", "access."];
    let (_, text, _) = reeve(&ada, &filtered).await;
    assert_eq!(text.lines().count(), 1, "{text}");
    let (exit, text, note) = reeve(&ada, &["--scope", "acme", "--until", "2000-01-01T00:00:00Z"]).await;
    assert_eq!((exit, text.as_str(), note.trim()), (0, "", "there is no such entry"));
    assert_eq!(reeve(&vic, &["--scope", "acme"]).await.0, 4);
    assert_eq!(reeve(&vic, &["--scope", "acme", "--json"]).await.0, 4);
    assert_eq!(reeve(&vic, &[]).await.0, 5, "the console, when nothing is said");
    assert_eq!(reeve(&ada, &["--scope", "acme", "--since", "yesterday"]).await.0, 2);
    assert_eq!(reeve(&ada.with_token("forged"), &["--scope", "acme", "--json"]).await.0, 3);
}
