//! Durable deployment actions: a leased table. A lease is the proof that a worker may move an action on; every change made
//! under it carries its fence, so that a worker that slept past its lease changes nothing.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use entities::action::{Column, Entity, Model};
use entities::action_step;
use entities::ids::DeploymentId;
use entities::values::ActionState;

use super::source::Connected;
use super::{Store, Write, sql};
use crate::authz::{Held, Permit, Visible, cap};
use crate::error::{Error, Result};
use crate::sys::clock;

const UNFINISHED: [ActionState; 2] = [ActionState::Running, ActionState::Undoing];

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
    Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
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
    use entities::environment;
    let environments = Query::select()
        .column(environment::Column::Id)
        .from(environment::Entity)
        .cond_where(super::visible::environments(visible))
        .take();
    let newer = Query::select()
        .expr(Expr::value(1))
        .from_as(Entity, "newer")
        .and_where(Expr::col(("newer", Column::DeploymentId)).equals((Entity, Column::DeploymentId)))
        .and_where(Expr::col(("newer", Column::Id)).gt(Expr::col((Entity, Column::Id))))
        .take();
    let select = Entity::find()
        .filter(Column::EnvironmentId.in_subquery(environments))
        .filter(Column::DeploymentId.is_in(deployments.iter().map(|id| id.0)))
        .filter(Expr::exists(newer).not());
    select.all(&store.db).await.map_err(sql)
}

/// Leases the next action that nobody works on: one whose worker is gone, or the oldest queued one of an environment in
/// which nothing runs.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn claim(store: &Store, owner: &str, lease: Duration) -> Result<Option<Lease>> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let tx = store.db.begin_with_options(options).await.map_err(sql)?;
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
        // Two workers met in one environment; the partial unique index let one of them through.
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
    let busy =
        Query::select().column(Column::EnvironmentId).from(Entity).and_where(Column::State.is_in(UNFINISHED)).take();
    let waiting = Entity::find()
        .filter(Column::State.eq(ActionState::Queued))
        .filter(Column::EnvironmentId.not_in_subquery(busy))
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

/// Moves the action itself; an end is final.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's.
pub async fn set_state(store: &Store, lease: &Lease, state: ActionState, error: Option<&str>) -> Result<()> {
    let ended = matches!(state, ActionState::Succeeded | ActionState::Failed);
    let mut update = Entity::update_many().col_expr(Column::State, Expr::value(state));
    if let Some(error) = error {
        update = update.col_expr(Column::Error, Expr::value(error));
    }
    if ended {
        update = update.col_expr(Column::FinishedAt, Expr::value(clock::now()));
    }
    let changed = update
        .filter(Column::Id.eq(lease.action.id))
        .filter(Column::Fence.eq(lease.action.fence))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)
}

/// The highest fence of an environment's actions: what a reconciler's calls carry.
pub(super) async fn highest_fences(
    store: &Store,
) -> Result<std::collections::HashMap<entities::ids::EnvironmentId, i64>> {
    let rows: Vec<(entities::ids::EnvironmentId, i64)> = Entity::find()
        .select_only()
        .column(Column::EnvironmentId)
        .column_as(Column::Fence.max(), "fence")
        .group_by(Column::EnvironmentId)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    Ok(rows.into_iter().collect())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
