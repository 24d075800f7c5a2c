//! `reeve redeploy`, `promote`, `restart`, `retire`, `revive`, `cancel`, `delete`: what can be done to a deployment after it was made. It must
//! not know how the server does it.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arguments,
    client::Client,
    deployment::{self, Deployment, Numbered, Target},
    exit::Exit,
    failure::Failure,
    output::{Output, Words},
};
use crate::domain::path::EnvironmentPath;

const WHERE: &str = "query Where($path: String!, $number: Int!) {
  environment(path: $path) { id path url activeDeployment { id number } }
  deployment(path: $path, number: $number) { id number }
}";

const WHERE_TO: &str = "query WhereTo($path: String!) {
  environment(path: $path) { id path url activeDeployment { id number } }
}";

/// Which deployment.
#[derive(Args, Debug)]
pub struct DeploymentArgs {
    /// The environment, as organization/project/environment
    #[arg(value_name = "ENVPATH", value_parser = arguments::environment)]
    environment: EnvironmentPath,
    /// The deployment's number there
    number: u32,
}

/// Arguments of `reeve promote`.
#[derive(Args, Debug)]
pub struct PromoteArgs {
    /// Which deployment.
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// Where to: another environment of the project, as organization/project/environment
    #[arg(value_name = "TO", value_parser = arguments::environment)]
    to: EnvironmentPath,
}

/// What is done to a deployment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Redeploy,
    Retire,
    Revive,
    Cancel,
    Delete,
    Restart,
}

impl Verb {
    const fn mutation(self) -> &'static str {
        match self {
            Self::Redeploy => "redeploy",
            Self::Retire => "retireDeployment",
            Self::Revive => "reviveDeployment",
            Self::Cancel => "cancelDeployment",
            Self::Delete => "deleteDeployment",
            Self::Restart => "restartInstances",
        }
    }
}

#[derive(Deserialize)]
struct Whereabouts {
    environment: Target,
    deployment: Numbered,
}

#[derive(Deserialize)]
struct WhereTo {
    environment: Target,
}

#[derive(Deserialize)]
struct Payload {
    deployment: Deployment,
}

/// The commands that take nothing but a deployment.
pub(super) async fn run(client: &Client, output: Output, verb: Verb, args: DeploymentArgs) -> Result<Exit, Failure> {
    let found: Whereabouts = whereabouts(client, &args).await?;
    let accepted = accepted(client, verb.mutation(), "DeploymentInput", json!({ "id": found.deployment.id })).await?;
    match verb {
        Verb::Redeploy | Verb::Retire | Verb::Revive | Verb::Restart => {
            deployment::follow(client, output, &args.environment, &found.environment, accepted).await
        }
        // What is left to be done is nobody's to wait for.
        Verb::Cancel | Verb::Delete => {
            let mut words = Words::default();
            words.say("number", &accepted.number.to_string());
            words.say("state", &accepted.state);
            output.result(&json!({ "deployment": accepted }), &words.text())?;
            Ok(Exit::Ok)
        }
    }
}

/// `reeve promote`
pub(super) async fn promote(client: &Client, output: Output, args: PromoteArgs) -> Result<Exit, Failure> {
    let found = whereabouts(client, &args.deployment).await?;
    let WhereTo { environment } = client.query(WHERE_TO, json!({ "path": args.to.to_string() })).await?;
    let input = json!({ "id": found.deployment.id, "environmentId": environment.id });
    let accepted = accepted(client, "promoteDeployment", "PromoteDeploymentInput", input).await?;
    deployment::follow(client, output, &args.to, &environment, accepted).await
}

/// The id of the deployment that is meant.
pub(super) async fn id(client: &Client, args: &DeploymentArgs) -> Result<String, Failure> {
    Ok(whereabouts(client, args).await?.deployment.id)
}

async fn whereabouts(client: &Client, args: &DeploymentArgs) -> Result<Whereabouts, Failure> {
    client.query(WHERE, json!({ "path": args.environment.to_string(), "number": args.number })).await
}

async fn accepted(client: &Client, mutation: &str, kind: &str, input: Value) -> Result<Deployment, Failure> {
    let document = format!(
        "mutation Change($input: {kind}!) {{ changed: {mutation}(input: $input) {{ deployment {{ ...deploymentFields }} }} }}{}",
        deployment::FIELDS
    );
    #[derive(Deserialize)]
    struct Answer {
        changed: Payload,
    }
    client.mutate::<Answer>(&document, input).await.map(|answer| answer.changed.deployment)
}
