//! The life of deployments, told through the API of a real server: every action in every state, retirement and revival.

mod cells;
mod crowd;
mod deaths;
mod health;
mod history;
mod instances;
mod restarts;
mod visits;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::durability::program::{Mood, page, project_file, source};
use crate::harness::{Client, DEPLOY, Deployment, Environment, RealServer, eventually, text, visit};

/// The mutations that take nothing but a deployment.
pub(crate) const VERBS: [(&str, &str); 7] = [
    ("DEPLOY", "mutation($input: DeployInput!) { deploy(input: $input) { deployment { id state } } }"),
    ("REDEPLOY", "mutation($input: DeploymentInput!) { redeploy(input: $input) { deployment { id state } } }"),
    ("RETIRE", "mutation($input: DeploymentInput!) { retireDeployment(input: $input) { deployment { id state } } }"),
    ("REVIVE", "mutation($input: DeploymentInput!) { reviveDeployment(input: $input) { deployment { id state } } }"),
    ("DELETE", "mutation($input: DeploymentInput!) { deleteDeployment(input: $input) { deployment { id state } } }"),
    ("RESTART", "mutation($input: DeploymentInput!) { restartInstances(input: $input) { deployment { id state } } }"),
    ("CANCEL", "mutation($input: DeploymentInput!) { cancelDeployment(input: $input) { deployment { id state } } }"),
];

/// A server with a project.
pub(super) struct Ground {
    pub(super) server: RealServer,
    pub(super) ada: Client,
    pub(super) project: String,
    /// As long as it is there, the server stands still where it was told to.
    pub(super) hold: PathBuf,
    /// Goes after the server.
    pub(super) data: tempfile::TempDir,
}

impl Ground {
    pub(super) async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = RealServer::start(data.path()).await;
        let ada = server.client().sign_up("ada").await;
        let organization = ada.create_organization("acme").await;
        let project = ada.create_project(&organization, "site").await;
        let hold = data.path().join("hold");
        Self { server, ada, project, hold, data }
    }

    /// The same, where the server stands still at a place while it is to hold, if there is one.
    pub(super) async fn holding_at(places: &[&str]) -> Self {
        let mut ground = Self::new().await;
        let [place] = places else { return ground };
        ground.server.kill().await;
        let hold = ground.hold.display().to_string();
        ground.server.start_again_with(&[("REEVE_HOLD_AT", place), ("REEVE_HOLD_WHILE", &hold)]).await;
        ground.ada.http = ground.server.client().http;
        ground
    }

    pub(super) fn hold(&self) {
        std::fs::write(&self.hold, "").unwrap();
    }

    pub(super) fn go_on(&self) {
        let _ = std::fs::remove_file(&self.hold);
    }

    pub(super) async fn environment(&self) -> Environment {
        self.ada.create_environment(&self.project, &format!("e{}", crate::harness::unique()), true).await
    }

    /// A draft of a program with all its files.
    pub(super) async fn program(&self, environment: &Environment, version: &str, mood: Mood) -> Deployment {
        let content = source(version, mood);
        let files: &[(&str, &[u8])] = &[("server.py", &content)];
        let draft = self.ada.draft(environment, files, Some(&project_file(mood))).await;
        self.ada.upload(&draft, files).await;
        draft.deployment
    }

    /// A draft of a page.
    pub(super) async fn page(&self, environment: &Environment, version: &str) -> Deployment {
        let content = page(version).into_bytes();
        let files: &[(&str, &[u8])] = &[("index.html", &content)];
        let draft = self.ada.draft(environment, files, None).await;
        self.ada.upload(&draft, files).await;
        draft.deployment
    }

    pub(super) async fn deploy(&self, deployment: &Deployment) {
        self.ada.ok(DEPLOY, json!({ "input": { "id": deployment.id } })).await;
    }

    /// Asks for something; the deployment that is answered.
    pub(super) async fn ask(&self, verb: &str, deployment: &Deployment) -> String {
        let data = self.ada.ok(document(verb), json!({ "input": { "id": deployment.id } })).await;
        let (_, payload) = data.as_object().unwrap().iter().next().unwrap();
        text(&payload["deployment"]["id"])
    }

    /// The deployment as it is once it is in this state and nothing is under way on it.
    pub(super) async fn settled(&self, id: &str, state: &str) -> Value {
        eventually(&format!("{id} is {state}"), async || {
            let found = self.read(id).await;
            let over = found["action"].is_null()
                || !["QUEUED", "RUNNING", "UNDOING"].contains(&found["action"]["state"].as_str().unwrap());
            (found["state"] == state && over).then_some(found)
        })
        .await
    }

    /// The deployment as soon as it is in this state.
    pub(super) async fn reaches(&self, id: &str, state: &str) {
        eventually(&format!("{id} reaches {state}"), async || (self.read(id).await["state"] == state).then_some(()))
            .await;
    }

    pub(super) async fn read(&self, id: &str) -> Value {
        let document = "query($id: ID!) { deployment(id: $id) { id number state failure lastVisitedAt source { id }
            action { kind state error cause } availableActions { action allowed } } }";
        self.ada.ok(document, json!({ "id": id })).await["deployment"].clone()
    }

    /// What a link answers: a version, or the code of what stands in its way.
    pub(super) async fn visit(&self, link: &str) -> String {
        let request = visit(self.server.edge_address(), link, "/").header("accept", "application/json");
        let answer = request.send().await.unwrap().text().await.unwrap();
        match crate::durability::program::version(&answer) {
            Some(version) => version.to_owned(),
            None => {
                let told: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
                text(&told["error"]["code"])
            }
        }
    }
}

/// The mutation of an action.
pub(crate) fn document(verb: &str) -> &'static str {
    VERBS.iter().find(|(name, _)| *name == verb).unwrap_or_else(|| panic!("{verb}")).1
}
