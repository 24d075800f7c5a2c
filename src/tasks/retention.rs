//! Retires what runs and nobody visits, and deletes what is old, as each project's retention says; shortens old logs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use entities::ids::DeploymentId;
use entities::values::{ActionKind, Cause};

use crate::domain::deployment::retention::Over;
use crate::edge::Edge;
use crate::error::Result;
use crate::service::{App, deployment};
use crate::store::upkeep;
use crate::sys::clock;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// Visits are noted after so many looks: to the minute.
const NOTED_EVERY: u32 = 12;

/// Runs until `stop`; what was visited last is noted before.
pub async fn run(app: Arc<App>, edge: Edge, stop: CancellationToken) {
    let mut visited = HashSet::new();
    let mut looks = 0;
    loop {
        visited.extend(edge.take_visited().await.iter().filter_map(|id| id.parse::<DeploymentId>().ok()));
        looks += 1;
        let ending = stop.is_cancelled();
        if ending || looks % NOTED_EVERY == 0 {
            let now = clock::now();
            let visits: Vec<_> = visited.iter().map(|id| (*id, now)).collect();
            match upkeep::note_visits(&app.store, &visits).await {
                Ok(()) => visited.clear(),
                Err(error) => tracing::warn!(?error, "visits could not be noted"),
            }
        }
        if ending {
            return;
        }
        if looks % NOTED_EVERY == 0
            && let Some(Err(error)) = stop.run_until_cancelled(app.driver.tidy_logs()).await
        {
            tracing::warn!(?error, "logs could not be shortened");
        }
        if let Some(Err(error)) = stop.run_until_cancelled(once(&app, &visited)).await {
            tracing::error!(?error, "what is over could not be retired");
        }
        let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
    }
}

async fn once(app: &App, visited: &HashSet<DeploymentId>) -> Result<()> {
    let now = clock::now();
    for (retention, deployments) in upkeep::kept(&app.store).await? {
        for (id, over) in retention.over(&deployments, now) {
            let kind = match over {
                Over::Running if visited.contains(&id) => continue,
                Over::Running => ActionKind::Retire,
                Over::Kept => ActionKind::Delete,
            };
            deployment::by_itself(app, id, kind, Cause::Policy).await?;
        }
    }
    Ok(())
}
