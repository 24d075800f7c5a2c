//! Deployments that were asked of a repository: a queue that survives a crash. Whoever works on one has it leased.

use std::time::Duration;

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, SqlErr};

use entities::git_request::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id};
use entities::values::{GitOrigin, GitRequestState};

use super::source::Connected;
use super::{Source, Store, Write, page, sql};
use crate::authz::{Permit, cap};
use crate::error::{Error, Result};
use crate::sys::clock;

/// Requests of one environment that may wait.
const MOST_WAITING: u64 = 20;

/// Queues a request for the environment that the permit speaks for.
///
/// # Errors
/// `FailedPrecondition` when too many wait there.
pub async fn add(write: &mut Write, permit: &Permit<cap::DeploymentCreate>, row: Model) -> Result<Model> {
    if row.environment_id.uuid() != permit.key() {
        return Err(Error::Internal("a request for another environment than the permit's".to_owned()));
    }
    insert(write, row).await
}

/// Queues what a push or a deploy hook asks for; in whose name is judged when it is done. False when the same waits already.
///
/// # Errors
/// `FailedPrecondition` when too many wait there.
pub async fn arrange(write: &mut Write, row: Model) -> Result<bool> {
    let same = waiting(row.environment_id)
        .filter(Column::RefKind.eq(row.ref_kind))
        .filter(Column::RefName.eq(&row.ref_name))
        .filter(Column::Origin.eq(row.origin))
        .filter(Column::ActsAs.eq(row.acts_as));
    if row.origin == GitOrigin::Push && same.count(write.connection()).await.map_err(sql)? > 0 {
        return Ok(false);
    }
    insert(write, row).await.map(|_| true)
}

async fn insert(write: &mut Write, row: Model) -> Result<Model> {
    if waiting(row.environment_id).count(write.connection()).await.map_err(sql)? >= MOST_WAITING {
        let message = "too many deployments from the repository wait here; wait for some of them".to_owned();
        return Err(Error::FailedPrecondition { reason: "TOO_MANY_WAITING", message });
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

fn waiting(environment: EnvironmentId) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::EnvironmentId.eq(environment)).filter(Column::State.eq(GitRequestState::Queued))
}

/// What keeps anything that deploys by itself from an environment: a word for programs, and one for people.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn obstacle(source: &impl Source, id: EnvironmentId) -> Result<Option<(&'static str, &'static str)>> {
    let environment = super::environment::find(source, id).await?.ok_or_else(super::gone("environment"))?;
    if environment.pinned_deployment_id.is_some() {
        return Ok(Some(("ENVIRONMENT_PINNED", "a rollback has pinned the environment; deploy by hand")));
    }
    if environment.frozen_at.is_some() {
        return Ok(Some(("ENVIRONMENT_FROZEN", "the environment is frozen against deployments; thaw it first")));
    }
    Ok(None)
}

/// A page of the requests of an environment.
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

/// Leases the oldest request that nobody works on, of an environment in which none is worked on.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn claim(store: &Store, owner: &str, lease: Duration) -> Result<Option<Model>> {
    let now = clock::now().timestamp_millis();
    let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
    let busy = Query::select()
        .column(Column::EnvironmentId)
        .from(Entity)
        .and_where(Column::State.eq(GitRequestState::Running))
        .take();
    let abandoned = Condition::all().add(Column::State.eq(GitRequestState::Running)).add(Column::LeaseUntilMs.lt(now));
    let next = Condition::all()
        .add(Column::State.eq(GitRequestState::Queued))
        .add(Column::EnvironmentId.not_in_subquery(busy));
    let select = Entity::find().filter(Condition::any().add(next).add(abandoned)).order_by_asc(Column::Id);
    let Some(row) = select.one(store.connection()).await.map_err(sql)? else { return Ok(None) };
    let claimed = Entity::update_many()
        .col_expr(Column::State, Expr::value(GitRequestState::Running))
        .col_expr(Column::LeaseOwner, Expr::value(owner))
        .col_expr(Column::LeaseUntilMs, Expr::value(until))
        .filter(Column::Id.eq(row.id))
        .filter(Column::State.eq(row.state))
        .filter(Column::LeaseUntilMs.eq(row.lease_until_ms));
    match claimed.exec(store.connection()).await {
        Ok(result) if result.rows_affected == 1 => {
            Ok(Some(Model { lease_until_ms: until, state: GitRequestState::Running, ..row }))
        }
        Ok(_) => Ok(None),
        // Two workers met in one environment; the partial unique index let one of them through.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(None),
        Err(error) => Err(sql(error)),
    }
}

/// Lets go of everything that this owner had leased before it ended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn release_all(store: &Store, owner: &str) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::LeaseUntilMs, Expr::value(0_i64))
        .filter(Column::LeaseOwner.eq(owner))
        .filter(Column::State.eq(GitRequestState::Running));
    update.exec(store.connection()).await.map_err(sql)?;
    Ok(())
}

/// Notes the commit that was found and the deployment that is made of it, before that is deployed: whoever goes on with the
/// request does not make another.
///
/// # Errors
/// `Conflict` when somebody else works on it by now.
pub async fn note(store: &Store, row: &Model, commit: &str, deployment: DeploymentId) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::CommitId, Expr::value(commit))
        .col_expr(Column::DeploymentId, Expr::value(deployment));
    leased(store, row, update).await
}

/// Ends a request.
///
/// # Errors
/// `Conflict` when somebody else works on it by now.
pub async fn end(store: &Store, row: &Model, state: GitRequestState, failure: Option<&str>) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Failure, Expr::value(failure))
        .col_expr(Column::FinishedAt, Expr::value(clock::now()));
    leased(store, row, update).await
}

async fn leased(store: &Store, row: &Model, update: sea_orm::UpdateMany<Entity>) -> Result<()> {
    let update = update.filter(Column::Id.eq(row.id)).filter(Column::LeaseUntilMs.eq(row.lease_until_ms));
    let changed = update.filter(Column::State.eq(GitRequestState::Running)).exec(store.connection()).await;
    if changed.map_err(sql)?.rows_affected == 1 {
        return Ok(());
    }
    Err(Error::Conflict("another worker took over this request".to_owned()))
}
