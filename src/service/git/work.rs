//! Does what was asked of a repository: fetches the commit, makes its files a draft as if they had been uploaded, and deploys
//! that, all in the name of whoever has arranged it. Whatever stands in between is done again after a crash, but no request is
//! deployed twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use entities::git_request::Model;
use entities::ids::{DeploymentId, UserId};
use entities::values::{DeploymentState, GitOrigin, GitRefKind, GitRequestState};

use super::super::artifact::{self, Upload};
use super::super::{App, deployment};
use crate::authz::cap;
use crate::domain::git::GitRef;
use crate::domain::manifest::{Manifest, RawEntry};
use crate::error::{Error, Result};
use crate::op::{Actor, Op};
use crate::runtime::git::{self, Fetched};
use crate::store;
use crate::sys::{clock, crash, random};

/// Characters of a commit's subject that a deployment is told with.
const LONGEST_SUBJECT: usize = 200;
/// Says how a deployment is served.
const PROJECT_FILE: &str = "reeve.toml";
/// Longest `reeve.toml`.
const LONGEST_PROJECT_FILE: u64 = 1 << 20;

/// Takes one request through, if one waits; whether one did.
///
/// # Errors
/// `Unavailable` when the database does not answer; the request is tried again then.
pub async fn once(app: &Arc<App>, owner: &str) -> Result<bool> {
    // Time for fetching, for copying, and to spare: whoever is silent for longer is gone.
    let limit = Duration::from_secs(app.config.git.timeout_seconds) * 4 + Duration::from_secs(60);
    let Some(row) = store::git_request::claim(&app.store, owner, limit + limit).await? else { return Ok(false) };
    let op = operation(app, row.acts_as, row.id.to_string());
    let work = tokio::time::timeout(limit, deploy(app, &op, &row)).await;
    let outcome = work.unwrap_or_else(|_| Err(Error::Internal("it took longer than ever before".to_owned())));
    let (state, failure) = match outcome {
        Ok(Outcome::Deployed) => (GitRequestState::Deployed, None),
        Ok(Outcome::Skipped(why)) => (GitRequestState::Skipped, Some(why.to_owned())),
        Err(error @ Error::Unavailable(_)) => return Err(error),
        Err(error) => {
            if let Error::Internal(text) = &error {
                tracing::error!(request = %row.id, error = text, "a deployment from a repository failed");
            }
            (GitRequestState::Failed, Some(error.message()))
        }
    };
    tracing::info!(request = %row.id, ?state, failure, "a deployment from a repository ended");
    store::git_request::end(&app.store, &row, state, failure.as_deref()).await?;
    Ok(true)
}

fn operation(app: &App, user: UserId, request_id: String) -> Op {
    Op::new(Actor::Arranged { id: user }, request_id, app.store.counting(), app.standings.clone())
}

enum Outcome {
    Deployed,
    Skipped(&'static str),
}

async fn deploy(app: &App, op: &Op, row: &Model) -> Result<Outcome> {
    if row.origin != GitOrigin::Request
        && let Some((_, why)) = store::git_request::obstacle(&app.store, row.environment_id).await?
    {
        return Ok(Outcome::Skipped(why));
    }
    // Whoever may not deploy any more has nothing fetched either.
    let permit = op.permit_to_begin::<cap::DeploymentCreate>("deployment.from_git", row.environment_id).await?;
    let before = match row.deployment_id {
        Some(id) => Some(store::deployment::get(op.store(), &permit, id).await?),
        None => None,
    };
    if before.is_some_and(|before| before.state != DeploymentState::Draft) {
        return Ok(Outcome::Deployed);
    }
    let connection = store::git::find(&app.store, row.connection_id).await?;
    let connection = connection.ok_or_else(|| Error::not_found("repository"))?;
    let scratch = Scratch::new(app).await?;
    let wanted = wanted(row);
    let fetched = git::fetch(&super::remote(app, &connection)?, &wanted, scratch.path()).await.map_err(super::refused);
    let problem = fetched.as_ref().err().map(Error::message);
    store::git::note(&app.store, connection.id, clock::now(), problem.as_deref()).await?;
    let fetched = fetched?;
    let id = draft(app, op, row, &fetched).await?;
    store::git_request::note(&app.store, row, &fetched.commit, id).await?;
    crash::point("git.drafted");
    for file in fetched.files.iter().filter(|file| file.path != PROJECT_FILE) {
        let upload = Upload { user: row.acts_as, deployment: id };
        let content = tokio::fs::File::open(&file.content).await.map_err(|e| Error::Internal(e.to_string()))?;
        let content = tokio_util::io::ReaderStream::with_capacity(content, 256 * 1024);
        artifact::receive(app, op, &upload, &file.digest, content).await?;
    }
    deployment::deploy(app, op, id).await?;
    crash::point("git.deployed");
    Ok(Outcome::Deployed)
}

fn wanted(row: &Model) -> GitRef {
    let name = row.ref_name.clone();
    match row.ref_kind {
        GitRefKind::Branch => GitRef::Branch(name),
        GitRefKind::Tag => GitRef::Tag(name),
        GitRefKind::Commit => GitRef::Commit(name),
    }
}

async fn draft(app: &App, op: &Op, row: &Model, fetched: &Fetched) -> Result<DeploymentId> {
    // It says how the files are served, and is none of them.
    let files = fetched.files.iter().filter(|file| file.path != PROJECT_FILE);
    let entries = files.map(|file| RawEntry {
        path: file.path.clone(),
        digest: file.digest.to_string(),
        size_bytes: file.size_bytes,
        executable: file.executable,
    });
    let manifest = Manifest::parse(entries.collect())?;
    let project_file = match fetched.files.iter().find(|file| file.path == PROJECT_FILE) {
        Some(file) if file.size_bytes > LONGEST_PROJECT_FILE => {
            return Err(Error::invalid("projectFile", "too_long", format!("`{PROJECT_FILE}` is too long")));
        }
        Some(file) => Some(
            tokio::fs::read_to_string(&file.content)
                .await
                .map_err(|_| Error::invalid("projectFile", "not_text", format!("`{PROJECT_FILE}` is no text")))?,
        ),
        None => None,
    };
    let subject: String = fetched.subject.chars().filter(|c| !c.is_control()).take(LONGEST_SUBJECT).collect();
    let short = fetched.commit.get(..12).unwrap_or_default();
    let message = Some(format!("{} at {short}: {subject}", wanted(row)));
    let draft = deployment::Draft { environment_id: row.environment_id, manifest, project_file, message };
    Ok(deployment::create(app, op, draft).await?.deployment.id)
}

/// A folder that goes with whoever has it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    ///
    /// # Errors
    /// `Internal` when it cannot be made.
    pub async fn new(app: &App) -> Result<Self> {
        let folder = folder(app).join(random::token());
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|e| Error::Internal(format!("a folder to fetch into: {e}")))?;
        Ok(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a folder that was fetched into stays");
        }
    }
}

/// Takes away what a crash has left.
pub async fn tidy(app: &App) {
    let removed = tokio::fs::remove_dir_all(folder(app)).await;
    if let Err(error) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "what was fetched before cannot be removed");
    }
}

fn folder(app: &App) -> PathBuf {
    app.config.data.join("fetch")
}
