//! Durable deployment actions: a leased table. A lease is the proof that a worker may move an action on; every change made
//! under it carries its fence, so that a worker that slept past its lease changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, Func, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use entities::action::{Column, Entity, Model};
use entities::action_step;
use entities::ids::DeploymentId;
use entities::values::{ActionKind, ActionState, Cause, DeploymentState};

use super::source::Connected;
use super::{Store, Write, sql};
use crate::authz::{Held, Permit, Visible, cap};
use crate::domain::deployment::state::State;
use crate::error::{Error, Result};
use crate::sys::clock;

const UNFINISHED: [ActionState; 2] = [ActionState::Running, ActionState::Undoing];

/// Actions that move an environment's link: one at a time.
const MOVING: [ActionKind; 2] = [ActionKind::Deploy, ActionKind::Rollback];

/// The right to move one action on, until somebody else has a higher fence.
#[derive(Debug, Clone)]
pub struct Lease {
    action: Model,
}

impl Lease {
    /// The action as it was when it was leased.
    pub fn action(&self) -> &Model {
        &self.action
    }

    /// What runtime and edge calls carry.
    pub fn fence(&self) -> i64 {
        self.action.fence
    }

    /// A subquery with a row while the lease is held.
    pub(super) fn held(&self) -> SelectStatement {
        Query::select()
            .column(Column::Id)
            .from(Entity)
            .and_where(Column::Id.eq(self.action.id))
            .and_where(Column::Fence.eq(self.action.fence))
            .take()
    }

    /// Turns "no row changed" into the loss of the lease.
    pub(super) fn confirmed(&self, rows: u64) -> Result<()> {
        if rows > 0 { Ok(()) } else { Err(Error::Conflict("another worker took over this action".to_owned())) }
    }
}

/// Accepts an action, in the transaction of its audit entry.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn enqueue<C: Held>(write: &mut Write, permit: &Permit<C>, row: Model) -> Result<()> {
    if entities::ids::Id::uuid(row.environment_id) != permit.key() {
        return Err(Error::Internal("an action for another environment than the permit's".to_owned()));
    }
    insert(write, row).await
}

pub(super) async fn insert(write: &mut Write, row: Model) -> Result<()> {
    Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// How many actions were found that somebody wants stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stopped {
    /// Were not begun, and never will be.
    pub queued: u64,
    /// Are under way; whoever works on them undoes them.
    pub running: u64,
}

/// Stops what is to happen to a deployment of the environment that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn stop(write: &mut Write, permit: &Permit<cap::DeploymentCancel>, id: DeploymentId) -> Result<Stopped> {
    let now = clock::now();
    let of = |states: &[ActionState]| {
        Entity::update_many()
            .filter(Column::DeploymentId.eq(id))
            .filter(Column::EnvironmentId.eq(permit.key()))
            .filter(Column::State.is_in(states.iter().copied()))
    };
    let queued = of(&[ActionState::Queued])
        .col_expr(Column::State, Expr::value(ActionState::Cancelled))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let running = of(&UNFINISHED)
        .col_expr(Column::CancelRequestedAt, Expr::value(now))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    Ok(Stopped { queued: queued.rows_affected, running: running.rows_affected })
}

/// Gives up the deployments of the permit's environment that wait to be deployed, since a newer one comes after them.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn skip_older(write: &mut Write, permit: &Permit<cap::DeploymentCreate>) -> Result<Vec<DeploymentId>> {
    let waiting = || {
        Condition::all()
            .add(Column::EnvironmentId.eq(permit.key()))
            .add(Column::Kind.eq(ActionKind::Deploy))
            .add(Column::State.eq(ActionState::Queued))
    };
    let mut found = Entity::find().filter(waiting());
    if write.is_postgres() {
        found = found.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let found = found.all(write.connection()).await.map_err(sql)?;
    Entity::update_many()
        .col_expr(Column::State, Expr::value(ActionState::Skipped))
        .col_expr(Column::FinishedAt, Expr::value(clock::now()))
        .filter(Column::Id.is_in(found.iter().map(|row| row.id.0)))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let mut skipped = Vec::new();
    for action in found {
        let row = super::deployment::lock(write, permit, action.deployment_id).await?;
        if row.state == DeploymentState::Queued {
            super::deployment::move_on(write, &row, State::Skipped, Cause::User).await?;
            skipped.push(row.id);
        }
    }
    Ok(skipped)
}

/// Whether somebody wants the action stopped that a worker has in hand.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn is_unwanted(store: &Store, lease: &Lease) -> Result<bool> {
    let row = Entity::find_by_id(lease.action.id).one(&store.db).await.map_err(sql)?;
    Ok(row.is_some_and(|row| row.cancel_requested_at.is_some()))
}

/// The deployment that was active when this action moved the link.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn previous(store: &Store, lease: &Lease) -> Result<Option<DeploymentId>> {
    let row = Entity::find_by_id(lease.action.id).one(&store.db).await.map_err(sql)?;
    Ok(row.and_then(|row| row.previous_deployment_id))
}

/// The newest action of each of these deployments that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn latest_of(
    store: &Store,
    visible: &Visible<cap::DeploymentView>,
    deployments: &[DeploymentId],
) -> Result<Vec<Model>> {
    let newer = Query::select()
        .expr(Expr::value(1))
        .from_as(Entity, "newer")
        .and_where(Expr::col(("newer", Column::DeploymentId)).equals((Entity, Column::DeploymentId)))
        .and_where(Expr::col(("newer", Column::Id)).gt(Expr::col((Entity, Column::Id))))
        .take();
    let select = Entity::find()
        .filter(Column::EnvironmentId.in_subquery(super::visible::environment_ids(visible)))
        .filter(Column::DeploymentId.is_in(deployments.iter().map(|id| id.0)))
        .filter(Expr::exists(newer).not());
    select.all(&store.db).await.map_err(sql)
}

/// Leases the next action that nobody works on: one whose worker is gone, or the oldest queued one whose deployment nobody
/// has in hand, and whose environment's link nobody moves if it moves it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn claim(store: &Store, owner: &str, lease: Duration) -> Result<Option<Lease>> {
    let tx = store.begin_write().await?;
    let now = clock::now().timestamp_millis();
    let Some(row) = candidate(store, &tx, now).await? else {
        return Ok(None);
    };
    let fence: Option<i64> = Entity::find()
        .select_only()
        .column_as(Column::Fence.max(), "fence")
        .filter(Column::EnvironmentId.eq(row.environment_id))
        .into_tuple::<Option<i64>>()
        .one(&tx)
        .await
        .map_err(sql)?
        .flatten();
    let state = if row.state == ActionState::Queued { ActionState::Running } else { row.state };
    let taken = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Fence, Expr::value(fence.unwrap_or(0) + 1))
        .col_expr(Column::LeaseOwner, Expr::value(owner))
        .col_expr(Column::LeaseUntilMs, Expr::value(now + millis(lease)))
        .filter(Column::Id.eq(row.id))
        .exec(&tx)
        .await;
    if let Err(error) = taken {
        // Two workers met; the partial unique indexes let one of them through.
        return match error.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Ok(None),
            _ => Err(sql(error)),
        };
    }
    let action = Entity::find_by_id(row.id).one(&tx).await.map_err(sql)?.ok_or_else(super::gone("action"))?;
    tx.commit().await.map_err(sql)?;
    Ok(Some(Lease { action }))
}

async fn candidate(store: &Store, tx: &DatabaseTransaction, now: i64) -> Result<Option<Model>> {
    let locked = |select: sea_orm::Select<Entity>| {
        if store.is_postgres() { select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked) } else { select }
    };
    let abandoned = Entity::find()
        .filter(Column::State.is_in(UNFINISHED))
        .filter(Column::LeaseUntilMs.lt(now))
        .order_by_asc(Column::Id);
    if let Some(row) = locked(abandoned).one(tx).await.map_err(sql)? {
        return Ok(Some(row));
    }
    let busy = |column| Query::select().column(column).from(Entity).and_where(Column::State.is_in(UNFINISHED)).take();
    let mut moving = busy(Column::EnvironmentId);
    moving.and_where(Column::Kind.is_in(MOVING));
    let waiting = Entity::find()
        .filter(Column::State.eq(ActionState::Queued))
        .filter(Column::DeploymentId.not_in_subquery(busy(Column::DeploymentId)))
        .filter(Column::Kind.is_not_in(MOVING).or(Column::EnvironmentId.not_in_subquery(moving)))
        .order_by_asc(Column::Id);
    locked(waiting).one(tx).await.map_err(sql)
}

/// Keeps a lease; false when it is no longer the worker's.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn heartbeat(store: &Store, lease: &Lease, extend: Duration) -> Result<bool> {
    let until = clock::now().timestamp_millis() + millis(extend);
    let changed = Entity::update_many()
        .col_expr(Column::LeaseUntilMs, Expr::value(until))
        .filter(Column::Id.eq(lease.action.id))
        .filter(Column::Fence.eq(lease.action.fence))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    Ok(changed.rows_affected == 1)
}

/// Gives back the leases of a worker that is known to be gone: this replica's own, before it begins.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn release_all(store: &Store, owner: &str) -> Result<u64> {
    let changed = Entity::update_many()
        .col_expr(Column::LeaseUntilMs, Expr::value(0i64))
        .filter(Column::LeaseOwner.eq(owner))
        .filter(Column::State.is_in(UNFINISHED))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    Ok(changed.rows_affected)
}

/// The steps that were begun, in order.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn steps(store: &Store, lease: &Lease) -> Result<Vec<action_step::Model>> {
    let select = action_step::Entity::find()
        .filter(action_step::Column::ActionId.eq(lease.action.id))
        .order_by_asc(action_step::Column::Position);
    select.all(&store.db).await.map_err(sql)
}

/// Records that a step begins; fine when it was begun before.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn begin_step(store: &Store, lease: &Lease, position: i32, name: &str) -> Result<()> {
    use sea_orm::sea_query::OnConflict;
    let row = action_step::Model {
        action_id: lease.action.id,
        position,
        name: name.to_owned(),
        started_at: clock::now(),
        finished_at: None,
        undone_at: None,
    };
    let once =
        OnConflict::columns([action_step::Column::ActionId, action_step::Column::Position]).do_nothing().to_owned();
    action_step::Entity::insert(row.into_active_model())
        .on_conflict(once)
        .exec_without_returning(&store.db)
        .await
        .map_err(sql)?;
    Ok(())
}

/// Records that a step is done, or that it is undone.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's.
pub async fn end_step(store: &Store, lease: &Lease, position: i32, undone: bool) -> Result<()> {
    let column = if undone { action_step::Column::UndoneAt } else { action_step::Column::FinishedAt };
    let changed = action_step::Entity::update_many()
        .col_expr(column, Expr::value(clock::now()))
        .filter(action_step::Column::ActionId.eq(lease.action.id))
        .filter(action_step::Column::Position.eq(position))
        .filter(Expr::exists(lease.held()))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)
}

/// Moves the action itself; an end is final, and none that somebody wants stopped succeeds.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's, or when the action may not succeed.
pub async fn set_state(store: &Store, lease: &Lease, state: ActionState, error: Option<&str>) -> Result<()> {
    let ended = matches!(state, ActionState::Succeeded | ActionState::Failed | ActionState::Cancelled);
    let mut update = Entity::update_many().col_expr(Column::State, Expr::value(state));
    // What it waited for is over when it has succeeded.
    if error.is_some() || state == ActionState::Succeeded {
        update = update.col_expr(Column::Error, Expr::value(error));
    }
    if ended {
        update = update.col_expr(Column::FinishedAt, Expr::value(clock::now()));
    }
    if state == ActionState::Succeeded {
        update = update.filter(Column::CancelRequestedAt.is_null());
    }
    let changed = update
        .filter(Column::Id.eq(lease.action.id))
        .filter(Column::Fence.eq(lease.action.fence))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)
}

/// Notes what an action waits for that could not go on now; one that is being undone keeps why. Errors: `Unavailable`.
pub async fn wait(store: &Store, lease: &Lease, reason: &str) -> Result<()> {
    let noted = Entity::update_many()
        .col_expr(Column::Error, Expr::value(reason))
        .filter(Column::Id.eq(lease.action.id))
        .filter(Column::Fence.eq(lease.action.fence))
        .filter(Column::State.eq(ActionState::Running));
    noted.exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// What a reconciler has to know of a deployment's actions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InHand {
    /// The highest fence: what its calls carry.
    pub(super) fence: i64,
    /// Whether one of them is not finished.
    pub(super) busy: bool,
}

/// What reconcilers have to know of each deployment's actions.
pub(super) async fn in_hand(store: &Store) -> Result<HashMap<DeploymentId, InHand>> {
    let unfinished = Column::State.is_in([ActionState::Queued, ActionState::Running, ActionState::Undoing]);
    let busy = Expr::expr(Func::max(Expr::case(unfinished, 1).finally(0)));
    let rows: Vec<(DeploymentId, i64, i32)> = Entity::find()
        .select_only()
        .column(Column::DeploymentId)
        .column_as(Column::Fence.max(), "fence")
        .expr_as(busy, "busy")
        .group_by(Column::DeploymentId)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    Ok(rows.into_iter().map(|(id, fence, busy)| (id, InHand { fence, busy: busy > 0 })).collect())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
