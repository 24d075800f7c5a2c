//! Everything that can be done to a deployment after it was made. What an action does step by step is the workflow's matter;
//! here it is accepted or refused.

use entities::deployment::Model;
use entities::ids::{ActionId, DeploymentId, EnvironmentId, UserId};
use entities::values::{ActionKind, ActionState, Cause, DeploymentState};
use entities::{action, environment};

use super::{App, copy, missing, refused, variable};
use crate::audit::Entry;
use crate::authz::{Held, Permit, cap};
use crate::domain::deployment::state::{self, Action, Refusal, State};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::action::Stopped;
use crate::store::{self, Write, facts, upkeep};
use crate::sys::{clock, ids};

/// A change of a deployment that its state allows; nobody else moves it until the change is made.
struct Begun<C> {
    write: Write,
    permit: Permit<C>,
    row: Model,
    next: State,
}

async fn begin<C: Held>(op: &Op, operation: &'static str, id: DeploymentId, action: Action) -> Result<Begun<C>> {
    let (write, permit) = op.change::<C>(operation, id).await?;
    let row = store::deployment::lock(&write, &permit, id).await?;
    let restarting = store::in_hand::is_restarting(&write, id).await?;
    let next = state::decide(store::deployment::subject(&row, restarting), action).map_err(refused)?;
    Ok(Begun { write, permit, row, next })
}

impl<C: Held> Begun<C> {
    /// Moves the deployment and accepts the action on it.
    async fn accept(mut self, app: &App, op: &Op, kind: ActionKind) -> Result<Model> {
        let row = store::deployment::set_state(&mut self.write, &self.permit, &self.row, self.next).await?;
        accept(op, &mut self.write, &self.permit, &row, Wanted::plain(kind)).await?;
        self.write.commit().await?;
        app.accepted.notify_one();
        app.changed.notify_one();
        Ok(row)
    }
}

/// Accepts a draft whose files are all there. It becomes the active deployment when every health check passes; those that
/// wait to be deployed in the same environment are skipped.
///
/// # Errors
/// `FailedPrecondition` when it is no draft or files are missing; `Forbidden`, `NotFound` by `deployment.create`.
pub async fn deploy(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let _kept = app.artifacts.keep().await;
    let mut begun = begin::<cap::DeploymentCreate>(op, "deployment.deploy", id, Action::Deploy).await?;
    let manifest = store::deployment::manifest(&begun.write, &begun.row).await?;
    let missing = missing(&begun.write, &begun.permit, &manifest).await?;
    if !missing.is_empty() {
        return Err(Error::FailedPrecondition {
            reason: "FILES_MISSING",
            message: format!("files that have not arrived: {}; send them, then deploy", missing.len()),
        });
    }
    skip_older(&mut begun.write, &begun.permit).await?;
    variable::keep_for(app, &mut begun.write, &begun.permit, id).await?;
    begun.accept(app, op, ActionKind::Deploy).await
}

async fn skip_older(write: &mut Write, permit: &Permit<cap::DeploymentCreate>) -> Result<()> {
    let skipped = store::action::skip_older(write, permit).await?;
    if !skipped.is_empty() {
        let skipped: Vec<String> = skipped.iter().map(ToString::to_string).collect();
        write.entry().details = serde_json::json!({ "skipped": skipped });
    }
    Ok(())
}

/// Accepts the same version again, as a new deployment that serves a link of its own; the active one stays.
///
/// # Errors
/// `FailedPrecondition` when it was never whole or is gone; `Forbidden`, `NotFound` by `deployment.redeploy`.
pub async fn redeploy(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let _kept = app.artifacts.keep().await;
    let mut begun = begin::<cap::DeploymentRedeploy>(op, "deployment.redeploy", id, Action::Redeploy).await?;
    let row = copy(app, op, &mut begun.write, &begun.permit, &begun.row).await?;
    accept(op, &mut begun.write, &begun.permit, &row, Wanted::plain(ActionKind::Redeploy)).await?;
    begun.write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

/// Accepts a deployment's version for another environment of its project, where it becomes the active one when every health
/// check passes.
///
/// # Errors
/// `FailedPrecondition` when it never served or is gone; `InvalidInput` for an environment of another project, or its own;
/// `Forbidden`, `NotFound` by `deployment.view` where it is and `deployment.create` where it goes.
pub async fn promote(app: &App, op: &Op, id: DeploymentId, to: EnvironmentId) -> Result<Model> {
    let _kept = app.artifacts.keep().await;
    let viewed = op.permit::<cap::DeploymentView>(id).await?;
    let (mut write, permit) = op.change::<cap::DeploymentCreate>("deployment.promote", to).await?;
    let source = store::deployment::get(&write, &viewed, id).await?;
    let here = store::artifact::project_of(&write, &viewed).await?;
    if viewed.key() == permit.key() || here != store::artifact::project_of(&write, &permit).await? {
        let message = "a deployment is promoted to another environment of its project";
        return Err(Error::invalid("environmentId", "not_a_sibling", message));
    }
    match state::decide(store::deployment::subject(&source, false), Action::Rollback) {
        Ok(_) | Err(Refusal::Active) => {}
        Err(refusal) => return Err(refused(refusal)),
    }
    skip_older(&mut write, &permit).await?;
    let row = copy(app, op, &mut write, &permit, &source).await?;
    accept(op, &mut write, &permit, &row, Wanted::plain(ActionKind::Deploy)).await?;
    write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

/// A wish to serve an earlier deployment again.
pub struct Rollback {
    /// The earlier deployment.
    pub deployment_id: DeploymentId,
    /// Why.
    pub reason: String,
    /// What has to be the active one for this to happen.
    pub expected_active_deployment_id: Option<DeploymentId>,
}

/// Accepts a rollback. It moves the environment's link and pins the environment to the earlier deployment, which is started
/// first if it is retired.
///
/// # Errors
/// `Conflict` when another deployment is the active one than expected; `FailedPrecondition` when the target cannot serve;
/// `Forbidden`, `NotFound` by `deployment.rollback`.
pub async fn rollback(app: &App, op: &Op, input: Rollback) -> Result<Model> {
    let id = input.deployment_id;
    let begun = begin::<cap::DeploymentRollback>(op, "deployment.rollback", id, Action::Rollback).await?;
    let Begun { mut write, permit, mut row, next } = begun;
    let environment = store::environment::current(&write, &permit).await?;
    expect_active(&environment, input.expected_active_deployment_id)?;
    if row.state == DeploymentState::Retired {
        row = store::deployment::set_state(&mut write, &permit, &row, next).await?;
    }
    write.entry().details = serde_json::json!({ "reason": input.reason });
    let wanted = Wanted {
        kind: ActionKind::Rollback,
        reason: Some(input.reason),
        expected: input.expected_active_deployment_id,
    };
    accept(op, &mut write, &permit, &row, wanted).await?;
    write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

fn expect_active(environment: &environment::Model, expected: Option<DeploymentId>) -> Result<()> {
    if expected.is_none() || environment.active_deployment_id == expected {
        return Ok(());
    }
    Err(Error::Conflict("another deployment is the active one by now; read the environment again".to_owned()))
}

/// Takes off the pin of a rollback, so that automatic deployments overtake it again.
///
/// # Errors
/// `Forbidden`, `NotFound` by `deployment.rollback`.
pub async fn unpin(op: &Op, id: EnvironmentId) -> Result<environment::Model> {
    let (mut write, permit) = op.change::<cap::DeploymentRollback>("environment.unpin", id).await?;
    let row = store::environment::unpin(&mut write, &permit).await?;
    write.commit().await?;
    Ok(row)
}

/// Accepts that a deployment which is not the active one is stopped; its code and assets stay.
///
/// # Errors
/// `FailedPrecondition` by its state; `Forbidden`, `NotFound` by `deployment.retire`.
pub async fn retire(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let begun = begin::<cap::DeploymentRetire>(op, "deployment.retire", id, Action::Retire).await?;
    begun.accept(app, op, ActionKind::Retire).await
}

/// Accepts that a retired deployment is started again.
///
/// # Errors
/// `FailedPrecondition` by its state; `Forbidden`, `NotFound` by `deployment.revive`.
pub async fn revive(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let begun = begin::<cap::DeploymentRevive>(op, "deployment.revive", id, Action::Revive).await?;
    begun.accept(app, op, ActionKind::Revive).await
}

/// Accepts that a deployment which is not the active one is removed with its code and assets, for ever.
///
/// # Errors
/// `FailedPrecondition` by its state; `Forbidden`, `NotFound` by `deployment.delete`.
pub async fn delete(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let begun = begin::<cap::DeploymentDelete>(op, "deployment.delete", id, Action::Delete).await?;
    begun.accept(app, op, ActionKind::Delete).await
}

/// Accepts that each instance gets a new program, one after the other, so that nobody is kept waiting.
///
/// # Errors
/// `FailedPrecondition` by its state, or when a restart is under way; `Forbidden`, `NotFound` by `instance.restart`.
pub async fn restart(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let Begun { mut write, permit, row, .. } =
        begin::<cap::InstanceRestart>(op, "instance.restart", id, Action::Restart).await?;
    accept(op, &mut write, &permit, &row, Wanted::plain(ActionKind::Restart)).await?;
    write.commit().await?;
    app.accepted.notify_one();
    Ok(row)
}

/// Accepts that what is under way stops: nothing is left of a deployment that has not served yet, and one that was being
/// revived stays retired. What is under way is undone by whoever works on it; the state follows.
///
/// # Errors
/// `FailedPrecondition` when there is nothing to stop; `Forbidden`, `NotFound` by `deployment.cancel`.
pub async fn cancel(app: &App, op: &Op, id: DeploymentId) -> Result<Model> {
    let mut begun = begin::<cap::DeploymentCancel>(op, "deployment.cancel", id, Action::Cancel).await?;
    let Stopped { running, .. } = store::action::stop(&mut begun.write, &begun.permit, id).await?;
    let Begun { mut write, permit, mut row, next } = begun;
    if running == 0 && next != State::from(row.state) {
        row = store::deployment::set_state(&mut write, &permit, &row, next).await?;
    }
    if next == State::Cancelled {
        accept(op, &mut write, &permit, &row, Wanted::plain(ActionKind::Cancel)).await?;
    }
    write.commit().await?;
    app.accepted.notify_one();
    app.changed.notify_one();
    app.unwanted.notify_waiters();
    Ok(row)
}

/// Retires, revives or deletes a deployment although nobody asks for it, if its state allows that at this moment; whether it
/// did.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_itself(app: &App, id: DeploymentId, kind: ActionKind, cause: Cause) -> Result<bool> {
    let (operation, asked) = match kind {
        ActionKind::Retire => ("deployment.retire", Action::Retire),
        ActionKind::Revive => ("deployment.revive", Action::Revive),
        ActionKind::Delete => ("deployment.delete", Action::Delete),
        ActionKind::Deploy | ActionKind::Redeploy | ActionKind::Rollback | ActionKind::Cancel | ActionKind::Restart => {
            return Err(Error::Internal("nothing but upkeep happens by itself".to_owned()));
        }
    };
    let mut entry = Entry::new(operation, None, ids::new::<ActionId>().to_string());
    entry.subject = Some(id.to_string());
    entry.details = serde_json::json!({ "cause": cause_word(cause) });
    let mut write = app.store.write(entry).await?;
    let Some(row) = upkeep::lock(&write, id).await? else { return Ok(false) };
    let restarting = store::in_hand::is_restarting(&write, id).await?;
    let Ok(next) = state::decide(store::deployment::subject(&row, restarting), asked) else { return Ok(false) };
    let scope = row.environment_id.into();
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    let action = action_of(&row, Wanted::plain(kind), row.created_by, cause);
    upkeep::begin(&mut write, &row, next, action).await?;
    write.commit().await?;
    app.accepted.notify_one();
    app.changed.notify_one();
    Ok(true)
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::User => "user",
        Cause::Visit => "visit",
        Cause::Policy => "policy",
        Cause::Upkeep => "upkeep",
    }
}

struct Wanted {
    kind: ActionKind,
    reason: Option<String>,
    expected: Option<DeploymentId>,
}

impl Wanted {
    const fn plain(kind: ActionKind) -> Self {
        Self { kind, reason: None, expected: None }
    }
}

async fn accept<C: Held>(op: &Op, write: &mut Write, permit: &Permit<C>, row: &Model, wanted: Wanted) -> Result<()> {
    let action = action_of(row, wanted, op.user()?, Cause::User);
    store::action::enqueue(write, permit, action).await
}

fn action_of(row: &Model, wanted: Wanted, by: UserId, cause: Cause) -> action::Model {
    action::Model {
        id: ids::new::<ActionId>(),
        environment_id: row.environment_id,
        deployment_id: row.id,
        kind: wanted.kind,
        state: ActionState::Queued,
        expected_deployment_id: wanted.expected,
        previous_deployment_id: None,
        reason: wanted.reason,
        fence: 0,
        lease_owner: None,
        lease_until_ms: 0,
        error: None,
        cause,
        cancel_requested_at: None,
        created_by: by,
        created_at: clock::now(),
        finished_at: None,
    }
}
