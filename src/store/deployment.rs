//! Deployments and their manifests. People read and draft them with a permit; a worker moves them on with its lease.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
};

use entities::deployment::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id};
use entities::values::{Cause, DeploymentKind, DeploymentState};
use entities::{action, environment, manifest};

use super::action::Lease;
use super::source::Connected;
use super::{Source, Store, Write, deployment_event, page, sql, visible};
use crate::authz::{Held, Permit, Visible, cap};
use crate::domain::deployment::state::{State, Subject};
use crate::domain::manifest::Manifest;
use crate::error::{Error, Result};
use crate::sys::clock;

/// Adds a deployment with the next number of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn create<C: Held>(write: &mut Write, permit: &Permit<C>, row: Model, files: &Manifest) -> Result<Model> {
    if row.environment_id.uuid() != permit.key() {
        return Err(Error::Internal("a deployment for another environment than the permit's".to_owned()));
    }
    let number = super::environment::take_number(write, row.environment_id).await?;
    let row = Model { number, ..row };
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    let entries = serde_json::to_value(files).map_err(|e| Error::Internal(e.to_string()))?;
    let files = manifest::ActiveModel { deployment_id: Set(row.id), entries: Set(entries) };
    manifest::Entity::insert(files).exec_without_returning(write.connection()).await.map_err(sql)?;
    deployment_event::of_write(write, row.id, row.state, Cause::User).await?;
    write.changes_deployments(row.environment_id);
    Ok(row)
}

/// A deployment of the environment that the permit speaks for, whatever capability it was taken for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get<C: Held>(source: &impl Source, permit: &Permit<C>, id: DeploymentId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::EnvironmentId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("deployment"))
}

/// The same for a change of its state: nobody else moves it until the change is made.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn lock<C: Held>(write: &Write, permit: &Permit<C>, id: DeploymentId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::EnvironmentId.eq(permit.key()));
    locked(write, select).await?.ok_or_else(super::gone("deployment"))
}

/// What is selected, locked until the change is made.
pub(super) async fn locked(write: &Write, select: Select<Entity>) -> Result<Option<Model>> {
    // SQLite has one writer, and this is it.
    let select = if write.is_postgres() { select.lock_exclusive() } else { select };
    select.one(write.connection()).await.map_err(sql)
}

/// The deployment with this number.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get_by_number(source: &impl Source, permit: &Permit<cap::DeploymentView>, number: i32) -> Result<Model> {
    let select = Entity::find().filter(Column::EnvironmentId.eq(permit.key())).filter(Column::Number.eq(number));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("deployment"))
}

/// A page of an environment's deployments.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::DeploymentView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::EnvironmentId.eq(permit.key())), Column::Id, page).await
}

/// The states of all deployments of the environment that the permit speaks for, and since when.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn states<C: Held>(
    source: &impl Source,
    permit: &Permit<C>,
) -> Result<Vec<(DeploymentId, DeploymentState, DateTime<Utc>)>> {
    let columns = [Column::Id, Column::State, Column::StateChangedAt];
    let select = Entity::find().select_only().columns(columns).filter(Column::EnvironmentId.eq(permit.key()));
    select.order_by_asc(Column::StateChangedAt).into_tuple().all(source.connection()).await.map_err(sql)
}

/// Those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::DeploymentView>,
    ids: &[DeploymentId],
) -> Result<Vec<Model>> {
    let select = Entity::find()
        .filter(Column::EnvironmentId.in_subquery(visible::environment_ids(visible)))
        .filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())));
    select.all(source.connection()).await.map_err(sql)
}

/// The files of a deployment that [`get`] returned.
///
/// # Errors
/// `Internal` when what is stored is no manifest.
pub async fn manifest(source: &impl Source, deployment: &Model) -> Result<Manifest> {
    let row = manifest::Entity::find_by_id(deployment.id).one(source.connection()).await.map_err(sql)?;
    parsed(row.ok_or_else(super::gone("deployment"))?)
}

/// A stored manifest.
pub(super) fn parsed(row: manifest::Model) -> Result<Manifest> {
    serde_json::from_value(row.entries).map_err(|e| Error::Internal(format!("manifest of {}: {e}", row.deployment_id)))
}

/// Moves a deployment from the state that was seen to the next one, for somebody who holds `C` there.
///
/// # Errors
/// `Conflict` when its state changed in the meantime.
pub async fn set_state<C: Held>(write: &mut Write, permit: &Permit<C>, seen: &Model, to: State) -> Result<Model> {
    if seen.environment_id.uuid() != permit.key() {
        return Err(Error::Internal("a deployment of another environment than the permit's".to_owned()));
    }
    move_on(write, seen, to, Cause::User).await
}

/// The same for what happens by itself.
pub(super) async fn move_on(write: &mut Write, seen: &Model, to: State, cause: Cause) -> Result<Model> {
    let (state, now) = (DeploymentState::from(to), clock::now());
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::StateChangedAt, Expr::value(now))
        .filter(Column::Id.eq(seen.id))
        .filter(Column::State.eq(seen.state))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    if changed.rows_affected != 1 {
        return Err(Error::Conflict("the deployment's state changed in the meantime; read it again".to_owned()));
    }
    deployment_event::of_write(write, seen.id, state, cause).await?;
    write.changes_deployments(seen.environment_id);
    Ok(Model { state, state_changed_at: now, ..seen.clone() })
}

/// The deployment that a worker has in hand.
///
/// # Errors
/// `NotFound` when it was deleted with its environment.
pub async fn leased(store: &Store, lease: &Lease) -> Result<Model> {
    let row = Entity::find_by_id(lease.action().deployment_id).one(&store.db).await.map_err(sql)?;
    row.ok_or_else(super::gone("deployment"))
}

/// Moves the deployment that a worker has in hand; `failure` says why for people, when it failed.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's.
pub async fn advance(store: &Store, lease: &Lease, to: State, failure: Option<&str>) -> Result<()> {
    let (id, state) = (lease.action().deployment_id, DeploymentState::from(to));
    let tx = store.begin_write().await?;
    let before = Entity::find_by_id(id).one(&tx).await.map_err(sql)?.ok_or_else(super::gone("deployment"))?;
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Failure, Expr::value(failure))
        .col_expr(Column::StateChangedAt, Expr::value(clock::now()))
        .filter(Column::Id.eq(id))
        .filter(Expr::exists(lease.held()))
        .exec(&tx)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)?;
    // A step that runs again after a crash says nothing new.
    if before.state != state {
        deployment_event::of_lease(&tx, lease, id, state, failure).await?;
    }
    tx.commit().await.map_err(sql)?;
    store.tell_deployments_changed(lease.action().environment_id).await
}

/// Points the environment's link at the deployment that a worker has in hand; the one before becomes ready again.
///
/// `pin` keeps later automatic deployments from overtaking it.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's, or when the action expected another active deployment.
pub async fn activate(write: &mut Write, lease: &Lease, pin: bool) -> Result<Option<DeploymentId>> {
    let id = lease.action().deployment_id;
    let environment = environment_of(write, lease).await?;
    let before = environment.active_deployment_id;
    let expected = lease.action().expected_deployment_id;
    if expected.is_some() && expected != before {
        return Err(Error::Conflict("another deployment became the active one in the meantime".to_owned()));
    }
    let now = clock::now();
    let moves = before.map(|before| (before, DeploymentState::Ready));
    for (moved, state) in moves.into_iter().chain([(id, DeploymentState::Active)]) {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::StateChangedAt, Expr::value(now))
            .filter(Column::Id.eq(moved))
            .exec(write.connection())
            .await
            .map_err(sql)?;
        let reason = lease.action().reason.as_deref();
        deployment_event::of_lease(write.connection(), lease, moved, state, reason).await?;
    }
    environment::Entity::update_many()
        .col_expr(environment::Column::ActiveDeploymentId, Expr::value(id))
        .col_expr(environment::Column::PinnedDeploymentId, Expr::value(pin.then_some(id)))
        .filter(environment::Column::Id.eq(environment.id))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let changed = action::Entity::update_many()
        .col_expr(action::Column::PreviousDeploymentId, Expr::value(before))
        .filter(action::Column::Id.eq(lease.action().id))
        .filter(action::Column::Fence.eq(lease.fence()))
        // From here on there is no way back, so whoever wants it stopped must not have come first.
        .filter(action::Column::CancelRequestedAt.is_null())
        .exec(write.connection())
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)?;
    write.changes_deployments(environment.id);
    Ok(before)
}

/// Whether the environment's link points to the deployment that a worker has in hand.
///
/// # Errors
/// `NotFound` when the environment was deleted.
pub async fn has_link(store: &Store, lease: &Lease) -> Result<bool> {
    let environment = environment_of(store, lease).await?;
    Ok(environment.active_deployment_id == Some(lease.action().deployment_id))
}

async fn environment_of(source: &impl Source, lease: &Lease) -> Result<environment::Model> {
    let id: EnvironmentId = lease.action().environment_id;
    super::environment::find(source, id).await?.ok_or_else(super::gone("environment"))
}

/// What the decision about an action on it rests on.
pub fn subject(row: &Model, restarting: bool) -> Subject {
    Subject { state: row.state.into(), program: row.kind == DeploymentKind::Process, restarting }
}

impl From<DeploymentState> for State {
    fn from(state: DeploymentState) -> Self {
        match state {
            DeploymentState::Draft => Self::Draft,
            DeploymentState::Queued => Self::Queued,
            DeploymentState::Building => Self::Building,
            DeploymentState::Starting => Self::Starting,
            DeploymentState::Ready => Self::Ready,
            DeploymentState::Active => Self::Active,
            DeploymentState::Failed => Self::Failed,
            DeploymentState::Cancelled => Self::Cancelled,
            DeploymentState::Skipped => Self::Skipped,
            DeploymentState::Retired => Self::Retired,
            DeploymentState::Reviving => Self::Reviving,
            DeploymentState::Deleted => Self::Deleted,
        }
    }
}

impl From<State> for DeploymentState {
    fn from(state: State) -> Self {
        match state {
            State::Draft => Self::Draft,
            State::Queued => Self::Queued,
            State::Building => Self::Building,
            State::Starting => Self::Starting,
            State::Ready => Self::Ready,
            State::Active => Self::Active,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Skipped => Self::Skipped,
            State::Retired => Self::Retired,
            State::Reviving => Self::Reviving,
            State::Deleted => Self::Deleted,
        }
    }
}
