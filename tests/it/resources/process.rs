//! Programs of customers: started, checked, served, logged, and never in the way of what serves already.

use serde_json::json;

use crate::harness::{Client, DEPLOYMENT, Environment, Page, RealServer, eventually, visit};

/// Answers with its word and its process, and says on its output what it answers.
const PROGRAM: &str = r#"
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"{WORD} {os.getpid()} {self.headers['X-Forwarded-Host']}".encode()
        self.send_response(200 if WORD != "sick" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        print("asked for", self.path, flush=True)
print("starting", WORD, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
const TOML: &str =
    "[process]\ncommand = [\"python3\", \"server.py\"]\n[health]\npath = \"/health\"\ntimeout_seconds = 10\n";

/// The program that answers with this word.
pub(super) fn program(word: &str) -> Vec<u8> {
    PROGRAM.replace("import http", &format!("WORD = {word:?}\nimport http")).into_bytes()
}

/// Deploys the program and waits until it serves.
pub(super) async fn deploy(client: &Client, environment: &Environment, word: &str) -> crate::harness::Deployment {
    client.deploy_process(environment, &[("server.py", &program(word))], TOML).await
}

async fn get(server: &RealServer, link: &str) -> Page {
    Page::of(visit(server.edge_address(), link, "/")).await
}

#[tokio::test]
async fn a_program_serves_when_it_is_healthy_and_its_log_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    let first = deploy(&ada, &environment, "one").await;
    let page = get(&server, &environment.url).await;
    assert!(page.status == 200 && page.body.starts_with("one "), "{page:?}");
    let second = deploy(&ada, &environment, "two").await;
    assert!(get(&server, &environment.url).await.body.starts_with("two "));
    assert!(get(&server, &first.url).await.body.starts_with("one "), "the earlier one still runs on its own link");
    ada.rollback(&first, "two is slow").await;
    assert!(get(&server, &environment.url).await.body.starts_with("one "));
    let log = "query($id: ID!) { deployment(id: $id) { kind log(last: 50) { stream text } } }";
    let read = ada.ok(log, json!({ "id": second.id })).await["deployment"].clone();
    assert_eq!(read["kind"], "PROCESS");
    let lines = read["log"].as_array().unwrap();
    for text in ["starting two", "asked for /health"] {
        assert!(lines.contains(&json!({ "stream": "STDOUT", "text": text })), "{text} is not in {lines:?}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_serve_leaves_the_one_before_in_place() {
    let data = tempfile::tempdir().unwrap();
    let server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    let good = deploy(&ada, &environment, "one").await;
    let quick = TOML.replace("timeout_seconds = 10", "timeout_seconds = 1");
    for (file, why) in [
        (b"import sys; print('no database', file=sys.stderr); sys.exit(3)".to_vec(), "exited with code 3"),
        (b"import threading\nthreading.Event().wait()".to_vec(), ""),
        (program("sick"), "500"),
    ] {
        let bad = ada.deploy(&environment, &[("server.py", &file)], Some(&quick)).await;
        let failed = ada.wait_for(&bad, "FAILED").await;
        let failure = failed["failure"].as_str().unwrap();
        assert!(!failure.is_empty() && failure.contains(why), "{failure}");
        eventually("all effects are undone", async || {
            let read = ada.ok(DEPLOYMENT, json!({ "id": bad.id })).await;
            (read["deployment"]["action"]["state"] == "FAILED").then_some(())
        })
        .await;
        assert!(get(&server, &environment.url).await.body.starts_with("one "));
        let active = ada.ok(
            "query($id: ID!) { environment(id: $id) { activeDeployment { id } } }",
            json!({ "id": environment.id }),
        );
        assert_eq!(active.await["environment"]["activeDeployment"]["id"], good.id);
    }
    let missing = "[process]\ncommand = [\"no-such-program\"]\n";
    let bad = ada.deploy(&environment, &[("server.py", b"")], Some(missing)).await;
    let failed = ada.wait_for(&bad, "FAILED").await;
    assert!(failed["failure"].as_str().is_some_and(|text| !text.contains("instances/")), "{failed:#}");
}

#[tokio::test]
async fn a_project_file_that_cannot_be_is_refused_with_every_problem() {
    let data = tempfile::tempdir().unwrap();
    let server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    let document = crate::harness::CREATE_DEPLOYMENT;
    let draft =
        |toml: &str| crate::harness::draft_input(&environment, &[crate::harness::entry("a.txt", b"a")], Some(toml));
    for (toml, fields) in [
        ("not toml at all [", vec!["projectFile"]),
        ("[process]\ncommand = []\n[health]\npath = \"x\"", vec!["process.command", "health.path"]),
        ("[process]\ncommand = \"node server.js\"\nspeed = 1", vec!["process.command", "process.speed"]),
        ("[static]\nroot = \"../../etc\"", vec!["static.root"]),
        ("[static]\nroot = \"missing\"", vec!["static.root"]),
        ("kind = \"lambda\"", vec!["kind"]),
        ("", vec!["files"]),
    ] {
        let refusal = ada.refusal(document, draft(toml)).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{toml}");
        for field in fields {
            assert!(refusal.extensions.to_string().contains(field), "{toml}: {field} is not in {refusal:?}");
        }
    }
}
