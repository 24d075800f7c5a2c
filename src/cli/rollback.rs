//! `reeve rollback`: serves an earlier deployment again. It must not know how the server does it.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{
    arguments,
    client::Client,
    deployment::{self, Deployment, Numbered, Target},
    exit::Exit,
    failure::Failure,
    output::Output,
};
use crate::domain::path::EnvironmentPath;

const ENVIRONMENT: &str = "query RollbackTarget($path: String!) {
  environment(path: $path) { id path url activeDeployment { id number } }
}";

const CANDIDATES: &str = "query RollbackCandidates($path: String!, $after: String) {
  environment(path: $path) {
    deployments(first: 100, after: $after) { nodes { id number state } pageInfo { hasNextPage endCursor } }
  }
}";

const DEPLOYMENT: &str = "query RollbackDeployment($path: String!, $number: Int!) {
  deployment(path: $path, number: $number) { id number }
}";

const ROLLBACK: &str = "mutation Rollback($input: RollbackDeploymentInput!) {
  rollbackDeployment(input: $input) { deployment { ...deploymentFields } }
}";

/// Arguments of `reeve rollback`.
#[derive(Args, Debug)]
pub struct RollbackArgs {
    /// The environment, as organization/project/environment
    #[arg(value_name = "ENVPATH", value_parser = arguments::environment)]
    environment: EnvironmentPath,
    /// The deployment to go back to [default: the newest READY one before the active one]
    number: Option<u32>,
    /// Why, for everybody who wonders later
    #[arg(long, short)]
    reason: String,
}

#[derive(Deserialize)]
struct TargetAnswer {
    environment: Target,
}

#[derive(Deserialize)]
struct DeploymentAnswer {
    deployment: Numbered,
}

#[derive(Deserialize)]
struct Candidate {
    state: String,
    #[serde(flatten)]
    deployment: Numbered,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RollbackAnswer {
    rollback_deployment: Payload,
}

#[derive(Deserialize)]
struct Payload {
    deployment: Deployment,
}

/// `reeve rollback`
pub(super) async fn run(client: &Client, output: Output, args: RollbackArgs) -> Result<Exit, Failure> {
    let path = args.environment.to_string();
    let TargetAnswer { environment: target } = client.query(ENVIRONMENT, json!({ "path": path })).await?;
    let deployment = match args.number {
        Some(number) => {
            let variables = json!({ "path": path, "number": number });
            client.query::<DeploymentAnswer>(DEPLOYMENT, variables).await?.deployment
        }
        None => before_active(client, &path, target.active_deployment.as_ref()).await?,
    };
    output.note(&match &target.active_deployment {
        Some(active) => format!("{path} goes back from deployment {} to {}", active.number, deployment.number),
        None => format!("{path} goes back to deployment {}", deployment.number),
    });
    // What was active when the target was chosen: if somebody deploys meanwhile, the server answers `CONFLICT`.
    let input = json!({
        "id": deployment.id,
        "reason": args.reason,
        "expectedActiveDeploymentId": target.active_deployment.as_ref().map(|active| &active.id),
    });
    let answer: RollbackAnswer = client.mutate(&[ROLLBACK, deployment::FIELDS].concat(), input).await?;
    deployment::follow(client, output, &args.environment, &target, answer.rollback_deployment.deployment).await
}

async fn before_active(client: &Client, path: &str, active: Option<&Numbered>) -> Result<Numbered, Failure> {
    let Some(active) = active else {
        let message = format!("no deployment of {path} is active, name the one to go back to by its number");
        return Err(Failure::new(Exit::Conflict, message));
    };
    let candidates = client.list(CANDIDATES, json!({ "path": path }), "/environment/deployments").await?;
    newest_ready(candidates, active.number).ok_or_else(|| {
        let message = format!(
            "no deployment before {} is READY, look at `reeve deployments {path}` and name one by its number",
            active.number
        );
        Failure::new(Exit::Conflict, message)
    })
}

fn newest_ready(candidates: Vec<Candidate>, below: u32) -> Option<Numbered> {
    let ready = candidates.into_iter().filter(|it| it.state == "READY" && it.deployment.number < below);
    ready.map(|it| it.deployment).max_by_key(|it| it.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_newest_ready_one_before_the_active_one() {
        let chosen = |below, list: &[(u32, &str)]| {
            let candidates = list.iter().map(|&(number, state)| Candidate {
                state: state.to_owned(),
                deployment: Numbered { id: format!("dep_{number}"), number },
            });
            newest_ready(candidates.collect(), below).map(|it| it.number)
        };
        let list = [(9, "READY"), (8, "ACTIVE"), (7, "FAILED"), (5, "READY"), (6, "RETIRED"), (4, "READY")];
        assert_eq!(chosen(8, &list), Some(5));
        assert_eq!(chosen(4, &list), None);
    }
}
