//! A site on a real server of its own, the words in which its story is told, and what has to hold when a story is over.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::{Value, json};

use super::machine;
use super::program::{self, Mood};
use super::visitor::{STARTING, Seen, Watch};
use crate::harness::{Client, DEPLOY, DEPLOYMENT, Deployment, Environment, ROLLBACK, RealServer, eventually};

/// Servers that die at a time.
const AT_ONCE: usize = 4;

/// What is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Static,
    Process,
}

/// An environment on a server of its own.
pub(super) struct Site {
    pub(super) server: RealServer,
    pub(super) kind: Kind,
    pub(super) ada: Client,
    pub(super) environment: Environment,
    /// Goes after the server.
    pub(super) data: tempfile::TempDir,
}

impl Site {
    /// A new one, on which nothing is deployed.
    pub(super) async fn new(kind: Kind) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = RealServer::start(data.path()).await;
        Self::on(kind, server, data).await
    }

    /// The same, on a server that runs over this folder.
    pub(super) async fn on(kind: Kind, server: RealServer, data: tempfile::TempDir) -> Self {
        let ada = server.client().sign_up("ada").await;
        let environment = ada.create_site().await;
        Self { server, kind, ada, environment, data }
    }

    /// Starts the server again; nobody keeps a connection to the one before.
    pub(super) async fn start_again(&mut self, variables: &[(&str, &str)]) {
        self.server.start_again_with(variables).await;
        self.ada.http = self.server.client().http;
    }

    /// The same with another copy of the program.
    pub(super) async fn start_again_as(&mut self, program: &std::path::Path) {
        self.server.start_again_as(program).await;
        self.ada.http = self.server.client().http;
    }

    /// A draft with all its files.
    pub(super) async fn draft(&self, version: &str, mood: Mood) -> Deployment {
        let (file, content, toml) = match self.kind {
            Kind::Static => ("index.html", program::page(version).into_bytes(), None),
            Kind::Process => ("server.py", program::source(version, mood), Some(program::project_file(mood))),
        };
        let files: &[(&str, &[u8])] = &[(file, &content)];
        let draft = self.ada.draft(&self.environment, files, toml.as_deref()).await;
        self.ada.upload(&draft, files).await;
        draft.deployment
    }

    /// Asks for a draft to be deployed.
    pub(super) async fn request(&self, deployment: &Deployment) {
        self.ada.ok(DEPLOY, json!({ "input": { "id": deployment.id } })).await;
    }

    /// The same of a server that may die before it has answered.
    pub(super) async fn request_of_the_dying(&self, document: &str, input: Value) {
        let body = json!({ "query": document, "variables": { "input": input } });
        let request = self.ada.http.post(format!("{}/graphql", self.ada.base)).json(&body);
        let _ = request.bearer_auth(self.ada.token.as_deref().unwrap_or_default()).send().await;
    }

    /// Deploys a version; it serves the environment's link, and the one before does no more.
    pub(super) async fn deploy(&self, version: &str) -> Deployment {
        let deployment = self.draft(version, Mood::Well).await;
        self.request(&deployment).await;
        self.succeeded(&deployment).await;
        deployment
    }

    /// Rolls back, until the same holds.
    pub(super) async fn rollback(&self, target: &Deployment) {
        let input = json!({ "id": target.id, "reason": "the newer one is slow" });
        self.ada.ok(ROLLBACK, json!({ "input": input })).await;
        self.succeeded(target).await;
    }

    /// The deployment when its newest action has ended by itself, one way or the other.
    pub(super) async fn ended(&self, deployment: &Deployment) -> Value {
        let what = format!("the action of deployment {} has ended", deployment.number);
        eventually(&what, async || {
            let found = self.read(deployment).await;
            matches!(found["action"]["state"].as_str(), Some("SUCCEEDED" | "FAILED")).then_some(())
        })
        .await;
        // An answer reads the deployment before its action: only the next one shows the deployment at the action's end.
        self.read(deployment).await
    }

    /// The same, and it ended well.
    pub(super) async fn succeeded(&self, deployment: &Deployment) {
        let ended = self.ended(deployment).await;
        assert_eq!(ended["action"]["state"], "SUCCEEDED", "{ended:#}");
        assert_eq!(ended["state"], "ACTIVE", "{ended:#}");
    }

    /// The deployment as it is now.
    pub(super) async fn read(&self, deployment: &Deployment) -> Value {
        self.ada.ok(DEPLOYMENT, json!({ "id": deployment.id })).await["deployment"].clone()
    }

    /// What the deployment's program has printed.
    pub(super) async fn log(&self, deployment: &Deployment) -> Vec<String> {
        let document = "query($id: ID!) { deployment(id: $id) { log(last: 100) { text } } }";
        let data = self.ada.ok(document, json!({ "id": deployment.id })).await;
        let lines = data["deployment"]["log"].as_array().unwrap().iter();
        lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Somebody who looks at the environment's link.
    pub(super) fn watch(&self) -> Watch {
        Watch::begin(self.server.edge_address(), &self.environment.url)
    }

    /// Nothing is half done: `active` is the one active deployment, and exactly it and the `ready` ones are there to serve.
    pub(super) async fn is_settled(&self, active: &Deployment, ready: &[&Deployment]) {
        let document = "query($id: ID!) { environment(id: $id) {
            activeDeployment { id } deployments { nodes { id state action { state } } } } }";
        let data = self.ada.ok(document, json!({ "id": self.environment.id })).await;
        let environment = &data["environment"];
        assert_eq!(environment["activeDeployment"]["id"], active.id, "{data:#}");
        for found in environment["deployments"]["nodes"].as_array().unwrap() {
            let expected = match found["id"].as_str().unwrap() {
                id if id == active.id => "ACTIVE",
                id if ready.iter().any(|deployment| deployment.id == id) => "READY",
                _ => "FAILED",
            };
            assert_eq!(found["state"], expected, "{data:#}");
            assert!(matches!(found["action"]["state"].as_str(), Some("SUCCEEDED" | "FAILED")), "{data:#}");
        }
        if self.kind == Kind::Static {
            assert_eq!(machine::releases(self.data.path()), BTreeSet::new());
            assert_eq!(machine::processes(self.data.path()), BTreeSet::new());
            return;
        }
        let expected: BTreeSet<String> = ready.iter().chain([&active]).map(|it| it.id.clone()).collect();
        let on_record = machine::on_record(self.data.path());
        assert_eq!(on_record.keys().cloned().collect::<BTreeSet<_>>(), expected, "programs that run");
        let known: BTreeSet<i32> = on_record.values().flat_map(|running| running.pids()).collect();
        assert_eq!(machine::processes(self.data.path()), known, "processes, against those on record");
        assert_eq!(machine::releases(self.data.path()), expected, "releases");
    }
}

/// Waits until a deployment is in this state and nothing is under way on it.
pub(super) async fn reaches(ada: &Client, id: &str, state: &str) {
    eventually(&format!("{id} is {state}"), async || {
        let found = ada.ok(DEPLOYMENT, json!({ "id": id })).await["deployment"].clone();
        (found["state"] == state && found["action"]["state"] == "SUCCEEDED").then_some(())
    })
    .await;
}

/// Checks what a visitor saw: these versions in this order, the last of them at the end, and never anything else.
pub(super) fn never_broke(seen: &Seen, order: &[&str]) {
    let mut allowed = order.iter();
    assert!(
        seen.iter().all(|(answer, _)| allowed.any(|version| *version == answer)),
        "visitors saw {seen:?}; allowed is {order:?} in this order"
    );
    assert_eq!(seen.last().map(|(answer, _)| answer.as_str()), order.last().copied(), "{seen:?}");
}

/// The same from the first answer after everything was gone, when programs are started first.
pub(super) fn recovered(seen: &Seen, order: &[&str]) {
    let starting = seen.first().is_some_and(|(answer, _)| answer == STARTING);
    never_broke(&seen[usize::from(starting)..].to_vec(), order);
}

/// Tells the story of every case, some at a time, and fails with the names of all that ended badly.
pub(crate) async fn every<C: Debug, F: Future<Output = ()>>(cases: Vec<C>, story: impl Fn(C) -> F) {
    assert!(!cases.is_empty(), "there is no case");
    let (count, began) = (cases.len(), std::time::Instant::now());
    let told = stream::iter(cases).map(|case| {
        let name = format!("{case:?}");
        AssertUnwindSafe(story(case)).catch_unwind().map(|ended| ended.err().map(|panic| (name, words(panic.as_ref()))))
    });
    let failed: Vec<(String, String)> = told.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let lines: Vec<String> = failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    assert!(failed.is_empty(), "{} of {count} cases failed:\n{}", failed.len(), lines.join("\n"));
    say(&format!("{count} cases in {:?}", began.elapsed()));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// For whoever runs it with `--nocapture`.
pub(super) fn say(text: &str) {
    std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n")).unwrap();
}
