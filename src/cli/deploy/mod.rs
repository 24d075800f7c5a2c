//! `reeve deploy`: from a folder to a running deployment, sending only what the server does not have yet.

mod upload;
mod walk;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use self::{upload::Missing, walk::Folder};
use super::{
    arguments,
    client::Client,
    deployment::{self, Deployment, Target},
    exit::Exit,
    failure::Failure,
    measure::size,
    output::Output,
};
use crate::domain::{configuration::ProjectFile, path::EnvironmentPath};

const ENVIRONMENT: &str = "query DeployTarget($path: String!) {
  environment(path: $path) { id path url activeDeployment { id number } }
}";

const CREATE: &str = "mutation CreateDeployment($input: CreateDeploymentInput!) {
  created: createDeployment(input: $input) {
    deployment { id number }
    missingFiles { digest sizeBytes uploadUrl }
    uploadToken
  }
}";

const DEPLOY: &str = "mutation Deploy($input: DeployInput!) {
  deploy(input: $input) { deployment { ...deploymentFields } }
}";

/// Arguments of `reeve deploy`.
#[derive(Args, Debug)]
pub struct DeployArgs {
    /// The folder to deploy
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to, as organization/project/environment [default: `environment` in reeve.toml]
    #[arg(long, short, value_name = "ENVPATH", value_parser = arguments::environment)]
    environment: Option<EnvironmentPath>,
    /// What changed, for the list of deployments
    #[arg(long, short)]
    message: Option<String>,
    /// Return as soon as the deployment is accepted
    #[arg(long)]
    no_wait: bool,
}

#[derive(Deserialize)]
struct TargetAnswer {
    environment: Target,
}

#[derive(Deserialize)]
struct CreateAnswer {
    created: Created,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    deployment: deployment::Numbered,
    missing_files: Vec<Missing>,
    upload_token: String,
}

#[derive(Deserialize)]
struct DeployAnswer {
    deploy: Payload,
}

#[derive(Deserialize)]
struct Payload {
    deployment: Deployment,
}

/// `reeve deploy`
pub(super) async fn run(client: &Client, output: Output, args: DeployArgs) -> Result<Exit, Failure> {
    let (folder, environment) = read(args.dir, args.environment).await?;
    let TargetAnswer { environment: target } =
        client.query(ENVIRONMENT, json!({ "path": environment.to_string() })).await?;
    let created = create(client, &folder, &target, args.message).await?;
    announce(output, &environment, &folder, &created);
    upload::send(client, output, &folder, &created.missing_files, &created.upload_token).await?;
    let answer: DeployAnswer =
        client.mutate(&[DEPLOY, deployment::FIELDS].concat(), json!({ "id": created.deployment.id })).await?;
    if args.no_wait {
        deployment::show(output, &target, &answer.deploy.deployment)?;
        return Ok(Exit::Ok);
    }
    deployment::follow(client, output, &environment, &target, answer.deploy.deployment).await
}

/// The folder's files, and where they go. The environment is found first: it is what people forget, and hashing takes time.
async fn read(dir: PathBuf, environment: Option<EnvironmentPath>) -> Result<(Folder, EnvironmentPath), Failure> {
    let read = move || {
        let project_file = walk::project_file(&dir)?;
        let environment = match environment {
            Some(environment) => environment,
            None => environment_in(project_file.as_deref(), &dir)?,
        };
        Ok((walk::read(&dir, project_file)?, environment))
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|error| Err(Failure::local("the folder cannot be read", error)))
}

fn environment_in(project_file: Option<&str>, dir: &Path) -> Result<EnvironmentPath, Failure> {
    let parsed = project_file.map(ProjectFile::parse).transpose().map_err(Failure::invalid)?;
    parsed.and_then(|file| file.environment).ok_or_else(|| {
        let file = dir.join("reeve.toml");
        let message = "no environment is given, use `--environment organization/project/environment`";
        Failure::usage(format!("{message} or set `environment` in `{}`", file.display()))
    })
}

async fn create(
    client: &Client,
    folder: &Folder,
    target: &Target,
    message: Option<String>,
) -> Result<Created, Failure> {
    let files = folder.manifest.entries().iter().map(|entry| {
        json!({
            "path": entry.path.as_str(),
            "digest": entry.digest.to_string(),
            "sizeBytes": entry.size_bytes,
            "executable": entry.executable,
        })
    });
    let input = json!({
        "environmentId": target.id,
        "files": files.collect::<Vec<_>>(),
        "projectFile": folder.project_file,
        "message": message,
    });
    client.mutate::<CreateAnswer>(CREATE, input).await.map(|answer| answer.created)
}

fn announce(output: Output, environment: &EnvironmentPath, folder: &Folder, created: &Created) {
    let bytes = created.missing_files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add);
    output.note(&format!(
        "deployment {} of {environment}: {} of {} files ({}) to send",
        created.deployment.number,
        created.missing_files.len(),
        folder.manifest.entries().len(),
        size(bytes),
    ));
}
