//! The words in which stories are told: drafting, sending, deploying, waiting, rolling back.

use serde_json::{Value, json};

use super::blobs::{digest, entry};
use super::client::{Client, text};
use super::{Environment, eventually};

/// Files of a deployment: paths and contents.
pub(crate) type Files<'a> = &'a [(&'a str, &'a [u8])];

/// States after which no other follows by itself.
const ENDS: [&str; 5] = ["ACTIVE", "FAILED", "CANCELLED", "SKIPPED", "DELETED"];

/// A deployment as its maker got it.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) url: String,
}

/// A draft and what it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) deployment: Deployment,
    /// Digests and where to send them.
    pub(crate) missing: Vec<(String, String)>,
    pub(crate) token: String,
}

impl Client {
    /// A draft; nothing is sent yet.
    pub(crate) async fn draft(&self, environment: &Environment, files: Files<'_>, toml: Option<&str>) -> Draft {
        let entries: Vec<Value> = files.iter().map(|(path, content)| entry(path, content)).collect();
        let data = self.ok(CREATE_DEPLOYMENT, draft_input(environment, &entries, toml)).await;
        let payload = &data["createDeployment"];
        let missing = payload["missingFiles"].as_array().unwrap().iter();
        Draft {
            deployment: deployment(&payload["deployment"]),
            missing: missing.map(|file| (text(&file["digest"]), text(&file["uploadUrl"]))).collect(),
            token: text(&payload["uploadToken"]),
        }
    }

    /// Sends everything that a draft asks for.
    pub(crate) async fn upload(&self, draft: &Draft, files: Files<'_>) {
        for (wanted, url) in &draft.missing {
            let (_, content) = files.iter().find(|(_, content)| digest(content) == *wanted).unwrap();
            let put = self.put_blob(url, Some(&draft.token), content.to_vec()).await;
            assert_eq!(put.status, 204, "{put:?}");
        }
    }

    /// Drafts, sends and asks to deploy; it is under way then.
    pub(crate) async fn deploy(&self, environment: &Environment, files: Files<'_>, toml: Option<&str>) -> Deployment {
        let draft = self.draft(environment, files, toml).await;
        self.upload(&draft, files).await;
        self.ok(DEPLOY, json!({ "input": { "id": draft.deployment.id } })).await;
        draft.deployment
    }

    /// Deploys files and waits until they are served.
    pub(crate) async fn deploy_static(&self, environment: &Environment, files: Files<'_>) -> Deployment {
        let deployment = self.deploy(environment, files, None).await;
        self.wait_for(&deployment, "ACTIVE").await;
        deployment
    }

    /// Deploys a program and waits until it serves.
    pub(crate) async fn deploy_process(&self, environment: &Environment, files: Files<'_>, toml: &str) -> Deployment {
        let deployment = self.deploy(environment, files, Some(toml)).await;
        self.wait_for(&deployment, "ACTIVE").await;
        deployment
    }

    /// The deployment as soon as it is in this state, and, if that is the active one, served. Ends at once when it can no longer get there.
    pub(crate) async fn wait_for(&self, deployment: &Deployment, state: &str) -> Value {
        eventually(&format!("deployment {} is {state}", deployment.number), async || {
            let data = self.ok(DEPLOYMENT, json!({ "id": deployment.id })).await;
            let found = data["deployment"].clone();
            // The state is told with the commit, the edge follows: only an action that has succeeded is served everywhere.
            if found["state"] == state && (state != "ACTIVE" || found["action"]["state"] == "SUCCEEDED") {
                return Some(found);
            }
            let over = ENDS.iter().any(|end| found["state"] == *end) && found["action"]["state"] != "RUNNING";
            assert!(!over || found["action"]["state"] == "QUEUED", "it ended otherwise than {state}: {found:#}");
            None
        })
        .await
    }

    /// Rolls back and waits until the earlier deployment is the active one.
    pub(crate) async fn rollback(&self, target: &Deployment, reason: &str) {
        self.ok(ROLLBACK, json!({ "input": { "id": target.id, "reason": reason } })).await;
        self.wait_for(target, "ACTIVE").await;
    }
}

/// The variables of [`CREATE_DEPLOYMENT`].
pub(crate) fn draft_input(environment: &Environment, entries: &[Value], toml: Option<&str>) -> Value {
    json!({ "input": { "environmentId": environment.id, "files": entries, "projectFile": toml } })
}

fn deployment(value: &Value) -> Deployment {
    Deployment { id: text(&value["id"]), number: value["number"].as_i64().unwrap(), url: text(&value["url"]) }
}

pub(crate) const CREATE_DEPLOYMENT: &str = "mutation($input: CreateDeploymentInput!) { createDeployment(input: $input) {
    deployment { id number url state } missingFiles { digest sizeBytes uploadUrl } uploadToken uploadTokenExpiresAt } }";
pub(crate) const DEPLOY: &str = "mutation($input: DeployInput!) { deploy(input: $input) { deployment { id state } } }";
pub(crate) const ROLLBACK: &str =
    "mutation($input: RollbackDeploymentInput!) { rollbackDeployment(input: $input) { deployment { id state } } }";
pub(crate) const DEPLOYMENT: &str = "query($id: ID!) { deployment(id: $id) {
    id number kind state failure fileCount sizeBytes url createdBy { id }
    action { kind state error reason } availableActions { action allowed reason } } }";
