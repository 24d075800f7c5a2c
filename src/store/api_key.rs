//! Keys of users and service accounts. A key is its holder's; those of a service account are for whoever manages it.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};

use entities::api_key::{Column, Entity, Model};
use entities::ids::{ApiKeyId, UserId};

use super::source::Connected;
use super::{Source, Store, Write, page, service_account, sql, user};
use crate::authz::{Permit, Scope, cap};
use crate::error::{Error, Result};

/// Keeps a key of whoever makes the change.
///
/// # Errors
/// `Internal` when it is somebody else's.
pub async fn create_own(write: &mut Write, row: Model) -> Result<Model> {
    if write.entry().actor != Some(row.user_id) {
        return Err(Error::Internal("a key of somebody else".to_owned()));
    }
    insert(write, row).await
}

/// Keeps a key of a service account of the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when the holder is none.
pub async fn create(write: &mut Write, permit: &Permit<cap::ServiceAccountManage>, row: Model) -> Result<Model> {
    must_manage(write, permit, row.user_id).await?;
    insert(write, row).await
}

async fn insert(write: &Write, row: Model) -> Result<Model> {
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

async fn must_manage(source: &impl Source, permit: &Permit<cap::ServiceAccountManage>, holder: UserId) -> Result<()> {
    let account = service_account::find(source, holder).await?.filter(|row| row.scope_id == permit.key());
    account.map(|_| ()).ok_or_else(super::gone("service account"))
}

/// A key, for finding out what revoking it needs; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: ApiKeyId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Ends a key of whoever makes the change.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn revoke_own(write: &mut Write, id: ApiKeyId) -> Result<()> {
    let actor = write.entry().actor.ok_or_else(super::gone("key"))?;
    end(write, id, actor).await
}

/// Ends a key of a service account of the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn revoke(
    write: &mut Write,
    permit: &Permit<cap::ServiceAccountManage>,
    holder: UserId,
    id: ApiKeyId,
) -> Result<()> {
    must_manage(write, permit, holder).await?;
    end(write, id, holder).await
}

async fn end(write: &Write, id: ApiKeyId, holder: UserId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::UserId.eq(holder)).exec(write.connection()).await;
    if gone.map_err(sql)?.rows_affected == 0 { Err(super::gone("key")()) } else { Ok(()) }
}

/// The key with this hash, unless it has expired or its holder is suspended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn live(store: &Store, hash: &str, now: DateTime<Utc>) -> Result<Option<Model>> {
    let select = Entity::find()
        .filter(Column::Hash.eq(hash))
        .filter(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now)))
        .filter(Column::UserId.in_subquery(user::in_good_standing()));
    select.one(&store.db).await.map_err(sql)
}

/// Notes that a key is used, to a minute. It is no change that anybody made, so no entry tells of it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn note_use(store: &Store, id: ApiKeyId, now: DateTime<Utc>) -> Result<()> {
    let long_ago = Column::LastUsedAt.lte(now - TimeDelta::minutes(1));
    let update = Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Condition::any().add(Column::LastUsedAt.is_null()).add(long_ago));
    update.exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// A page of the keys of a user, for themselves.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_user(source: &impl Source, user: UserId, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::UserId.eq(user)), Column::Id, page).await
}

/// A page of the keys of a service account of the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn of_service_account(
    source: &impl Source,
    permit: &Permit<cap::ServiceAccountManage>,
    account: UserId,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    must_manage(source, permit, account).await?;
    of_user(source, account, page).await
}

/// The scope that a key is narrowed to.
pub fn scope(row: &Model) -> Option<Scope> {
    row.scope_kind.zip(row.scope_id).map(|(kind, key)| super::facts::scope(kind, key))
}
