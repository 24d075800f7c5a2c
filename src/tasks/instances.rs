//! Brings back programs that are gone, and says which answer, so that their links open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use entities::ids::{DeploymentId, EnvironmentId};
use entities::values::{DeploymentKind, DeploymentState};

use crate::domain::configuration::Configuration;
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::route::{self, DeploymentRoute, EnvironmentRoute};
use crate::tasks::routes::{Publisher, running};
use crate::workflow::run;

/// How often it looks when nobody rang.
const LOOK: Duration = Duration::from_secs(1);

/// A program that does not come up is tried again after this long, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Failed attempts to bring a program back, and when the next one is due.
#[derive(Default)]
struct Patience {
    waits: HashMap<DeploymentId, (Duration, std::time::Instant)>,
}

/// Runs until `stop`.
pub async fn run(app: Arc<App>, publisher: Arc<Publisher>, stop: CancellationToken) {
    let mut patience = Patience::default();
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(once(&app, &publisher, &mut patience)).await {
            tracing::error!(?error, "what runs could not be brought in line");
        }
        tokio::select! {
            () = app.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Finds the programs that went on running while this process was not there, before the first table is published: their links
/// never close.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn adopt(app: &App, publisher: &Publisher) -> Result<()> {
    let (_, deployments) = route::all(&app.store).await?;
    for row in deployments.iter().filter(|row| should_run(row)) {
        if let Some(address) = running(app, row.id).await? {
            publisher.is_healthy(row.id, address).await;
        }
    }
    Ok(())
}

async fn once(app: &Arc<App>, publisher: &Arc<Publisher>, patience: &mut Patience) -> Result<()> {
    let (environments, deployments) = route::all(&app.store).await?;
    let by_id: HashMap<EnvironmentId, &EnvironmentRoute> = environments.iter().map(|e| (e.id, e)).collect();
    let mut starting = JoinSet::new();
    for row in deployments.iter().filter(|row| should_run(row)) {
        let Some(environment) = by_id.get(&row.environment_id) else { continue };
        match running(app, row.id).await? {
            Some(address) if publisher.knows(row.id, address).await => {
                patience.waits.remove(&row.id);
            }
            found => {
                if found.is_none() {
                    publisher.is_gone(row.id).await;
                }
                if patience.is_due(row.id) {
                    let (app, publisher) = (app.clone(), publisher.clone());
                    let (environment, row) = ((*environment).clone(), row.clone());
                    starting.spawn(async move { (row.id, bring_back(&app, &publisher, &environment, &row).await) });
                }
            }
        }
    }
    // Before any of them is up: links of those that are gone say so, links of new environments open.
    publisher.publish().await?;
    while let Some(ended) = starting.join_next().await {
        let (id, outcome) = ended?;
        match outcome {
            Ok(()) => publisher.publish().await?,
            Err(error) => {
                patience.wait_longer(id);
                tracing::warn!(deployment = %id, error = error.message(), "a program could not be brought back");
            }
        }
    }
    Ok(())
}

fn should_run(row: &DeploymentRoute) -> bool {
    row.kind == DeploymentKind::Process && matches!(row.state, DeploymentState::Ready | DeploymentState::Active)
}

async fn bring_back(
    app: &App,
    publisher: &Publisher,
    environment: &EnvironmentRoute,
    row: &DeploymentRoute,
) -> Result<()> {
    let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else {
        return Err(Error::Internal(format!("{} is a process, its configuration is not", row.id)));
    };
    if running(app, row.id).await?.is_none() {
        tracing::info!(deployment = %row.id, "bringing a program back");
        let folder = run::materialize(app, environment.project_id, row.id).await?;
        run::start(app, row.id, folder, &process, environment.fence).await?;
    }
    run::check(app, row.id, &process).await?;
    if let Some(address) = running(app, row.id).await? {
        publisher.is_healthy(row.id, address).await;
    }
    Ok(())
}

impl Patience {
    fn is_due(&self, id: DeploymentId) -> bool {
        self.waits.get(&id).is_none_or(|(_, due)| *due <= crate::sys::clock::instant())
    }

    fn wait_longer(&mut self, id: DeploymentId) {
        let wait = self.waits.get(&id).map_or(FIRST_PAUSE, |(wait, _)| (*wait * 2).min(LONGEST_PAUSE));
        self.waits.insert(id, (wait, crate::sys::clock::instant() + wait));
    }
}
