//! Drafting, deploying, rolling back, reading the log. What an action does step by step is the workflow's matter; here it is
//! accepted or refused.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use entities::deployment::Model;
use entities::ids::{ActionId, DeploymentId, EnvironmentId};
use entities::values::{ActionKind, ActionState, DeploymentKind, DeploymentState};
use entities::{action, environment};

use super::{App, variable};
use crate::authn::tokens;
use crate::authz::{Held, Permit, cap};
use crate::domain::configuration::{Configuration, ProjectFile};
use crate::domain::deployment::state::{self, Action, Refusal};
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

async fn missing(
    source: &impl store::Source,
    permit: &Permit<cap::DeploymentCreate>,
    manifest: &Manifest,
) -> Result<Vec<(Digest, u64)>> {
    let blobs: Vec<(Digest, u64)> = manifest.blobs().collect();
    let wanted: Vec<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
    let present: HashSet<Digest> = store::artifact::present(source, permit, &wanted).await?;
    Ok(blobs.into_iter().filter(|(digest, _)| !present.contains(digest)).collect())
}

/// Accepts a draft whose files are all there. It becomes the active deployment when every health check passes.
///
/// # Errors
/// `FailedPrecondition` when it is no draft or files are missing; `Forbidden`, `NotFound` by `deployment.create`.
pub async fn deploy(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::DeploymentCreate>("deployment.deploy", id).await?;
    let row = store::deployment::get(&write, &permit, id).await?;
    let next = state::decide(row.state.into(), Action::Deploy).map_err(refused)?;
    let manifest = store::deployment::manifest(&write, &row).await?;
    let missing = missing(&write, &permit, &manifest).await?;
    if !missing.is_empty() {
        return Err(Error::FailedPrecondition {
            reason: "FILES_MISSING",
            message: format!("files that have not arrived: {}; send them, then deploy", missing.len()),
        });
    }
    let row = store::deployment::set_state(&mut write, &permit, &row, next).await?;
    variable::keep_for(app, &mut write, &permit, id).await?;
    accept(op, &mut write, &permit, &row, Wanted { kind: ActionKind::Deploy, reason: None, expected: None }).await?;
    write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

/// A wish to serve an earlier deployment again.
pub struct Rollback {
    /// The earlier deployment.
    pub deployment_id: DeploymentId,
    /// Why.
    pub reason: String,
    /// What has to be the active one for this to happen.
    pub expected_active_deployment_id: Option<DeploymentId>,
}

/// Accepts a rollback. It moves the environment's link and pins the environment to the earlier deployment.
///
/// # Errors
/// `Conflict` when another deployment is the active one than expected; `FailedPrecondition` when the target cannot serve;
/// `Forbidden`, `NotFound` by `deployment.rollback`.
pub async fn rollback(app: &App, op: &Op, input: Rollback) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::DeploymentRollback>("deployment.rollback", input.deployment_id).await?;
    let row = store::deployment::get(&write, &permit, input.deployment_id).await?;
    let environment = store::environment::current(&write, &permit).await?;
    expect_active(&environment, input.expected_active_deployment_id)?;
    state::decide(row.state.into(), Action::Rollback).map_err(refused)?;
    write.entry().details = serde_json::json!({ "reason": input.reason });
    let wanted = Wanted {
        kind: ActionKind::Rollback,
        reason: Some(input.reason),
        expected: input.expected_active_deployment_id,
    };
    accept(op, &mut write, &permit, &row, wanted).await?;
    write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

fn expect_active(environment: &environment::Model, expected: Option<DeploymentId>) -> Result<()> {
    if expected.is_none() || environment.active_deployment_id == expected {
        return Ok(());
    }
    Err(Error::Conflict("another deployment is the active one by now; read the environment again".to_owned()))
}

struct Wanted {
    kind: ActionKind,
    reason: Option<String>,
    expected: Option<DeploymentId>,
}

async fn accept<C: Held>(op: &Op, write: &mut Write, permit: &Permit<C>, row: &Model, wanted: Wanted) -> Result<()> {
    let action = action::Model {
        id: ids::new::<ActionId>(),
        environment_id: row.environment_id,
        deployment_id: row.id,
        kind: wanted.kind,
        state: ActionState::Queued,
        expected_deployment_id: wanted.expected,
        previous_deployment_id: None,
        reason: wanted.reason,
        fence: 0,
        lease_owner: None,
        lease_until_ms: 0,
        error: None,
        created_by: op.user()?,
        created_at: clock::now(),
        finished_at: None,
    };
    store::action::enqueue(write, permit, action).await
}

/// A refusal of the state machine, as an error.
pub fn refused(refusal: Refusal) -> Error {
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
