//! Deployments: drafting them, what is done to them, reading their log.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use entities::deployment::Model;
use entities::ids::{DeploymentId, EnvironmentId, Id};
use entities::values::{DeploymentKind, DeploymentState};

mod action;
pub mod difference;

pub use action::{Rollback, by_itself, cancel, delete, deploy, promote, redeploy, retire, revive, rollback, unpin};

use super::{App, variable};
use crate::authn::tokens;
use crate::authz::{Held, Permit, cap};
use crate::domain::configuration::{Configuration, ProjectFile};
use crate::domain::deployment::state::Refusal;
use crate::domain::digest::Digest;
use crate::domain::manifest::Manifest;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::runtime::LogLine;
use crate::store::{self, Write};
use crate::sys::{clock, ids};

/// A new draft.
pub struct Draft {
    /// Where it is to run.
    pub environment_id: EnvironmentId,
    /// Its files.
    pub manifest: Manifest,
    /// Text of its `reeve.toml`, if it has one.
    pub project_file: Option<String>,
    /// What its maker says of it.
    pub message: Option<String>,
}

/// A draft and what has to be sent before it can be deployed.
pub struct Drafted {
    /// The deployment.
    pub deployment: Model,
    /// Content that the project does not have yet.
    pub missing: Vec<(Digest, u64)>,
    /// Goes with every upload.
    pub upload_token: String,
    /// When the token ends.
    pub upload_token_expires_at: DateTime<Utc>,
}

/// Makes a draft.
///
/// # Errors
/// `InvalidInput` for a configuration that cannot be; `Forbidden`, `NotFound` by `deployment.create`.
pub async fn create(app: &App, op: &Op, input: Draft) -> Result<Drafted> {
    let user = op.user()?;
    let _kept = app.artifacts.keep().await;
    let (mut write, permit) = op.change::<cap::DeploymentCreate>("deployment.create", input.environment_id).await?;
    let configuration = configuration(&input)?;
    let now = clock::now();
    let row = Model {
        id: ids::new::<DeploymentId>(),
        environment_id: input.environment_id,
        number: 0,
        kind: match configuration {
            Configuration::Static(_) => DeploymentKind::Static,
            Configuration::Process(_) => DeploymentKind::Process,
        },
        state: DeploymentState::Draft,
        configuration: serde_json::to_value(&configuration).map_err(|e| Error::Internal(e.to_string()))?,
        manifest_digest: input.manifest.digest().to_string(),
        file_count: i32::try_from(input.manifest.entries().len()).unwrap_or(i32::MAX),
        size_bytes: i64::try_from(input.manifest.total_bytes()).unwrap_or(i64::MAX),
        message: input.message,
        failure: None,
        source_deployment_id: None,
        last_visited_at: None,
        created_by: user,
        created_at: now,
        state_changed_at: now,
    };
    let row = store::deployment::create(&mut write, &permit, row, &input.manifest).await?;
    let missing = missing(&write, &permit, &input.manifest).await?;
    let project = store::artifact::project_of(&write, &permit).await?;
    write.entry().subject = Some(row.id.to_string());
    write.commit().await?;
    let ring = app.keys.ring();
    let (user, project, id) = (user.to_string(), project.to_string(), row.id.to_string());
    let upload_token = tokens::issue_upload(&ring, &user, &project, &id, now)
        .map_err(|_| Error::Internal("an upload token could not be signed".to_owned()))?;
    Ok(Drafted { deployment: row, missing, upload_token, upload_token_expires_at: now + tokens::UPLOAD_LIFETIME })
}

fn configuration(input: &Draft) -> Result<Configuration> {
    let within = |problems: Vec<crate::domain::Invalid>| -> Vec<_> {
        problems.into_iter().map(|problem| problem.within("projectFile")).collect()
    };
    let file = input.project_file.as_deref().map(ProjectFile::parse).transpose().map_err(within)?;
    let configuration = match file.and_then(|file| file.configuration) {
        Some(configuration) => configuration,
        None => Configuration::detect(&input.manifest).map_err(|problem| problem.within("files"))?,
    };
    configuration.check(&input.manifest).map_err(within)?;
    Ok(configuration)
}

/// Content that the project does not have.
async fn missing<C: Held>(
    source: &impl store::Source,
    permit: &Permit<C>,
    manifest: &Manifest,
) -> Result<Vec<(Digest, u64)>> {
    let blobs: Vec<(Digest, u64)> = manifest.blobs().collect();
    let wanted: Vec<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
    let present: HashSet<Digest> = store::artifact::present(source, permit, &wanted).await?;
    Ok(blobs.into_iter().filter(|(digest, _)| !present.contains(digest)).collect())
}

/// A new deployment of the same version, in the environment that the permit speaks for; it waits for its turn.
async fn copy<C: Held>(app: &App, op: &Op, write: &mut Write, permit: &Permit<C>, source: &Model) -> Result<Model> {
    let manifest = store::deployment::manifest(write, source).await?;
    if !missing(write, permit, &manifest).await?.is_empty() {
        return Err(refused(Refusal::ArtifactGone));
    }
    let now = clock::now();
    let row = Model {
        id: ids::new::<DeploymentId>(),
        environment_id: EnvironmentId::from_uuid(permit.key()),
        number: 0,
        state: DeploymentState::Queued,
        failure: None,
        source_deployment_id: Some(source.id),
        last_visited_at: None,
        created_by: op.user()?,
        created_at: now,
        state_changed_at: now,
        ..source.clone()
    };
    let row = store::deployment::create(write, permit, row, &manifest).await?;
    variable::keep_for(app, write, permit, row.id).await?;
    write.entry().subject = Some(row.id.to_string());
    Ok(row)
}

/// A refusal of the state machine, as an error.
fn refused(refusal: Refusal) -> Error {
    Error::FailedPrecondition { reason: refusal.code(), message: refusal.message().to_owned() }
}

/// The last lines that the deployment's program printed.
///
/// # Errors
/// `Forbidden`, `NotFound` by `log.view`.
pub async fn log(app: &App, op: &Op, id: DeploymentId, last_lines: usize) -> Result<Vec<LogLine>> {
    let permit = op.permit::<cap::LogView>(id).await?;
    let row = store::deployment::get(op.store(), &permit, id).await?;
    Ok(app.driver.log(&row.id.to_string(), last_lines).await?)
}
