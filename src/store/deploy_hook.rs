//! Addresses that deploy when they are called. Of their secret only a digest is here.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use entities::deploy_hook::{Column, Entity, Model};
use entities::ids::{DeployHookId, Id, UserId};

use super::source::Connected;
use super::{Source, Store, Write, page, sql};
use crate::authz::{Held, Permit, Scope, cap};
use crate::error::{Error, Result};

/// Hooks that one environment may have.
const MOST: u64 = 50;

/// Adds a hook to the environment that the permit speaks for.
///
/// # Errors
/// `FailedPrecondition` when there are too many.
pub async fn create(write: &mut Write, permit: &Permit<cap::DeployHookCreate>, row: Model) -> Result<Model> {
    if row.environment_id.uuid() != permit.key() {
        return Err(Error::Internal("a hook for another environment than the permit's".to_owned()));
    }
    let there = Entity::find().filter(Column::EnvironmentId.eq(permit.key())).count(write.connection()).await;
    if there.map_err(sql)? >= MOST {
        let message = format!("an environment has at most {MOST} deploy hooks; delete one first");
        return Err(Error::FailedPrecondition { reason: "TOO_MANY_HOOKS", message });
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// Gives a hook of the permit's environment another secret, and another in whose name it deploys.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn rotate(
    write: &mut Write,
    permit: &Permit<cap::DeployHookUpdate>,
    id: DeployHookId,
    hash: String,
    acts_as: UserId,
) -> Result<Model> {
    let update = Entity::update_many()
        .col_expr(Column::Hash, Expr::value(hash))
        .col_expr(Column::ActsAs, Expr::value(acts_as))
        .filter(Column::Id.eq(id))
        .filter(Column::EnvironmentId.eq(permit.key()));
    update.exec(write.connection()).await.map_err(sql)?;
    of(write, permit, id).await
}

async fn of<C: Held>(source: &impl Source, permit: &Permit<C>, id: DeployHookId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::EnvironmentId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("deploy hook"))
}

/// Removes a hook of the permit's environment.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::DeployHookDelete>, id: DeployHookId) -> Result<Model> {
    let row = of(write, permit, id).await?;
    Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// A page of the hooks of an environment.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::DeployHookView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::EnvironmentId.eq(permit.key())), Column::Id, page).await
}

/// The environment on which a hook is judged.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: DeployHookId) -> Result<Option<Scope>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| row.environment_id.into()))
}

/// The hook whose secret has this digest: whoever calls has the secret.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn called(store: &Store, hash: &str) -> Result<Option<Model>> {
    Entity::find().filter(Column::Hash.eq(hash)).one(store.connection()).await.map_err(sql)
}

/// Notes that a hook was called, in the change that tells of it; false when it has gone.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn note_use(write: &mut Write, id: DeployHookId, hash: &str, at: DateTime<Utc>) -> Result<bool> {
    let update = Entity::update_many().col_expr(Column::LastUsedAt, Expr::value(at)).filter(Column::Id.eq(id));
    let update = update.filter(Column::Hash.eq(hash)).exec(write.connection()).await.map_err(sql)?;
    Ok(update.rows_affected == 1)
}
