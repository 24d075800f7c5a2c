//! Programs find the variables that their deployment was accepted with, whenever they start.

use serde_json::json;

use super::variable::{PENDING, SET, UNSET, input};
use crate::harness::{Client, Environment, Page, RealServer, eventually, visit};

/// Answers with what it finds in its environment, and ends when it is asked to.
const PROGRAM: &[u8] = br#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/end":
            os._exit(0)
        body = " ".join(f"{name}={os.environ.get(name)}" for name in ["LEVEL", "TOKEN", "PATH_LIKE"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
const TOML: &str = "[process]\ncommand = [\"python3\", \"server.py\"]\n[health]\ntimeout_seconds = 10\n";

async fn answers(server: &RealServer, environment: &Environment, expected: &str) {
    eventually(&format!("it answers {expected}"), async || {
        let page = Page::of(visit(server.edge_address(), &environment.url, "/")).await;
        (page.body == expected).then_some(())
    })
    .await;
}

async fn pending(ada: &Client, environment: &Environment) -> Vec<(String, String)> {
    let data = ada.ok(PENDING, json!({ "id": environment.id })).await;
    let changes = data["environment"]["pendingChanges"].as_array().unwrap();
    changes.iter().map(|it| (it["name"].as_str().unwrap().into(), it["kind"].as_str().unwrap().into())).collect()
}

fn changes(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

#[tokio::test]
async fn a_deployment_keeps_the_variables_it_was_accepted_with() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RealServer::start(data.path()).await;
    let ada = server.client().sign_up("ada").await;
    let environment = ada.create_site().await;
    let set =
        async |name: &str, value: &str, secret: bool| ada.set_variable(&environment.id, name, value, secret).await;
    set("LEVEL", "info", false).await;
    set("TOKEN", "one", true).await;
    assert_eq!(pending(&ada, &environment).await, changes(&[("LEVEL", "ADDED"), ("TOKEN", "ADDED")]));
    let first = ada.deploy_process(&environment, &[("server.py", PROGRAM)], TOML).await;
    answers(&server, &environment, "LEVEL=info TOKEN=one PATH_LIKE=None").await;
    assert_eq!(pending(&ada, &environment).await, []);

    // What runs keeps its own, also when it ends, and when its server does.
    set("TOKEN", "two", true).await;
    set("PATH_LIKE", "/a:/b", false).await;
    ada.ok(UNSET, input(&environment.id, &[json!({ "name": "LEVEL" })])).await;
    let expected = changes(&[("LEVEL", "REMOVED"), ("PATH_LIKE", "ADDED"), ("TOKEN", "CHANGED")]);
    assert_eq!(pending(&ada, &environment).await, expected);
    drop(visit(server.edge_address(), &environment.url, "/end").send().await);
    answers(&server, &environment, "LEVEL=info TOKEN=one PATH_LIKE=None").await;
    server.kill().await;
    crate::harness::kill_programs(data.path());
    server.start_again().await;
    answers(&server, &environment, "LEVEL=info TOKEN=one PATH_LIKE=None").await;

    // A deployment takes today's; what is set while it is under way is for the next one.
    let draft = ada.deploy(&environment, &[("server.py", PROGRAM)], Some(TOML)).await;
    set("TOKEN", "three", true).await;
    ada.wait_for(&draft, "ACTIVE").await;
    answers(&server, &environment, "LEVEL=None TOKEN=two PATH_LIKE=/a:/b").await;
    assert_eq!(pending(&ada, &environment).await, changes(&[("TOKEN", "CHANGED")]));
    ada.rollback(&first, "two is slow").await;
    answers(&server, &environment, "LEVEL=info TOKEN=one PATH_LIKE=None").await;
    assert_eq!(pending(&ada, &environment).await, expected);
    // The same value again is no change.
    ada.ok(SET, input(&environment.id, &[json!({ "name": "LEVEL", "value": "info", "secret": false })])).await;
    assert_eq!(pending(&ada, &environment).await, expected[1..]);
    // Secrets lie in no file either, as long as it takes to start a program and longer.
    let mut files = vec![data.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("server.py") {
            let content = std::fs::read(&path).unwrap_or_default();
            assert!(!crate::harness::holds(&content, "\"two\""), "{}", path.display());
        }
    }
}
