//! Bringing a deployment to life on this machine: its release, its program, its health. Used by the actions, and by the
//! reconciler that brings back what should be running. Everything here may be done twice.

use std::path::PathBuf;

use entities::ids::{DeploymentId, ProjectId};

use crate::domain::configuration::{Configuration, Process};
use crate::error::{Error, Result};
use crate::runtime::health::{self, HealthCheck};
use crate::runtime::release::{self, ReleaseFile};
use crate::runtime::{Driver, StartSpec, Status};
use crate::service::{App, blocking, variable};
use crate::store::{project_user, route};

/// Reads a stored configuration.
///
/// # Errors
/// `Internal` when it is none.
pub fn configuration(id: DeploymentId, stored: &serde_json::Value) -> Result<Configuration> {
    serde_json::from_value(stored.clone()).map_err(|e| Error::Internal(format!("configuration of {id}: {e}")))
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
    let manifest = route::files(&app.store, id).await?;
    let project = project.to_string();
    let mut files = Vec::with_capacity(manifest.entries().len());
    for entry in manifest.entries() {
        let blob = app.artifacts.path(&project, &entry.digest).map_err(|e| Error::Internal(e.to_string()))?;
        files.push(ReleaseFile { path: entry.path.as_str().to_owned(), blob, executable: entry.executable });
    }
    let releases = releases(app);
    Ok(blocking(move || release::materialize(&releases, &id.to_string(), &files)).await??)
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

/// Takes away everything that a deployment has on this machine: its program with its log, and its release.
///
/// # Errors
/// `Conflict` when a later action has it in hand; `Internal` when something cannot be removed.
pub async fn forget(app: &App, instance: &str, fence: i64) -> Result<()> {
    app.driver.stop(instance, fence_of(fence), app.config.stop_grace).await?;
    app.driver.remove(instance, fence_of(fence)).await?;
    dematerialize(app, instance).await
}

/// Takes a release away again; fine when there is none.
///
/// # Errors
/// `Internal` when the folder cannot be removed.
pub async fn dematerialize(app: &App, id: &str) -> Result<()> {
    let (releases, id) = (releases(app), id.to_owned());
    Ok(blocking(move || release::remove(&releases, &id)).await??)
}

/// Starts the program of a deployment with the variables that it was accepted with, or finds it running.
///
/// # Errors
/// `FailedPrecondition` with words for people when it cannot run.
pub async fn start(
    app: &App,
    project: ProjectId,
    id: DeploymentId,
    folder: PathBuf,
    process: &Process,
    fence: i64,
) -> Result<()> {
    let spec = StartSpec {
        instance: id.to_string(),
        folder,
        command: process.command().to_vec(),
        environment: variable::of_deployment(&app.store, &app.master, id).await?,
        project: project.to_string(),
        user: project_user::of(&app.store, project, &app.config.users).await?,
        tier: process.tier(),
        fence: fence_of(fence),
    };
    app.driver.start(spec).await?;
    Ok(())
}

/// Waits until the program answers as it should.
///
/// # Errors
/// `FailedPrecondition` with what it did instead.
pub async fn check(app: &App, id: DeploymentId, process: &Process) -> Result<()> {
    let instance = id.to_string();
    let driver: &dyn Driver = app.driver.as_ref();
    let address = match driver.status(&instance).await? {
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
    let status = || async { driver.status(&instance).await.ok() };
    health::check(&address, &check, status).await.map_err(|failure| unhealthy(failure.reason))?;
    Ok(driver.is_healthy(&instance).await?)
}

/// Stops the program of a deployment; its log stays.
///
/// # Errors
/// `Conflict` when a later action has it in hand.
pub async fn stop(app: &App, instance: &str, fence: i64) -> Result<()> {
    Ok(app.driver.stop(instance, fence_of(fence), app.config.stop_grace).await?)
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
