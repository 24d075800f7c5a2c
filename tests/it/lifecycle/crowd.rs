//! A program of several instances that can be made unwell one by one, and the crowd that visits it meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Ground;
use crate::durability::program::interpreter;
use crate::harness::{Deployment, Environment, Page, eventually, host, visit};

/// Answers which instance it is, and a word that no other run of it has. An instance is made unwell by a file in its release
/// that is named after it: `sick-1` fails its health checks, `bar-1` ends it when it starts.
const PROGRAM: &str = r#"
import http.server, os, sys, time
NUMBER, RUN = os.environ["REEVE_INSTANCE"], os.urandom(4).hex()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/quit":
            os._exit(3)
        if self.path == "/hog":
            hoard = []
            while True: hoard.append(bytearray(16 << 20))
        if self.path == "/burn":
            until = time.process_time() + 0.3
            while time.process_time() < until: pass
        sick = self.path == "/health" and os.path.exists("sick-" + NUMBER)
        body = f"{NUMBER} {RUN}".encode()
        head = f"HTTP/1.1 {'500 Sick' if sick else '200 OK'}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.wfile.write(head + body)
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
print("starting", NUMBER, RUN, flush=True)
if os.path.exists("bar-" + NUMBER):
    sys.exit(3)
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// How many visit at a time.
const VISITORS: usize = 8;

impl Ground {
    /// Deploys the program, so many of it, asked for its health every second; `more` stands in its section `health`.
    pub(crate) async fn several(&self, environment: &Environment, instances: u32, more: &str) -> Deployment {
        let python = interpreter();
        let toml = format!(
            "[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\ninstances = {instances}\n\
             [health]\npath = \"/health\"\nprobe_interval_seconds = 1\nprobe_timeout_seconds = 5\n{more}"
        );
        self.ada.deploy_process(environment, &[("server.py", PROGRAM.as_bytes())], &toml).await
    }

    /// What a visit of a path is answered: a number and a run, or in words what else came.
    pub(crate) async fn asked(&self, link: &str, path: &str) -> String {
        let page = Page::of(visit(self.server.edge_address(), link, path)).await;
        if page.status == 200 { page.body } else { format!("{}: {}", page.status, page.body) }
    }

    /// A file by which an instance is made unwell.
    pub(super) fn file(&self, deployment: &Deployment, name: &str) -> std::path::PathBuf {
        self.data.path().join("releases").join(&deployment.id).join(name)
    }

    /// The instances as the API tells them.
    pub(crate) async fn instances(&self, deployment: &Deployment) -> Vec<Value> {
        let document =
            "query($id: ID!) { deployment(id: $id) { instances { number state healthy problem startedAt restarts
            restartsAt cpuSeconds memoryBytes lastExit { at code signal outOfMemory reason } } } }";
        let data = self.ada.ok(document, json!({ "id": deployment.id })).await;
        data["deployment"]["instances"].as_array().unwrap().clone()
    }

    /// The instance with this number once `is` holds.
    pub(crate) async fn instance(
        &self,
        deployment: &Deployment,
        number: usize,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(&format!("instance {number} {what}"), async || {
            let found = self.instances(deployment).await.swap_remove(number - 1);
            assert_eq!(found["number"], number, "{found}");
            is(&found).then_some(found)
        })
        .await
    }

    /// What happened to its instances, the oldest first: kind, number, who or why, and the detail.
    pub(crate) async fn told(&self, deployment: &Deployment) -> Vec<(String, i64, String, String)> {
        let document = "query($id: ID!) { deployment(id: $id) { events(first: 100) { nodes {
            kind instance cause actor { name } detail } } } }";
        let data = self.ada.ok(document, json!({ "id": deployment.id })).await;
        let events = data["deployment"]["events"]["nodes"].as_array().unwrap();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |event: &Value| {
            let by = if event["actor"].is_null() { &event["cause"] } else { &event["actor"]["name"] };
            (word(&event["kind"]), event["instance"].as_i64().unwrap(), word(by), word(&event["detail"]))
        };
        events.iter().rev().filter(|event| event["kind"] != "STATE").map(of).collect()
    }
}

/// Visitors who come again and again, each on a connection of their own.
pub(super) struct Crowd {
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
    stop: CancellationToken,
    visitors: JoinSet<()>,
}

impl Crowd {
    pub(super) fn gather(ground: &Ground, link: &str) -> Self {
        let (seen, stop) = (Arc::<Mutex<BTreeMap<String, u64>>>::default(), CancellationToken::new());
        let mut visitors = JoinSet::new();
        for _ in 0..VISITORS {
            let (seen, stop) = (seen.clone(), stop.clone());
            let (address, host) = (ground.server.edge_address(), host(link));
            visitors.spawn(async move {
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                while !stop.is_cancelled() {
                    let sent = http.get(format!("http://{address}/")).header("host", &host).send().await;
                    let answer = match sent {
                        Ok(response) if response.status() == 200 => response.text().await.unwrap(),
                        other => format!("{other:?}"),
                    };
                    *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(answer).or_default() += 1;
                }
            });
        }
        Self { seen, stop, visitors }
    }

    /// How often each answer came since this was asked last.
    pub(super) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, when each visitor has come a few times.
    pub(super) async fn settle(&self) -> BTreeMap<String, u64> {
        self.take();
        eventually("the crowd has come again", async || {
            let count: u64 = self.seen.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
            (count > 20 * VISITORS as u64).then_some(())
        })
        .await;
        self.take()
    }

    /// Sends them home.
    pub(super) async fn end(self) -> BTreeMap<String, u64> {
        self.stop.cancel();
        self.visitors.join_all().await;
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The runs that answered, by instance; nothing else may have come.
pub(super) fn runs(seen: &BTreeMap<String, u64>) -> BTreeMap<u32, BTreeSet<String>> {
    let mut runs: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for answer in seen.keys() {
        let (number, run) = answer.split_once(' ').unwrap_or(("", ""));
        let number = number.parse().unwrap_or_else(|_| panic!("somebody was answered: {answer}; all: {seen:?}"));
        runs.entry(number).or_default().insert(run.to_owned());
    }
    runs
}
