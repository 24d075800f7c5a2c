//! Bringing a deployment to life on this machine: its release, its programs, their health. Used by the actions, and by the
//! reconciler that brings back what should be running. Everything here may be done twice.

use std::path::PathBuf;

use futures_util::future::try_join_all;

use entities::ids::{DeploymentId, ProjectId};

use crate::domain::configuration::{Build, Configuration, Process};
use crate::domain::manifest::{Entry, Manifest};
use crate::domain::tier::Tier;
use crate::error::{Error, Result};
use crate::runtime::health::{self, HealthCheck};
use crate::runtime::release::{self, ReleaseFile};
use crate::runtime::{Driver, History, StartSpec, Status};
use crate::service::instance::{self, Program};
use crate::service::{App, blocking, variable};
use crate::store::{project_user, route};

/// Reads a stored configuration.
///
/// # Errors
/// `Internal` when it is none.
pub fn configuration(id: DeploymentId, stored: &serde_json::Value) -> Result<Configuration> {
    serde_json::from_value(stored.clone()).map_err(|e| Error::Internal(format!("configuration of {id}: {e}")))
}

/// The build that a stored configuration has beside what is served.
///
/// # Errors
/// `Internal` when it cannot be read.
pub fn build(id: DeploymentId, stored: &serde_json::Value) -> Result<Option<Build>> {
    Build::of(stored).map_err(|e| Error::Internal(format!("build of {id}: {e}")))
}

/// Folder of the releases that programs run from.
pub fn releases(app: &App) -> PathBuf {
    app.config.data.join("releases")
}

/// Puts the files of a process where its program will run.
///
/// # Errors
/// `NotFound` when the deployment has gone, `Internal` when content that was present is not any more.
pub async fn materialize(app: &App, project: ProjectId, id: DeploymentId) -> Result<PathBuf> {
    let files = release_files(app, project, &route::files(&app.store, id).await?)?;
    let releases = releases(app);
    Ok(blocking(move || release::materialize(&releases, &id.to_string(), &files)).await??)
}

/// The files of a manifest with where their content lies.
pub(super) fn release_files(app: &App, project: ProjectId, manifest: &Manifest) -> Result<Vec<ReleaseFile>> {
    let project = project.to_string();
    let file = |entry: &Entry| {
        let blob = app.artifacts.path(&project, &entry.digest).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(ReleaseFile { path: entry.path.as_str().to_owned(), blob, executable: entry.executable })
    };
    manifest.entries().iter().map(file).collect()
}

/// Makes sure that the content of a static site is there.
///
/// # Errors
/// `Internal` when it is not.
pub async fn verify(app: &App, project: ProjectId, id: DeploymentId) -> Result<()> {
    let project = project.to_string();
    for (digest, _) in route::files(&app.store, id).await?.blobs() {
        let present = app.artifacts.has(&project, &digest).await;
        if !present.map_err(|e| Error::Internal(e.to_string()))? {
            return Err(Error::Internal(format!("content {digest} of {id} is gone")));
        }
    }
    Ok(())
}

/// Takes away everything that a deployment has on this machine: its programs and its build with their logs, and its release.
///
/// # Errors
/// `Conflict` when a later action has it in hand; `Internal` when something cannot be removed.
pub async fn forget(app: &App, id: DeploymentId, fence: i64) -> Result<()> {
    app.driver.remove(&instance::build(id), fence_of(fence)).await?;
    stop(app, id, fence).await?;
    for program in instance::of(app, id).await? {
        app.driver.remove(&program.name(), fence_of(fence)).await?;
    }
    app.board.forget_all(id);
    dematerialize(app, &id.to_string()).await
}

/// Takes a release away again; fine when there is none.
///
/// # Errors
/// `Internal` when the folder cannot be removed.
pub async fn dematerialize(app: &App, id: &str) -> Result<()> {
    let (releases, id) = (releases(app), id.to_owned());
    Ok(blocking(move || release::remove(&releases, &id)).await??)
}

/// Removes a folder that programs or builds have filled; fine when there is none.
///
/// # Errors
/// `Internal` when the disk refuses.
pub async fn remove_folder(folder: PathBuf) -> Result<()> {
    let removed = blocking(move || crate::runtime::remove_folder(&folder)).await?;
    removed.map_err(|e| Error::Internal(format!("a folder could not be removed: {e}")))
}

/// What the programs of a deployment are started with.
pub struct Launch {
    folder: PathBuf,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    project: ProjectId,
    user: u32,
    tier: Tier,
    fence: i64,
}

impl Launch {
    /// Puts the files of a deployment in place, and reads the variables that it was accepted with.
    ///
    /// # Errors
    /// `NotFound` when the deployment has gone, `Internal` when content that was present is not any more.
    pub async fn prepare(
        app: &App,
        project: ProjectId,
        id: DeploymentId,
        process: &Process,
        fence: i64,
    ) -> Result<Self> {
        Ok(Self {
            folder: materialize(app, project, id).await?,
            command: process.command().to_vec(),
            environment: variable::of_deployment(&app.store, &app.master, id).await?,
            project,
            user: project_user::of(&app.store, project, &app.config.users).await?,
            tier: process.tier(),
            fence,
        })
    }

    /// Starts a program, or finds it running.
    ///
    /// # Errors
    /// `FailedPrecondition` with words for people when it cannot run.
    pub async fn start(&self, app: &App, program: Program, history: History) -> Result<()> {
        let spec = StartSpec {
            instance: program.name(),
            number: program.number,
            history,
            folder: self.folder.clone(),
            command: self.command.clone(),
            environment: self.environment.clone(),
            project: self.project.to_string(),
            user: self.user,
            tier: self.tier,
            fence: fence_of(self.fence),
        };
        app.driver.start(spec).await?;
        Ok(())
    }
}

/// Starts all programs of a deployment, or finds them running.
///
/// # Errors
/// `FailedPrecondition` with words for people when one cannot run.
pub async fn start(app: &App, project: ProjectId, id: DeploymentId, process: &Process, fence: i64) -> Result<()> {
    let launch = Launch::prepare(app, project, id, process, fence).await?;
    let known = instance::of(app, id).await?;
    let seen = instance::current(app, id, process.instances(), &known).await?;
    try_join_all(seen.iter().map(|seen| launch.start(app, seen.program, History::default()))).await?;
    Ok(())
}

/// Waits until a program answers as it should, and has the next table serve it.
///
/// # Errors
/// `FailedPrecondition` with what it did instead.
pub async fn check(app: &App, program: Program, process: &Process) -> Result<()> {
    let name = program.name();
    let driver: &dyn Driver = app.driver.as_ref();
    let address = match driver.status(&name).await? {
        Status::Running { address, .. } => address,
        Status::Exited { exit } => return Err(unhealthy(format!("the program {exit}; read its log"))),
        Status::Absent => return Err(unhealthy("the program is not running".to_owned())),
    };
    let check = HealthCheck {
        path: process.health().path().to_owned(),
        timeout: process.health().timeout(),
        interval: process.health().interval(),
        successes: 1,
    };
    let status = || async { driver.status(&name).await.ok() };
    health::check(&address, &check, status).await.map_err(|failure| unhealthy(failure.reason))?;
    driver.is_healthy(&name).await?;
    app.board.serves(program, address);
    Ok(())
}

/// Stops the programs of a deployment; their logs stay.
///
/// # Errors
/// `Conflict` when a later action has it in hand.
pub async fn stop(app: &App, id: DeploymentId, fence: i64) -> Result<()> {
    let programs: Vec<String> = instance::of(app, id).await?.iter().map(Program::name).collect();
    let stopped = programs.iter().map(|name| app.driver.stop(name, fence_of(fence), app.config.stop_grace));
    try_join_all(stopped).await?;
    app.board.forget_all(id);
    Ok(())
}

/// A fence as the runtime counts it.
pub fn fence_of(fence: i64) -> u64 {
    u64::try_from(fence).unwrap_or(0)
}

fn unhealthy(message: String) -> Error {
    Error::FailedPrecondition { reason: "DEPLOYMENT_UNHEALTHY", message }
}

impl From<crate::runtime::RuntimeError> for Error {
    fn from(error: crate::runtime::RuntimeError) -> Self {
        use crate::runtime::RuntimeError;
        match error {
            RuntimeError::StaleFence { .. } => Self::Conflict("a later action has this deployment in hand".to_owned()),
            RuntimeError::Invalid(message) => Self::FailedPrecondition { reason: "DEPLOYMENT_CANNOT_RUN", message },
            RuntimeError::Unavailable(text) => Self::Unavailable(text),
            RuntimeError::Internal(text) => Self::Internal(text),
        }
    }
}
