//! Two tenants on one server: Mallory, whose program does what it is told, and Vera, at whose link somebody looks all the
//! time. On a machine that cannot isolate, the server has to say what is missing, and the story ends there.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::durability::program::{interpreter, page};
use crate::durability::visitor::{Seen, Watch};
use crate::harness::{Client, Deployment, Environment, PATIENCE, Page, RealServer, host};

/// Serves its page, and runs whatever Python is posted to it, as a process of its own.
const PROGRAM: &str = r#"
import http.server, json, os, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.wfile.write(head + body)
    def do_GET(self):
        self.answer(PAGE)
    def do_POST(self):
        code = self.rfile.read(int(self.headers["Content-Length"]))
        done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
        self.answer(json.dumps({"out": done.stdout, "err": done.stderr, "code": done.returncode}).encode())
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// What Vera's link answers.
const VERA: &str = "vera";

/// A tenant with a program that serves.
pub(super) struct Tenant {
    pub(super) client: Client,
    pub(super) environment: Environment,
    pub(super) deployment: Deployment,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) out: String,
    pub(super) err: String,
    /// Negative: the signal that ended it.
    pub(super) code: i64,
}

/// The server with both tenants.
pub(super) struct World {
    pub(super) server: RealServer,
    pub(super) mallory: Tenant,
    pub(super) vera: Tenant,
    watch: Watch,
    /// Goes after the server.
    pub(super) data: tempfile::TempDir,
}

impl World {
    /// A new one; None where this machine cannot isolate, after the server has said so.
    pub(super) async fn new() -> Option<Self> {
        if let Err(said) = is_isolated().await {
            assert!(said.contains("programs cannot be isolated here as production needs it: "), "{said}");
            return None;
        }
        let data = tempfile::tempdir().unwrap();
        let server = RealServer::start(data.path()).await;
        let mallory = Tenant::new(&server, "mallory").await;
        let vera = Tenant::new(&server, VERA).await;
        let watch = Watch::begin(server.edge_address(), &vera.environment.url);
        watch.until(VERA).await;
        Some(Self { server, mallory, vera, watch, data })
    }

    /// Mallory's program runs this.
    pub(super) async fn attempt(&self, code: &str) -> Attempt {
        run(&self.server, &self.mallory, code).await.unwrap_or_else(|status| panic!("the program answered {status}"))
    }

    /// The same of something that prints JSON.
    pub(super) async fn ask(&self, code: &str) -> Value {
        let attempt = self.attempt(code).await;
        serde_json::from_str(&attempt.out).unwrap_or_else(|_| panic!("{attempt:?}"))
    }

    /// Vera was served the whole time, still is, and the server is well.
    pub(super) async fn nobody_was_hurt(self) {
        let served = self.watch.count();
        crate::harness::eventually("Vera is served", async || (self.watch.count() > served + 10).then_some(())).await;
        let seen: Seen = self.watch.end().await;
        assert!(seen.len() == 1 && seen[0].0 == VERA, "visitors of the other tenant saw {seen:?}");
        let well = reqwest::get(format!("http://{}/readyz", self.server.api_address())).await.unwrap();
        assert!(well.status().is_success(), "{well:?}");
    }
}

impl Tenant {
    /// Signs up, and deploys the program.
    pub(super) async fn new(server: &RealServer, name: &str) -> Self {
        let client = server.client().sign_up(name).await;
        let organization = client.create_organization(name).await;
        let project = client.create_project(&organization, "site").await;
        let environment = client.create_environment(&project, "production", true).await;
        let deployment = deploy(&client, &environment, name).await;
        Self { client, environment, deployment }
    }

    /// Deploys the program once more, to the same project.
    pub(super) async fn redeploy(&self) -> Deployment {
        deploy(&self.client, &self.environment, "again").await
    }
}

async fn deploy(client: &Client, environment: &Environment, name: &str) -> Deployment {
    let source = format!("PAGE = {:?}.encode()\n{PROGRAM}", page(name));
    let python = interpreter();
    let toml = format!("[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\n[health]\npath = \"/\"\n");
    client.deploy_process(environment, &[("server.py", source.as_bytes())], &toml).await
}

/// A tenant's program runs this; the edge's answer if it does not.
pub(super) async fn run(server: &RealServer, tenant: &Tenant, code: &str) -> Result<Attempt, reqwest::StatusCode> {
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
    let request = http.post(format!("http://{}/", server.edge_address())).header("host", host(&tenant.environment.url));
    let page = Page::of(request.body(code.to_owned())).await;
    if page.status != 200 {
        return Err(page.status);
    }
    let done: Value = serde_json::from_str(&page.body).unwrap();
    let text = |key: &str| done[key].as_str().unwrap().to_owned();
    Ok(Attempt { out: text("out"), err: text("err"), code: done["code"].as_i64().unwrap() })
}

/// Whether a server in production starts here; otherwise what it says.
pub(super) async fn is_isolated() -> &'static Result<(), String> {
    static FOUND: OnceCell<Result<(), String>> = OnceCell::const_new();
    FOUND.get_or_init(|| started(&["--production"], &[])).await
}

/// Starts a server until it listens, or says why it does not.
pub(super) async fn started(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().env("PATH", std::env::var("PATH").unwrap()).envs(variables.iter().copied());
    command.arg("serve").arg("--data").arg(data.path()).args(arguments);
    command.args(["--listen", "127.0.0.1:0", "--edge-listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("edge listening") {
            return Ok(());
        }
    }
    let output = child.wait_with_output().await.unwrap();
    assert!(!output.status.success());
    Err(String::from_utf8(output.stderr).unwrap())
}
