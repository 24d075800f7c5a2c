//! A deployment as the commands show it, and waiting until the server is done with it. It must not know which command
//! began the work.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Output, Words, one_line},
};
use crate::{
    domain::{deployment::state::State, path::EnvironmentPath},
    sys::clock,
};

/// What every document asks of a deployment, as the fragment `deploymentFields`.
pub(super) const FIELDS: &str = "
fragment deploymentFields on Deployment {
  id number kind state url message failure fileCount sizeBytes createdAt stateChangedAt
  createdBy { id name email }
  action { id kind state error reason }
}";

const WATCH: &str = "query Watch($id: ID!) { deployment(id: $id) { ...deploymentFields } }";

const LOG: &str = "query Log($id: ID!, $last: Int!) { deployment(id: $id) { log(last: $last) { at stream text } } }";

/// How often the server is asked, in milliseconds: at first quickly, since static sites are done in a moment.
const POLL: [u64; 6] = [20, 40, 80, 160, 300, 500];
/// How long the server may be away while one waits: a restart, an upgrade.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of the log that a failure shows.
const FAILURE_LINES: u32 = 20;

/// A deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) number: u32,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) url: Option<String>,
    pub(super) message: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) file_count: u64,
    pub(super) size_bytes: u64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) state_changed_at: DateTime<Utc>,
    /// Nothing when the viewer may not know.
    pub(super) created_by: Option<Maker>,
    pub(super) action: Option<Action>,
}

/// Who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Maker {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
}

/// Its newest durable action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) error: Option<String>,
    pub(super) reason: Option<String>,
}

/// A line of a deployment's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogLine {
    pub(super) at: DateTime<Utc>,
    pub(super) stream: String,
    pub(super) text: String,
}

impl LogLine {
    /// The line for people.
    pub(super) fn text(&self) -> String {
        let mark = if self.stream == "SYSTEM" { "reeve: " } else { "" };
        format!("{}  {mark}{}", self.at.format("%Y-%m-%d %H:%M:%S%.3f"), one_line(&self.text.replace('\t', "    ")))
    }
}

#[derive(Deserialize)]
struct WatchAnswer {
    deployment: Deployment,
}

#[derive(Deserialize)]
struct LogAnswer {
    deployment: LogOf,
}

#[derive(Deserialize)]
struct LogOf {
    log: Vec<LogLine>,
}

/// An environment, as far as its deployments need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) url: Option<String>,
    pub(super) active_deployment: Option<Numbered>,
}

/// Which deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Numbered {
    pub(super) id: String,
    pub(super) number: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Going,
    Done,
    Failed,
}

/// A deployment whose action was undone is failed only once that is over. States that this program is too old to know
/// are left to the action.
fn verdict(deployment: &Deployment) -> Verdict {
    let action = deployment.action.as_ref().map(|action| action.state.as_str());
    let finished = matches!(action, None | Some("SUCCEEDED" | "FAILED" | "CANCELLED" | "SKIPPED"));
    match State::parse(&deployment.state) {
        Some(State::Cancelled | State::Skipped | State::Deleted) => Verdict::Failed,
        Some(State::Failed) if finished => Verdict::Failed,
        state => match action {
            Some("FAILED" | "CANCELLED" | "SKIPPED") => Verdict::Failed,
            Some("SUCCEEDED") => Verdict::Done,
            None if state == Some(State::Active) => Verdict::Done,
            None | Some(_) => Verdict::Going,
        },
    }
}

/// Shows how the deployment goes on until its action is over, then its links.
pub(super) async fn follow(
    client: &Client,
    output: Output,
    environment: &EnvironmentPath,
    target: &Target,
    begun: Deployment,
) -> Result<Exit, Failure> {
    let number = begun.number;
    let done = tokio::select! {
        done = wait(client, output, begun) => done?,
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.map_err(|error| Failure::local("interrupts cannot be heard", error))?;
            let message = format!(
                "stopped waiting, deployment {number} goes on; look with `reeve deployments {environment}` \
                 and `reeve log {environment} {number}`"
            );
            return Err(Failure::new(Exit::Interrupted, message));
        }
    };
    match verdict(&done) {
        Verdict::Failed => Err(failed(client, done).await),
        Verdict::Done | Verdict::Going => {
            show(output, target, &done)?;
            Ok(Exit::Ok)
        }
    }
}

/// The links of a deployment and of its environment.
pub(super) fn show(output: Output, target: &Target, deployment: &Deployment) -> Result<(), Failure> {
    let mut words = Words::default();
    words.say("environment", target.url.as_deref().unwrap_or(&target.path));
    words.say("deployment", deployment.url.as_deref().unwrap_or(&deployment.id));
    words.say("number", &deployment.number.to_string());
    words.say("state", &deployment.state);
    output.result(&json!({ "environment": target, "deployment": deployment }), &words.text())
}

async fn wait(client: &Client, output: Output, begun: Deployment) -> Result<Deployment, Failure> {
    let started = clock::instant();
    let mut last_answer = started;
    let mut shown = String::new();
    let mut now = begun;
    let mut polls = POLL.into_iter();
    let mut pause = POLL[POLL.len() - 1];
    loop {
        let stage = stage(&now);
        if stage != shown {
            output.note(&format!("  {:>5.1} s  {}", started.elapsed().as_secs_f32(), one_line(&stage)));
            shown = stage;
        }
        if verdict(&now) != Verdict::Going {
            return Ok(now);
        }
        pause = polls.next().unwrap_or(pause);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match client.query::<WatchAnswer>(&[WATCH, FIELDS].concat(), json!({ "id": now.id })).await {
            Ok(answer) => {
                now = answer.deployment;
                last_answer = clock::instant();
            }
            Err(failure) if failure.exit == Exit::Unavailable && last_answer.elapsed() < PATIENCE => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// What happens to it right now, in one or two words.
fn stage(deployment: &Deployment) -> String {
    let state = deployment.state.to_lowercase();
    match deployment.action.as_ref() {
        Some(action) if action.state == "UNDOING" => format!("{state}, undoing"),
        Some(_) | None => state,
    }
}

async fn failed(client: &Client, deployment: Deployment) -> Failure {
    let end = match State::parse(&deployment.state) {
        Some(State::Cancelled | State::Skipped | State::Deleted) => deployment.state.as_str(),
        // An action that fails leaves an earlier deployment as it was, such as READY.
        Some(_) | None => "FAILED",
    };
    let mut message = format!("deployment {} {}", deployment.number, end.to_lowercase());
    let why = deployment.failure.as_ref().or_else(|| deployment.action.as_ref().and_then(|it| it.error.as_ref()));
    if let Some(why) = why {
        message.push_str(": ");
        message.push_str(why);
    }
    // Who may deploy need not be allowed to read logs; the failure is worth telling without them.
    let log = log(client, &deployment.id, FAILURE_LINES).await.unwrap_or_default();
    let failure = Failure::new(Exit::Failed, message).with("log", json!(log)).with("deployment", json!(deployment));
    Failure { code: format!("DEPLOYMENT_{end}"), ..failure }
}

/// The last lines of the deployment's log, oldest first.
pub(super) async fn log(client: &Client, id: &str, last: u32) -> Result<Vec<LogLine>, Failure> {
    let variables: Value = json!({ "id": id, "last": last });
    client.query::<LogAnswer>(LOG, variables).await.map(|answer| answer.deployment.log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, action: Option<&str>) -> Result<Verdict, serde_json::Error> {
        let action = action.map(|state| json!({ "id": "act_1", "kind": "DEPLOY", "state": state }));
        let deployment = json!({
            "id": "dep_1", "number": 1, "kind": "STATIC", "state": state, "fileCount": 1, "sizeBytes": 1,
            "createdAt": "2026-01-01T00:00:00Z", "stateChangedAt": "2026-01-01T00:00:00Z",
            "createdBy": { "id": "usr_1", "name": "Ada", "email": "ada@example.com" }, "action": action,
        });
        serde_json::from_value(deployment).map(|it: Deployment| verdict(&it))
    }

    #[test]
    fn waiting_ends_with_the_action_and_not_a_moment_before() -> Result<(), serde_json::Error> {
        for (state, action, wanted) in [
            ("QUEUED", Some("QUEUED"), Verdict::Going),
            ("ACTIVE", Some("RUNNING"), Verdict::Going),
            ("ACTIVE", Some("SUCCEEDED"), Verdict::Done),
            ("READY", Some("SUCCEEDED"), Verdict::Done),
            ("READY", Some("FAILED"), Verdict::Failed),
            ("RETIRED", Some("CANCELLED"), Verdict::Failed),
            ("FAILED", Some("UNDOING"), Verdict::Going),
            ("FAILED", Some("FAILED"), Verdict::Failed),
            ("SKIPPED", Some("QUEUED"), Verdict::Failed),
            ("ACTIVE", None, Verdict::Done),
            ("FAILED", None, Verdict::Failed),
            ("STARTING", None, Verdict::Going),
            ("OF_THE_FUTURE", Some("RUNNING"), Verdict::Going),
        ] {
            assert_eq!(seen(state, action)?, wanted, "{state} {action:?}");
        }
        Ok(())
    }
}
