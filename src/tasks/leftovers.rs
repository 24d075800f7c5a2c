//! Takes away what belongs to nothing any more: programs and releases of deployments that were deleted with their
//! environment, and content of projects that were deleted. What is on this machine is listed before the database is asked: a
//! row is always older than what was made for it, so that nothing new is taken for a leftover.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::service::App;
use crate::store::route;
use crate::workflow::run;

/// How often it looks when nobody rang.
const LOOK: Duration = Duration::from_secs(5);

/// Wins over every action: nobody has a deployment in hand that is not there.
const LAST_FENCE: u64 = u64::MAX;

/// Runs until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(once(&app)).await {
            tracing::error!(?error, "leftovers could not be removed");
        }
        tokio::select! {
            () = app.removed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn once(app: &App) -> Result<()> {
    let instances = app.driver.list().await?;
    // One that is being made ends in `.tmp`, and belongs to the same deployment.
    let releases = names(&run::releases(app)).await?.into_iter();
    let releases = releases.map(|name| name.trim_end_matches(".tmp").to_owned()).collect();
    let projects = names(&app.config.data.join("blobs")).await?;
    let mut kept = Vec::new();
    for folder in ["storage", "cache"] {
        kept.extend(names(&app.config.data.join(folder)).await?.into_iter().map(|project| (folder, project)));
    }
    let (known_projects, known_deployments) = route::known(&app.store).await?;
    for instance in instances.iter().filter(|instance| is_gone(instance, &known_deployments)) {
        app.driver.stop(instance, LAST_FENCE, app.config.stop_grace).await?;
        app.driver.remove(instance, LAST_FENCE).await?;
        tracing::info!(instance, "removed a program without a deployment");
    }
    for release in gone(releases, &known_deployments) {
        run::dematerialize(app, &release).await?;
    }
    // After their programs, which may be using them.
    for (folder, project) in kept.into_iter().filter(|(_, project)| is_gone(project, &known_projects)) {
        run::remove_folder(app.config.data.join(folder).join(&project)).await?;
        tracing::info!(project, folder, "removed what a deleted project had kept");
    }
    for project in gone(projects, &known_projects) {
        app.artifacts.remove_project(&project).await.map_err(|e| Error::Internal(e.to_string()))?;
        tracing::info!(project, "removed the content of a deleted project");
    }
    Ok(())
}

/// What is there and has no row.
fn gone(found: Vec<String>, known: &HashSet<String>) -> impl Iterator<Item = String> {
    found.into_iter().filter(move |name| is_gone(name, known))
}

/// Names that no id could be, such as those of uploads under way, are somebody else's.
fn is_gone(name: &str, known: &HashSet<String>) -> bool {
    // Behind the id of a deployment there may be which of its instances it is.
    let id = name.split_once('-').map_or(name, |(id, _)| id);
    (name.starts_with("dep_") || name.starts_with("prj_")) && !known.contains(id)
}

/// Names in a folder; none if there is no folder.
async fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| Error::Internal(format!("{}: {e}", folder.display()));
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}
