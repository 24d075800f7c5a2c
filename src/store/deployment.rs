//! Deployments and their manifests. People read and draft them with a permit; a worker moves them on with its lease.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use entities::deployment::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id};
use entities::values::DeploymentState;
use entities::{action, environment, manifest};

use super::action::Lease;
use super::source::Connected;
use super::{Source, Store, Write, page, sql, visible};
use crate::authz::{Held, Permit, Visible, cap};
use crate::domain::deployment::state::State;
use crate::domain::manifest::Manifest;
use crate::error::{Error, Result};
use crate::sys::clock;

/// Adds a draft with the next number of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn create(
    write: &mut Write,
    permit: &Permit<cap::DeploymentCreate>,
    row: Model,
    files: &Manifest,
) -> Result<Model> {
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
    let environments = Query::select()
        .column(environment::Column::Id)
        .from(environment::Entity)
        .cond_where(visible::environments(visible))
        .take();
    let select = Entity::find()
        .filter(Column::EnvironmentId.in_subquery(environments))
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
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(DeploymentState::from(to)))
        .col_expr(Column::StateChangedAt, Expr::value(clock::now()))
        .filter(Column::Id.eq(seen.id))
        .filter(Column::EnvironmentId.eq(permit.key()))
        .filter(Column::State.eq(seen.state))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    if changed.rows_affected == 1 {
        write.changes_deployments(seen.environment_id);
        get(write, permit, seen.id).await
    } else {
        Err(Error::Conflict("the deployment's state changed in the meantime; read it again".to_owned()))
    }
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
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(DeploymentState::from(to)))
        .col_expr(Column::Failure, Expr::value(failure))
        .col_expr(Column::StateChangedAt, Expr::value(clock::now()))
        .filter(Column::Id.eq(lease.action().deployment_id))
        .filter(Expr::exists(lease.held()))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)?;
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
    if let Some(before) = before {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(DeploymentState::Ready))
            .col_expr(Column::StateChangedAt, Expr::value(now))
            .filter(Column::Id.eq(before))
            .filter(Column::State.eq(DeploymentState::Active))
            .exec(write.connection())
            .await
            .map_err(sql)?;
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::value(DeploymentState::Active))
        .col_expr(Column::StateChangedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(write.connection())
        .await
        .map_err(sql)?;
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
