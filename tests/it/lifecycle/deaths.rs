//! Death at every step of the actions that move no link: the server is killed at the place, comes back, and ends what was
//! accepted. The places come from the tables of steps, so that a new step is tried as well.

use reeve::workflow::{Step, deploy, remove, restart, revive};
use serde_json::json;

use super::{Ground, document};
use crate::durability::program::Mood;
use crate::durability::site::every;
use crate::harness::{Deployment, Environment, eventually};

const POINTS: [&str; 3] = ["begun", "run", "recorded"];

/// What is asked for, and where the server dies in it.
#[derive(Clone, Debug)]
struct Case {
    verb: &'static str,
    place: String,
}

fn cases(verb: &'static str, action: &str, steps: &[Step]) -> Vec<Case> {
    let places = steps.iter().flat_map(|step| POINTS.map(|point| format!("{action}.{}.{point}", step.name)));
    places.map(|place| Case { verb, place }).collect()
}

/// The deployment that is asked about, in the state in which that is accepted, beside an active one.
async fn asked_about(ground: &Ground, environment: &Environment, verb: &str) -> Deployment {
    let old = ground.program(environment, "v1", Mood::Well).await;
    ground.deploy(&old).await;
    ground.settled(&old.id, "ACTIVE").await;
    let active = ground.page(environment, "v2").await;
    ground.deploy(&active).await;
    ground.settled(&active.id, "ACTIVE").await;
    match verb {
        "REVIVE" => {
            ground.ask("RETIRE", &old).await;
            ground.settled(&old.id, "RETIRED").await;
            old
        }
        "CANCEL" => {
            let starting = ground.program(environment, "v3", Mood::Gated).await;
            ground.deploy(&starting).await;
            // Its check has begun then, and is what is undone first.
            ground.prints(&starting, "asked for its health").await;
            starting
        }
        _ => old,
    }
}

async fn dies(case: Case) {
    let mut ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = asked_about(&ground, &environment, case.verb).await;
    ground.restart(&[("REEVE_CRASH_AT", &case.place)]).await;
    let body = json!({ "query": document(case.verb), "variables": { "input": { "id": deployment.id } } });
    let request = ground.ada.http.post(format!("{}/graphql", ground.ada.base)).json(&body);
    // It may die before it has answered.
    let _ = request.bearer_auth(ground.ada.token.as_deref().unwrap()).send().await;
    ground.server.ended().await;
    ground.restart(&[]).await;
    let newest = "query($id: ID!) { environment(id: $id) { deployments(first: 1) { nodes { id url } } } }";
    let data = ground.ada.ok(newest, json!({ "id": environment.id })).await;
    let newest = &data["environment"]["deployments"]["nodes"][0];
    let (id, link, end, answer) = match case.verb {
        "REDEPLOY" => (newest["id"].as_str().unwrap(), newest["url"].as_str().unwrap(), "READY", "v1"),
        "REVIVE" | "RESTART" => (deployment.id.as_str(), deployment.url.as_str(), "READY", "v1"),
        "DELETE" => (deployment.id.as_str(), deployment.url.as_str(), "DELETED", "unknown_host"),
        "CANCEL" => (deployment.id.as_str(), deployment.url.as_str(), "CANCELLED", "stopped"),
        _ => (deployment.id.as_str(), deployment.url.as_str(), "RETIRED", "v1"),
    };
    let found = ground.settled(id, end).await;
    assert_eq!(found["action"]["state"], "SUCCEEDED", "{found:#}");
    assert_eq!(ground.visit(&environment.url).await, "v2", "the active one is as it was");
    let there = ground.data.path().join("releases").join(id).exists();
    assert_eq!(there, !matches!(end, "DELETED" | "CANCELLED"), "{end}: what is left of its files");
    // A retired one is woken by this.
    assert_eq!(ground.visit(link).await, answer);
}

impl Ground {
    async fn prints(&self, deployment: &Deployment, line: &str) {
        let document = "query($id: ID!) { deployment(id: $id) { log(last: 10) { text } } }";
        eventually(&format!("{} prints `{line}`", deployment.id), async || {
            let data = self.ada.ok(document, json!({ "id": deployment.id })).await;
            data.to_string().contains(line).then_some(())
        })
        .await;
    }

    async fn restart(&mut self, variables: &[(&str, &str)]) {
        self.server.kill().await;
        self.server.start_again_with(variables).await;
        self.ada.http = self.server.client().http;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retiring_survives_death_at_every_step() {
    every(cases("RETIRE", "retire", remove::RETIRE), dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviving_survives_death_at_every_step() {
    every(cases("REVIVE", "revive", revive::STEPS), dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploying_again_survives_death_at_every_step() {
    every(cases("REDEPLOY", "redeploy", deploy::REDEPLOY), dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_survives_death_at_every_step() {
    every(cases("DELETE", "delete", remove::DELETE), dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_survives_death_at_every_step() {
    let mut all = cases("RESTART", "restart", restart::STEPS);
    all.extend(restart::PLACES.map(|place| Case { verb: "RESTART", place: format!("restart.roll.{place}") }));
    every(all, dies).await;
}

/// And on the way back from what was under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_survives_death_at_every_step() {
    let mut all = cases("CANCEL", "cancel", remove::CANCEL);
    let back = ["check", "start", "release"].map(|step| format!("deploy.{step}.undoing"));
    all.extend(back.into_iter().chain(["deploy.undone".to_owned()]).map(|place| Case { verb: "CANCEL", place }));
    every(all, dies).await;
}
