//! Building: a command makes the files that will be served of those that were uploaded. It runs below a guardian of its own, which
//! outlives this program: whoever takes the action on finds it running, or what it has left. What it has left is kept by content,
//! and nothing is built twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use entities::deployment::Model;
use entities::ids::ProjectId;

use super::run::{self, fence_of};
use super::{Doing, Workshop};
use crate::domain::configuration::Build;
use crate::domain::deployment::state::State;
use crate::domain::manifest::{Manifest, RawEntry};
use crate::error::{Error, Result};
use crate::runtime::artifacts::ReceiveError;
use crate::runtime::{BuildSpec, BuiltFile, ExitCause, LogFrom, RuntimeError, Status, is_passing};
use crate::service::{App, instance, variable};
use crate::store::action::Lease;
use crate::store::{build, deployment, project_user, route};
use crate::sys::crash;

/// How often it is looked whether a build has ended.
const LOOK: Duration = Duration::from_millis(50);
/// A build whose guardian is killed is begun anew, but not for ever.
const ATTEMPTS: u32 = 3;
/// Lines of its log that the failure of a build tells, and characters of each.
const LAST_LINES: usize = 10;
const LAST_CHARS: usize = 300;
/// What is built was taken away once by whoever removes what nobody needs; not again and again.
const TRIES: u32 = 3;

/// Builds the deployment, if it is to be built and was not yet.
pub(super) fn run<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        deployment::advance(&app.store, lease, State::Building, None).await?;
        let row = deployment::leased(&app.store, lease).await?;
        let Some(wanted) = run::build(row.id, &row.configuration)? else { return Ok(()) };
        if build::files(&app.store, row.id).await?.is_none() {
            make(shop, lease, &row, &wanted).await?;
        }
        clear(app, lease).await
    })
}

/// Kills the build, and takes away all of it but its log.
pub(super) fn undo<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { clear(&shop.app, lease).await })
}

/// Kills a build for whose action another worker has the lease; not if that one has it on this machine.
pub(super) async fn abandon(shop: &Workshop, lease: &Lease) {
    if let Err(error) = clear(&shop.app, lease).await {
        tracing::debug!(?error, "a build is in other hands");
    }
}

async fn clear(app: &App, lease: &Lease) -> Result<()> {
    let instance = instance::build(lease.action().deployment_id);
    Ok(app.driver.stop(&instance, fence_of(lease.fence()), Duration::ZERO).await?)
}

async fn make(shop: &Workshop, lease: &Lease, row: &Model, wanted: &Build) -> Result<()> {
    let app = &shop.app;
    let project = route::project_of(&app.store, row.environment_id).await?;
    build::begin(&app.store, lease).await?;
    let cause = {
        let _outside = Outside::go(shop).await;
        let _place = shop.places.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
        ended(app, lease, row, wanted, project).await?
    };
    crash::point("deploy.build.built");
    let failure = match cause {
        ExitCause::Code(0) => match keep(app, lease, row, project).await {
            Err(Error::FailedPrecondition { message, .. }) => message,
            other => return other,
        },
        ExitCause::TimeLimit => {
            let seconds = wanted.time_limit(app.config.builds.time_limit()).as_secs();
            format!("the build took longer than {seconds} s and was ended")
        }
        ExitCause::DiskLimit => {
            let megabytes = app.config.builds.disk_mb;
            format!("the build wrote more than {megabytes} MB and was ended")
        }
        ExitCause::Memory => "the build wanted more memory than it may have and was ended".to_owned(),
        ExitCause::Code(code) => format!("the build exited with code {code}"),
        ExitCause::Signal(signal) => format!("the build was ended by signal {signal}"),
        ExitCause::Lost => "the build ended with the machine or its guardian, again and again".to_owned(),
    };
    let code = if let ExitCause::Code(code) = cause { Some(code) } else { None };
    build::failed(&app.store, lease, code).await?;
    Err(failed(with_last_lines(app, row, failure).await))
}

fn failed(message: String) -> Error {
    Error::FailedPrecondition { reason: "BUILD_FAILED", message }
}

/// An action that waits outside, without the turn that it was given, until it is dropped: then it waits for nobody, and the turns
/// are made up for.
struct Outside(Arc<Semaphore>);

impl Outside {
    async fn go(shop: &Workshop) -> Self {
        shop.turns.add_permits(1);
        Self(shop.turns.clone())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.0.forget_permits(1) == 0 {
            let turns = self.0.clone();
            let make_up = async move {
                if let Ok(turn) = turns.acquire().await {
                    turn.forget();
                }
            };
            // There is none any more when everything ends.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(make_up);
            }
        }
    }
}

/// Waits until the build has ended, begun before or now.
async fn ended(app: &App, lease: &Lease, row: &Model, wanted: &Build, project: ProjectId) -> Result<ExitCause> {
    let instance = instance::build(row.id);
    let mut attempts = 0;
    loop {
        match app.driver.status(&instance).await? {
            Status::Running { .. } => tokio::time::sleep(LOOK).await,
            Status::Exited { exit } if exit.cause != ExitCause::Lost || attempts == ATTEMPTS => return Ok(exit.cause),
            Status::Exited { .. } | Status::Absent if attempts == ATTEMPTS => return Ok(ExitCause::Lost),
            Status::Exited { .. } | Status::Absent => {
                attempts += 1;
                app.driver.build(spec(app, lease, row, wanted, project).await?).await?;
                crash::point("deploy.build.started");
            }
        }
    }
}

async fn spec(app: &App, lease: &Lease, row: &Model, wanted: &Build, project: ProjectId) -> Result<BuildSpec> {
    let builds = &app.config.builds;
    let (environment, secrets) = variable::of_build(&app.store, &app.master, row.id).await?;
    Ok(BuildSpec {
        instance: instance::build(row.id),
        files: run::release_files(app, project, &route::sources(&app.store, row.id).await?)?,
        command: wanted.command().to_vec(),
        output: wanted.output().to_owned(),
        environment,
        secrets,
        project: project.to_string(),
        user: project_user::of(&app.store, project, &app.config.users).await?,
        limits: builds.limits(),
        cache_bytes: builds.cache_bytes(),
        time_limit: wanted.time_limit(builds.time_limit()),
        fence: fence_of(lease.fence()),
    })
}

/// Keeps what a build has left, if a deployment can have it.
async fn keep(app: &App, lease: &Lease, row: &Model, project: ProjectId) -> Result<()> {
    let instance = instance::build(row.id);
    let files = match app.driver.built(&instance).await {
        Ok(files) => files,
        Err(RuntimeError::Invalid(why)) => return Err(failed(why)),
        Err(error) => return Err(error.into()),
    };
    let entries = files.iter().map(|file| RawEntry {
        path: file.path.clone(),
        digest: file.digest.to_string(),
        size_bytes: file.size_bytes,
        executable: file.executable,
    });
    let problems = |problems: Vec<crate::domain::Invalid>| {
        let texts: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        failed(format!("what the build has left cannot be served: {}", texts.join("; ")))
    };
    let manifest = Manifest::parse(entries.collect()).map_err(problems)?;
    run::configuration(row.id, &row.configuration)?.check(&manifest).map_err(problems)?;
    let folder = project.to_string();
    for _ in 0..TRIES {
        for file in &files {
            receive(app, &folder, file).await?;
        }
        let _kept = app.artifacts.keep().await;
        if all_there(app, &folder, &manifest).await? {
            return build::finished(&app.store, lease, project, &manifest).await;
        }
    }
    Err(Error::Internal(format!("what was built for {} does not stay", row.id)))
}

async fn receive(app: &App, project: &str, file: &BuiltFile) -> Result<()> {
    let failed = |error: String| Error::Internal(format!("what was built cannot be kept: {error}"));
    let content = tokio::fs::File::open(&file.content).await.map_err(|error| failed(error.to_string()))?;
    let content = tokio_util::io::ReaderStream::with_capacity(content, 256 * 1024);
    let received = app.artifacts.receive(project, &file.digest, file.size_bytes, content).await;
    received.map_err(|error| match error {
        ReceiveError::Io(error) if is_passing(&error) => {
            Error::Unavailable("the server has no room for what was built".to_owned())
        }
        error => failed(format!("{error:?}")),
    })
}

async fn all_there(app: &App, project: &str, manifest: &Manifest) -> Result<bool> {
    for (digest, _) in manifest.blobs() {
        let there = app.artifacts.has(project, &digest).await;
        if !there.map_err(|error| Error::Internal(format!("looking for content: {error}")))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The end of the log says more than any code.
async fn with_last_lines(app: &App, row: &Model, failure: String) -> String {
    let instance = instance::build(row.id);
    let page = app.driver.log(&instance, LogFrom::Last(LAST_LINES), LAST_LINES).await.unwrap_or_default();
    let lines = page.lines.into_iter().map(|line| line.text.chars().take(LAST_CHARS).collect::<String>());
    let lines: Vec<String> = lines.filter(|line| !failure.contains(line.as_str())).collect();
    if lines.is_empty() { failure } else { format!("{failure}; the last of its log:\n{}", lines.join("\n")) }
}
