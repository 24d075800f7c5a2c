//! Makes the programs on this machine run that should, and only those: brings back what is gone, stops what has no business
//! running, and says which answer, so that their links open.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use entities::ids::{DeploymentId, EnvironmentId};
use entities::values::{DeploymentKind, DeploymentState};

use crate::domain::configuration::Configuration;
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::route::{self, DeploymentRoute, EnvironmentRoute};
use crate::sys::clock;
use crate::tasks::routes::{Publisher, running};
use crate::workflow::run;

/// How often it looks when nobody rang.
const LOOK: Duration = Duration::from_secs(1);

/// A program that does not come up is tried again after this long, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Finds the programs that went on running while this process was not there, before the first table is published: their links
/// never close.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn adopt(app: &App, publisher: &Publisher) -> Result<()> {
    let (_, deployments) = route::all(&app.store).await?;
    for row in deployments.iter().filter(|row| should_run(row.kind, row.state)) {
        if let Some(address) = running(app, row.id).await? {
            publisher.is_healthy(row.id, address).await;
        }
    }
    Ok(())
}

/// Runs until `stop`.
pub async fn run(app: Arc<App>, publisher: Arc<Publisher>, stop: CancellationToken) {
    let mut keeper = Keeper { app, publisher, starting: JoinSet::new(), busy: HashSet::new(), waits: HashMap::new() };
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(keeper.once()).await {
            tracing::error!(?error, "what runs could not be brought in line");
        }
        tokio::select! {
            () = keeper.app.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = keeper.starting.join_next() => keeper.ended(ended),
            () = stop.cancelled() => return,
        }
    }
}

/// What is remembered from one look to the next.
struct Keeper {
    app: Arc<App>,
    publisher: Arc<Publisher>,
    /// Programs that are being brought back: a sick one keeps no other waiting.
    starting: JoinSet<(DeploymentId, Result<()>)>,
    busy: HashSet<DeploymentId>,
    /// After failed attempts: how long the present pause is, and when it ends.
    waits: HashMap<DeploymentId, (Duration, Instant)>,
}

impl Keeper {
    async fn once(&mut self) -> Result<()> {
        let (environments, deployments) = route::all(&self.app.store).await?;
        let by_id: HashMap<EnvironmentId, &EnvironmentRoute> = environments.iter().map(|e| (e.id, e)).collect();
        for row in deployments.iter().filter(|row| row.kind == DeploymentKind::Process) {
            let Some(environment) = by_id.get(&row.environment_id) else { continue };
            // What goes wrong with one program is no reason not to look after the others.
            if let Err(error) = self.keep(environment, row).await {
                tracing::error!(deployment = %row.id, ?error, "a program could not be looked after");
            }
        }
        self.publisher.publish().await
    }

    async fn keep(&mut self, environment: &EnvironmentRoute, row: &DeploymentRoute) -> Result<()> {
        let found = running(&self.app, row.id).await?;
        if !should_run(row.kind, row.state) {
            // An action that retires or deletes it lets its visitors go first.
            if is_over(row.state) && found.is_some() && !row.busy {
                run::stop(&self.app, &row.id.to_string(), row.fence).await?;
                tracing::info!(deployment = %row.id, "stopped a program whose deployment is over");
            }
            return Ok(());
        }
        if let Some(address) = found
            && self.publisher.knows(row.id, address).await
        {
            self.waits.remove(&row.id);
            return Ok(());
        }
        if found.is_none() {
            self.publisher.is_gone(row.id).await;
        }
        let due = self.waits.get(&row.id).is_none_or(|(_, due)| *due <= clock::instant());
        if due && self.busy.insert(row.id) {
            let (app, publisher) = (self.app.clone(), self.publisher.clone());
            let (environment, row) = (environment.clone(), row.clone());
            self.starting.spawn(async move { (row.id, bring_back(&app, &publisher, &environment, &row).await) });
        }
        Ok(())
    }

    fn ended(&mut self, ended: Result<(DeploymentId, Result<()>), tokio::task::JoinError>) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => return tracing::error!(%error, "bringing a program back ended badly"),
        };
        self.busy.remove(&id);
        if let Err(error) = outcome {
            let wait = self.waits.get(&id).map_or(FIRST_PAUSE, |(wait, _)| (*wait * 2).min(LONGEST_PAUSE));
            self.waits.insert(id, (wait, clock::instant() + wait));
            tracing::warn!(deployment = %id, error = error.message(), "a program could not be brought back");
        }
    }
}

fn should_run(kind: DeploymentKind, state: DeploymentState) -> bool {
    kind == DeploymentKind::Process && matches!(state, DeploymentState::Ready | DeploymentState::Active)
}

/// Whether nothing of a deployment in this state has any business running.
fn is_over(state: DeploymentState) -> bool {
    match state {
        DeploymentState::Failed
        | DeploymentState::Cancelled
        | DeploymentState::Skipped
        | DeploymentState::Retired
        | DeploymentState::Deleted => true,
        DeploymentState::Draft
        | DeploymentState::Queued
        | DeploymentState::Building
        | DeploymentState::Starting
        | DeploymentState::Ready
        | DeploymentState::Active
        | DeploymentState::Reviving => false,
    }
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
        let folder = run::materialize(app, environment.project_id, row.id).await?;
        // The list may be old by now: what is being taken away stays away.
        let state = route::state(&app.store, row.id).await?;
        if !state.is_some_and(|state| should_run(row.kind, state)) {
            return Ok(());
        }
        tracing::info!(deployment = %row.id, "bringing a program back");
        run::start(app, row.id, folder, &process, row.fence).await?;
    }
    run::check(app, row.id, &process).await?;
    if let Some(address) = running(app, row.id).await? {
        publisher.is_healthy(row.id, address).await;
    }
    Ok(())
}
