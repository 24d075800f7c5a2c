//! The words in which stories of builds are told.

use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use super::deployments::Deployment;
use super::{Environment, eventually};

/// A `reeve.toml` of a site that a shell builds.
pub(crate) fn built_by(script: &str, output: &str) -> String {
    format!("[build]\ncommand = [\"sh\", \"-c\", '''{script}''']\noutput = \"{output}\"\n")
}

impl Client {
    /// Has a site built of one small file; under way then.
    pub(crate) async fn build(&self, environment: &Environment, script: &str) -> Deployment {
        self.deploy(environment, &[("source", b"of it")], Some(&built_by(script, "dist"))).await
    }

    /// The same, until it is served.
    pub(crate) async fn built(&self, environment: &Environment, script: &str) -> Deployment {
        let deployment = self.build(environment, script).await;
        self.wait_for(&deployment, "ACTIVE").await;
        deployment
    }

    /// What its build says.
    pub(crate) async fn build_log(&self, deployment: &Deployment) -> Vec<String> {
        let document = "query($id: ID!) { deployment(id: $id) { log(kind: BUILD, last: 1000) { text } } }";
        let data = self.ok(document, json!({ "id": deployment.id })).await;
        let lines = data["deployment"]["log"].as_array().unwrap();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until its build says this.
    pub(crate) async fn build_says(&self, deployment: &Deployment, text: &str) {
        let said = async || self.build_log(deployment).await.iter().any(|line| line == text).then_some(());
        eventually(&format!("the build says `{text}`"), said).await;
    }

    /// The deployment when everything is over, which is not for the better.
    pub(crate) async fn failed(&self, deployment: &Deployment) -> Value {
        let document = "query($id: ID!) { deployment(id: $id) { state failure build { exitCode finishedAt }
            action { state error } events(first: 1) { nodes { state detail } } } }";
        eventually("the deployment has failed", async || {
            let found = self.ok(document, json!({ "id": deployment.id })).await["deployment"].clone();
            assert_ne!(found["state"], "ACTIVE", "{found:#}");
            // One is read a moment after the other.
            (found["action"]["state"] == "FAILED" && found["state"] == "FAILED").then_some(found)
        })
        .await
    }
}

/// What a build has on this machine beside its log: files, groups, mounts.
pub(crate) fn left_of_build(data: &Path, deployment: &Deployment) -> Vec<String> {
    let name = format!("{}-build", deployment.id);
    let folder = data.join("instances").join(&name);
    let found = ["work", "output", "output.json", "spec.json"].map(|file| folder.join(file));
    let groups =
        ["", "cpu", "memory", "pids"].map(|kind| Path::new("/sys/fs/cgroup").join(kind).join("reeve").join(&name));
    let mut left: Vec<String> = found.into_iter().chain(groups).filter(|path| path.exists()).map(text).collect();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(&name)).map(str::to_owned));
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let folder = entry.ok()?.path();
        let mounts = std::fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
        let line = std::fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        (mounts.contains(&name) || line.contains(&name)).then(|| text(folder))
    });
    left.extend(processes);
    left
}

fn text(path: std::path::PathBuf) -> String {
    path.to_str().unwrap().to_owned()
}
