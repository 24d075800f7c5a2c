//! Leases actions and takes each through its steps: on from where a crash left it, back when a step fails. Knows no step.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use entities::values::{ActionKind, ActionState, DeploymentState};

use super::{Step, Workshop, deploy, remove, revive, rollback};
use crate::domain::deployment::state::State;
use crate::error::{Error, Result};
use crate::store::action::{self, Lease};
use crate::store::deployment;
use crate::sys::crash;

/// As many actions as one replica takes through their steps at a time, each of another environment.
const AT_ONCE: usize = 8;

/// How often it looks for work that nobody rang for: abandoned leases, and what other replicas accepted.
const LOOK: Duration = Duration::from_millis(500);

/// Why an action was undone that somebody wanted stopped.
const CANCELLED: &str = "it was cancelled";

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
    let work = until_unwanted(shop, &lease);
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = keep => Err(Error::Conflict("another worker took over this action".to_owned())),
    };
    if let Err(error) = outcome {
        // What it could not do now it tries again when the lease has run out.
        tracing::warn!(action = %lease.action().id, fence = lease.fence(), ?error, "a deployment action was left");
        if let Error::Unavailable(reason) = &error
            && let Err(error) = action::wait(&shop.app.store, &lease, reason).await
        {
            tracing::warn!(action = %lease.action().id, ?error, "what it waits for could not be noted");
        }
    }
}

/// Takes the action through its steps, or back when somebody wants it stopped; a step is left where it waits, as by a crash.
async fn until_unwanted(shop: &Workshop, lease: &Lease) -> Result<()> {
    let outcome = tokio::select! {
        outcome = attempt(shop, lease) => outcome,
        () = unwanted(shop, lease) => Err(Error::Conflict("it is to be stopped".to_owned())),
    };
    // What has failed because somebody wants it stopped is no failure.
    if outcome.is_err() && action::is_unwanted(&shop.app.store, lease).await? {
        action::set_state(&shop.app.store, lease, ActionState::Undoing, Some(CANCELLED)).await?;
        return undo(shop, lease, CANCELLED).await;
    }
    outcome
}

/// Waits until somebody wants the action stopped; for ever, when nobody may.
async fn unwanted(shop: &Workshop, lease: &Lease) {
    if lease.action().state == ActionState::Undoing {
        return std::future::pending().await;
    }
    loop {
        let rung = shop.app.unwanted.notified();
        match action::is_unwanted(&shop.app.store, lease).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::warn!(?error, "whether an action is wanted cannot be told"),
        }
        let _ = tokio::time::timeout(LOOK, rung).await;
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
    let (name, steps) = steps_of(lease.action().kind);
    let begun = action::steps(store, lease).await?;
    if lease.action().state == ActionState::Undoing {
        let reason = lease.action().error.clone().unwrap_or_default();
        return undo(shop, lease, &reason).await;
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
            // What has failed because somebody wants it stopped is dealt with as such.
            Err(error) if is_final(&error) && action::is_unwanted(store, lease).await? => return Err(error),
            Err(error) if is_final(&error) => {
                let reason = error.message();
                if let Error::Internal(text) = &error {
                    tracing::error!(action = %lease.action().id, step = step.name, error = text, "a step failed");
                }
                action::set_state(store, lease, ActionState::Undoing, Some(&reason)).await?;
                return undo(shop, lease, &reason).await;
            }
            Err(error) => return Err(error),
        }
    }
    action::set_state(store, lease, ActionState::Succeeded, None).await?;
    tracing::info!(action = %lease.action().id, kind = name, deployment = %lease.action().deployment_id, "succeeded");
    Ok(())
}

/// The name of an action in records, logs and tests, and its steps.
fn steps_of(kind: ActionKind) -> (&'static str, &'static [Step]) {
    match kind {
        ActionKind::Deploy => ("deploy", deploy::STEPS),
        ActionKind::Redeploy => ("redeploy", deploy::REDEPLOY),
        ActionKind::Rollback => ("rollback", rollback::STEPS),
        ActionKind::Retire => ("retire", remove::RETIRE),
        ActionKind::Revive => ("revive", revive::STEPS),
        ActionKind::Delete => ("delete", remove::DELETE),
        ActionKind::Cancel => ("cancel", remove::CANCEL),
    }
}

/// Takes back what was begun, the last step first. What cannot be taken back now is tried again with the next lease.
async fn undo(shop: &Workshop, lease: &Lease, reason: &str) -> Result<()> {
    let store = &shop.app.store;
    let (name, steps) = steps_of(lease.action().kind);
    let (on_the_way, end) = ends(lease.action().kind, action::is_unwanted(store, lease).await?);
    let seen = deployment::leased(store, lease).await?.state;
    if seen == DeploymentState::Ready
        && let Some(state) = on_the_way
    {
        // It is ready no more: nobody brings its program back while it is being taken away.
        deployment::advance(store, lease, state, None).await?;
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
    let seen = deployment::leased(store, lease).await?.state;
    if let Some(state) = end
        && (seen == DeploymentState::Reviving || state != State::Retired)
    {
        deployment::advance(store, lease, state, (reason != CANCELLED).then_some(reason)).await?;
        shop.publisher.publish().await?;
    }
    crash::point(&format!("{name}.undone"));
    let end = if reason == CANCELLED { ActionState::Cancelled } else { ActionState::Failed };
    action::set_state(store, lease, end, Some(reason)).await?;
    tracing::info!(action = %lease.action().id, kind = name, reason, "failed and undone");
    Ok(())
}

/// Where a deployment is while an action on it is undone, if it was ready, and where it ends.
fn ends(kind: ActionKind, unwanted: bool) -> (Option<State>, Option<State>) {
    match kind {
        ActionKind::Deploy | ActionKind::Redeploy => {
            (Some(State::Starting), Some(if unwanted { State::Cancelled } else { State::Failed }))
        }
        ActionKind::Revive => (Some(State::Reviving), Some(State::Retired)),
        // If it was started for this, it serves its own link by now, and may go on.
        ActionKind::Rollback => (None, Some(State::Retired)),
        ActionKind::Retire | ActionKind::Delete | ActionKind::Cancel => (None, None),
    }
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
