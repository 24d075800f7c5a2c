//! Leases actions and takes each through its steps: on from where a crash left it, back when a step fails. Knows no step.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use entities::values::{ActionKind, ActionState, DeploymentState};

use super::{Step, Workshop, deploy, rollback};
use crate::domain::deployment::state::State;
use crate::error::{Error, Result};
use crate::store::action::{self, Lease};
use crate::store::deployment;
use crate::sys::crash;

/// As many actions as one replica takes through their steps at a time, each of another environment.
const AT_ONCE: usize = 8;

/// How often it looks for work that nobody rang for: abandoned leases, and what other replicas accepted.
const LOOK: Duration = Duration::from_millis(500);

/// Runs until `stop`; then takes no new action and lets go of those in hand, which the next start continues.
pub async fn run(shop: Arc<Workshop>, owner: String, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while let Some(Ok(turn)) = stop.run_until_cancelled(turns.clone().acquire_owned()).await {
        match action::claim(&shop.app.store, &owner, shop.app.config.lease).await {
            Ok(Some(lease)) => {
                let (shop, stop) = (shop.clone(), stop.clone());
                tracker.spawn(async move {
                    stop.run_until_cancelled(take_through(&shop, lease)).await;
                    drop(turn);
                    // The next one of this environment may have waited for this.
                    shop.app.accepted.notify_one();
                });
            }
            Ok(None) => {
                tokio::select! {
                    () = shop.app.accepted.notified() => {}
                    () = tokio::time::sleep(LOOK) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::error!(?error, "looking for deployment actions failed");
                let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
            }
        }
    }
    tracker.close();
    tracker.wait().await;
}

async fn take_through(shop: &Workshop, lease: Lease) {
    let keep = keep(shop, &lease);
    let work = attempt(shop, &lease);
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = keep => Err(Error::Conflict("another worker took over this action".to_owned())),
    };
    if let Err(error) = outcome {
        // What it could not do now it tries again when the lease has run out.
        tracing::warn!(action = %lease.action().id, fence = lease.fence(), ?error, "a deployment action was left");
    }
}

/// Prolongs the lease until it is lost.
async fn keep(shop: &Workshop, lease: &Lease) {
    let every = shop.app.config.lease / 3;
    loop {
        tokio::time::sleep(every).await;
        match action::heartbeat(&shop.app.store, lease, shop.app.config.lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(action = %lease.action().id, ?error, "a lease could not be prolonged"),
        }
    }
}

async fn attempt(shop: &Workshop, lease: &Lease) -> Result<()> {
    let store = &shop.app.store;
    let (name, steps) = match lease.action().kind {
        ActionKind::Deploy => ("deploy", deploy::STEPS),
        ActionKind::Rollback => ("rollback", rollback::STEPS),
    };
    let begun = action::steps(store, lease).await?;
    if lease.action().state == ActionState::Undoing {
        let reason = lease.action().error.clone().unwrap_or_default();
        return undo(shop, lease, name, steps, &reason).await;
    }
    for (position, step) in steps.iter().enumerate() {
        let done = begun.iter().any(|row| row.position == place(position) && row.finished_at.is_some());
        if done {
            continue;
        }
        let point = |when: &str| crash::point(&format!("{name}.{}.{when}", step.name));
        action::begin_step(store, lease, place(position), step.name).await?;
        point("begun");
        match (step.run)(shop, lease).await {
            Ok(()) => {
                point("run");
                action::end_step(store, lease, place(position), false).await?;
                point("recorded");
            }
            Err(error) if is_final(&error) => {
                let reason = error.message();
                if let Error::Internal(text) = &error {
                    tracing::error!(action = %lease.action().id, step = step.name, error = text, "a step failed");
                }
                action::set_state(store, lease, ActionState::Undoing, Some(&reason)).await?;
                return undo(shop, lease, name, steps, &reason).await;
            }
            Err(error) => return Err(error),
        }
    }
    action::set_state(store, lease, ActionState::Succeeded, None).await?;
    tracing::info!(action = %lease.action().id, kind = name, deployment = %lease.action().deployment_id, "succeeded");
    Ok(())
}

/// Takes back what was begun, the last step first. What cannot be taken back now is tried again with the next lease.
async fn undo(shop: &Workshop, lease: &Lease, name: &str, steps: &[Step], reason: &str) -> Result<()> {
    let store = &shop.app.store;
    if lease.action().kind == ActionKind::Deploy
        && deployment::leased(store, lease).await?.state == DeploymentState::Ready
    {
        // It is ready no more: nobody brings its program back while it is being taken away.
        deployment::advance(store, lease, State::Starting, None).await?;
        shop.publisher.publish().await?;
    }
    for row in action::steps(store, lease).await?.iter().rev().filter(|row| row.undone_at.is_none()) {
        let step = usize::try_from(row.position).ok().and_then(|position| steps.get(position));
        if let Some(step) = step {
            crash::point(&format!("{name}.{}.undoing", step.name));
            if let Some(undo) = step.undo {
                undo(shop, lease).await?;
            }
        }
        action::end_step(store, lease, row.position, true).await?;
    }
    if lease.action().kind == ActionKind::Deploy {
        deployment::advance(store, lease, State::Failed, Some(reason)).await?;
        shop.publisher.publish().await?;
    }
    crash::point(&format!("{name}.undone"));
    action::set_state(store, lease, ActionState::Failed, Some(reason)).await?;
    tracing::info!(action = %lease.action().id, kind = name, reason, "failed and undone");
    Ok(())
}

/// Whether trying the same again would end the same.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Unavailable(_) | Error::RateLimited { .. } => false,
        Error::Unauthenticated(_)
        | Error::Forbidden { .. }
        | Error::AuthorityEnded { .. }
        | Error::NotFound { .. }
        | Error::InvalidInput(_)
        | Error::Conflict(_)
        | Error::FailedPrecondition { .. }
        | Error::IdempotencyKeyReused
        | Error::TooComplex(_)
        | Error::Internal(_) => true,
    }
}

fn place(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}
