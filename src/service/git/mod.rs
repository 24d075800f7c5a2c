//! Repositories: connecting one to a project, asking for a deployment from it, following a branch. Whatever deploys by itself
//! does so in the name of whoever has arranged it: they hold `deployment.create` when they do, and have to when it happens.

use std::time::Duration;

use entities::ids::{EnvironmentId, GitConnectionId, GitRequestId, ProjectId};
use entities::values::{GitOrigin, GitRefKind, GitRequestState};
use entities::{auto_deploy, environment, git_connection, git_request};

use super::{App, vault};
use crate::authz::cap;
use crate::domain::git::{GitRef, RepositoryUrl};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::runtime::git::{self, GitError, Remote};
use crate::store;
use crate::sys::{clock, ids, random};

pub mod push;
pub mod work;

/// A repository to connect.
pub struct Connect {
    /// To which project.
    pub project_id: ProjectId,
    /// Where it is.
    pub url: RepositoryUrl,
    /// `user:token`, where not everybody may read.
    pub credential: Option<String>,
}

/// A repository with the secret of its webhook, which is shown once.
pub struct Connected {
    /// The repository.
    pub row: git_connection::Model,
    /// What pushes are signed with.
    pub webhook_secret: Option<String>,
}

/// Connects a repository to a project, if it can be read; what followed the one before by itself does not any more.
///
/// # Errors
/// `FailedPrecondition` when it cannot be read; `Forbidden`, `NotFound` by `configuration.update`.
pub async fn connect(app: &App, op: &Op, input: Connect) -> Result<Connected> {
    // Whether there is a repository is nothing that a stranger may have found out here.
    op.permit_to_begin::<cap::ConfigurationUpdate>("git.connect", input.project_id).await?;
    let id = ids::new::<GitConnectionId>();
    let remote = remote_of(app, input.url, input.credential.clone())?;
    tried(app, &remote).await?;
    let secret = random::token();
    let user = op.user()?;
    let (mut write, permit) = op.change::<cap::ConfigurationUpdate>("git.connect", input.project_id).await?;
    let now = clock::now();
    let row = git_connection::Model {
        id,
        project_id: input.project_id,
        url: remote.url.as_str().to_owned(),
        sealed_credential: input.credential.map(|text| seal_credential(app, id, &text)).transpose()?,
        sealed_webhook_secret: seal_secret(app, id, &secret)?,
        created_by: user,
        created_at: now,
        checked_at: Some(now),
        problem: None,
    };
    let row = store::git::connect(&mut write, &permit, row).await?;
    write.entry().details = serde_json::json!({ "id": id.to_string(), "url": row.url });
    write.commit().await?;
    Ok(Connected { row, webhook_secret: Some(secret) })
}

/// Takes the repository from a project.
///
/// # Errors
/// `NotFound` when it has none; `Forbidden`, `NotFound` by `configuration.update`.
pub async fn disconnect(op: &Op, id: ProjectId) -> Result<()> {
    let (mut write, permit) = op.change::<cap::ConfigurationUpdate>("git.disconnect", id).await?;
    if !store::git::disconnect(&mut write, &permit).await? {
        return Err(Error::not_found("repository"));
    }
    write.commit().await
}

/// Tries the repository of a project again, with another credential if one is given, and makes another secret for its
/// webhook if that is wanted.
///
/// # Errors
/// `FailedPrecondition` when it cannot be read; `NotFound` when there is none; `Forbidden`, `NotFound` by `git.repair`.
pub async fn repair(
    app: &App,
    op: &Op,
    project: ProjectId,
    credential: Option<String>,
    rotate: bool,
) -> Result<Connected> {
    let permit = op.permit_to_begin::<cap::GitRepair>("git.repair", project).await?;
    let row = store::git::of_project(op.store(), &permit).await?.ok_or_else(|| Error::not_found("repository"))?;
    let remote = match &credential {
        Some(_) => remote_of(app, url(&row)?, credential.clone())?,
        None => remote(app, &row)?,
    };
    let outcome = tried(app, &remote).await;
    let problem = outcome.as_ref().err().map(Error::message);
    store::git::note(op.store(), row.id, clock::now(), problem.as_deref()).await?;
    outcome?;
    let secret = rotate.then(random::token);
    let (mut write, permit) = op.change::<cap::GitRepair>("git.repair", project).await?;
    let sealed_credential = credential.map(|text| seal_credential(app, row.id, &text)).transpose()?;
    let sealed_secret = secret.as_ref().map(|text| seal_secret(app, row.id, text)).transpose()?;
    write.entry().details = serde_json::json!({
        "credential": sealed_credential.is_some(), "webhookSecret": sealed_secret.is_some() });
    let row = store::git::repair(&mut write, &permit, row.id, sealed_credential, sealed_secret).await?;
    write.commit().await?;
    Ok(Connected { row, webhook_secret: secret })
}

/// Asks for a deployment of what a ref names. It is done in the background, in the name of whoever asks.
///
/// # Errors
/// `FailedPrecondition` when the project has no repository; `Forbidden`, `NotFound` by `deployment.create`.
pub async fn request(app: &App, op: &Op, id: EnvironmentId, wanted: &GitRef) -> Result<git_request::Model> {
    let user = op.user()?;
    let (mut write, permit) = op.change::<cap::DeploymentCreate>("deployment.from_git", id).await?;
    let connection = store::git::of_environment(&write, &permit).await?.ok_or_else(unconnected)?;
    let row = new_request(id, connection.id, wanted, GitOrigin::Request, user);
    let row = store::git_request::add(&mut write, &permit, row).await?;
    write.entry().details = serde_json::json!({ "id": row.id.to_string(), "wanted": wanted.to_string() });
    write.commit().await?;
    app.fetch_wanted.notify_one();
    Ok(row)
}

/// Has an environment follow a branch, in the name of whoever sets it, or none.
///
/// # Errors
/// `FailedPrecondition` when the project has no repository; `Forbidden`, `NotFound` by `environment.update`, and by
/// `deployment.create` to follow one.
pub async fn follow(op: &Op, id: EnvironmentId, branch: Option<String>) -> Result<environment::Model> {
    let user = op.user()?;
    let (mut write, permit) = op.change::<cap::EnvironmentUpdate>("environment.auto_deploy", id).await?;
    let row = match &branch {
        None => None,
        Some(branch) => {
            // Nobody arranges what they may not do themselves.
            if let Err(error) = op.permit_in::<cap::DeploymentCreate>(&mut write, id).await {
                write.refuse(op.store()).await?;
                return Err(error);
            }
            let connection = store::git::of_environment(&write, &permit).await?.ok_or_else(unconnected)?;
            Some(auto_deploy::Model {
                environment_id: id,
                connection_id: connection.id,
                branch: branch.clone(),
                set_by: user,
                created_at: clock::now(),
            })
        }
    };
    store::git::follow(&mut write, &permit, row).await?;
    let environment = store::environment::current(&write, &permit).await?;
    write.entry().details = serde_json::json!({ "branch": branch });
    write.commit().await?;
    Ok(environment)
}

pub(super) fn unconnected() -> Error {
    let message = "the project has no repository; connect one first".to_owned();
    Error::FailedPrecondition { reason: "NO_REPOSITORY", message }
}

pub(super) fn new_request(
    environment_id: EnvironmentId,
    connection_id: GitConnectionId,
    wanted: &GitRef,
    origin: GitOrigin,
    acts_as: entities::ids::UserId,
) -> git_request::Model {
    let (ref_kind, name) = match wanted {
        GitRef::Branch(name) => (GitRefKind::Branch, name),
        GitRef::Tag(name) => (GitRefKind::Tag, name),
        GitRef::Commit(id) => (GitRefKind::Commit, id),
    };
    git_request::Model {
        id: ids::new::<GitRequestId>(),
        environment_id,
        connection_id,
        ref_kind,
        ref_name: name.clone(),
        origin,
        acts_as,
        state: GitRequestState::Queued,
        failure: None,
        commit_id: None,
        deployment_id: None,
        created_at: clock::now(),
        finished_at: None,
        lease_owner: None,
        lease_until_ms: 0,
    }
}

fn url(row: &git_connection::Model) -> Result<RepositoryUrl> {
    // It was good when it was connected; whether its protocol still is, is seen by whoever reads it.
    let every = ["https", "http", "file"].map(str::to_owned);
    RepositoryUrl::parse(&row.url, &every).map_err(|problem| Error::Internal(problem.message))
}

fn remote(app: &App, row: &git_connection::Model) -> Result<Remote> {
    let opened = row.sealed_credential.as_ref().map(|sealed| open(app, sealed, &vault::of_git_credential(row.id)));
    remote_of(app, url(row)?, opened.transpose()?)
}

fn remote_of(app: &App, url: RepositoryUrl, credential: Option<String>) -> Result<Remote> {
    let git = &app.config.git;
    // What was allowed when it was connected may not be any more.
    if !git.protocols.iter().any(|it| it == url.protocol()) {
        let message = format!("repositories are not read by `{}` here; connect it in another way", url.protocol());
        return Err(Error::FailedPrecondition { reason: "REPOSITORY_UNREADABLE", message });
    }
    let timeout = Duration::from_secs(git.timeout_seconds);
    Ok(Remote { url, credential, private_addresses: git.private_addresses, timeout })
}

async fn tried(app: &App, remote: &Remote) -> Result<()> {
    let scratch = work::Scratch::new(app).await?;
    git::check(remote, scratch.path()).await.map_err(refused)
}

fn refused(error: GitError) -> Error {
    match error {
        GitError::Refused(message) => Error::FailedPrecondition { reason: "REPOSITORY_UNREADABLE", message },
        GitError::Internal(text) => Error::Internal(text),
    }
}

fn seal_credential(app: &App, id: GitConnectionId, text: &str) -> Result<Vec<u8>> {
    app.master.seal(text.as_bytes(), &vault::of_git_credential(id)).map_err(vault::closed)
}

fn seal_secret(app: &App, id: GitConnectionId, text: &str) -> Result<Vec<u8>> {
    app.master.seal(text.as_bytes(), &vault::of_git_webhook(id)).map_err(vault::closed)
}

fn open(app: &App, sealed: &[u8], purpose: &str) -> Result<String> {
    let bytes = app.master.open(sealed, purpose).map_err(vault::closed)?;
    String::from_utf8(bytes).map_err(|_| Error::Internal(format!("`{purpose}` is no text")))
}
