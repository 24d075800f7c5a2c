//! `reeve instances`: the programs that a deployment runs side by side. It must not know how the server looks after them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    client::Client,
    exit::Exit,
    failure::Failure,
    lifecycle::{self, DeploymentArgs},
    measure::{age, size},
    output::{Output, table},
};
use crate::sys::clock;

const INSTANCES: &str = "query Instances($id: ID!) { deployment(id: $id) { instances {
  number state healthy problem startedAt restarts restartsAt cpuSeconds memoryBytes
  lastExit { at code signal outOfMemory reason }
} } }";

#[derive(Deserialize)]
struct Answer {
    deployment: OfDeployment,
}

#[derive(Deserialize)]
struct OfDeployment {
    instances: Vec<Instance>,
}

/// One program.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    number: u32,
    state: String,
    healthy: bool,
    problem: Option<String>,
    started_at: Option<DateTime<Utc>>,
    restarts: u32,
    restarts_at: Option<DateTime<Utc>>,
    cpu_seconds: Option<f64>,
    memory_bytes: Option<u64>,
    last_exit: Option<Ended>,
}

/// How it ended.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    at: Option<DateTime<Utc>>,
    code: Option<i32>,
    signal: Option<i32>,
    out_of_memory: bool,
    reason: String,
}

/// `reeve instances`
pub(super) async fn run(client: &Client, output: Output, args: DeploymentArgs) -> Result<Exit, Failure> {
    let id = lifecycle::id(client, &args).await?;
    let answer: Answer = client.query(INSTANCES, json!({ "id": id })).await?;
    let all = answer.deployment.instances;
    let text = if all.is_empty() { "the deployment is files, it has no instances".to_owned() } else { rows(&all) };
    output.result(&json!({ "instances": all }), &text)?;
    Ok(Exit::Ok)
}

fn rows(all: &[Instance]) -> String {
    let now = clock::now();
    let rows = all.iter().map(|it| {
        let state = match it.restarts_at.map(|at| (at - now).num_seconds().max(0)) {
            Some(seconds) => format!("{}, restarts in {seconds} s", it.state.to_lowercase()),
            None => it.state.to_lowercase(),
        };
        let exit = it.last_exit.as_ref().map(|exit| exit.reason.as_str());
        [
            it.number.to_string(),
            state,
            it.started_at.map_or_else(String::new, |at| age(at, now)),
            it.restarts.to_string(),
            it.cpu_seconds.map_or_else(String::new, |seconds| format!("{seconds:.1} s")),
            it.memory_bytes.map_or_else(String::new, size),
            it.problem.as_deref().or(exit).unwrap_or_default().to_owned(),
        ]
    });
    table(["NUMBER", "STATE", "STARTED", "RESTARTS", "CPU", "MEMORY", "LAST"], rows)
}
