//! Service accounts: users that are programs, and belong to a scope.

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use entities::ids::{Id, UserId};
use entities::service_account::{Column, Entity, Model};
use entities::{api_key, user};

use super::source::Connected;
use super::{Source, Write, binding, page, sql};
use crate::authz::{Permit, Scope, cap};
use crate::error::{Error, Result};
use crate::sys::clock;

/// Adds a service account to the scope that the permit speaks for.
///
/// # Errors
/// `Internal` when the row sits elsewhere.
pub async fn create(
    write: &mut Write,
    permit: &Permit<cap::ServiceAccountManage>,
    account: user::Model,
    row: Model,
) -> Result<user::Model> {
    if row.scope_id != permit.key() {
        return Err(Error::Internal("a service account of another scope than the permit's".to_owned()));
    }
    let account = super::user::create(write, account).await?;
    Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(account)
}

/// A service account, for finding out what managing it needs; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, user: UserId) -> Result<Option<Model>> {
    Entity::find_by_id(user).one(source.connection()).await.map_err(sql)
}

/// The scope that a service account belongs to, for the permit that follows; none when there is no such account.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, user: UserId) -> Result<Option<Scope>> {
    Ok(find(source, user).await?.as_ref().map(scope))
}

/// The scope that a service account belongs to.
pub fn scope(row: &Model) -> Scope {
    super::facts::scope(row.scope_kind, row.scope_id)
}

/// Ends a service account of the scope that the permit speaks for: its keys and bindings are gone. The account stays as a
/// name in the audit log; it can do nothing.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::ServiceAccountManage>, user: UserId) -> Result<()> {
    let present = find(write, user).await?.is_some_and(|row| row.scope_id == permit.key());
    if !present {
        return Err(super::gone("service account")());
    }
    end(write, &[user]).await
}

/// Ends the service accounts of scopes that are going away.
pub(super) async fn remove_at(write: &mut Write, scopes: &[Uuid]) -> Result<()> {
    let select = Entity::find().filter(Column::ScopeId.is_in(scopes.iter().copied()));
    let rows = select.all(write.connection()).await.map_err(sql)?;
    let users: Vec<UserId> = rows.into_iter().map(|row| row.user_id).collect();
    end(write, &users).await
}

async fn end(write: &mut Write, users: &[UserId]) -> Result<()> {
    for user in users {
        binding::remove_all_of(write, *user).await?;
    }
    let keys = || users.iter().map(|user| user.uuid());
    let connection = write.connection();
    let secrets = api_key::Entity::delete_many().filter(api_key::Column::UserId.is_in(keys()));
    secrets.exec(connection).await.map_err(sql)?;
    let accounts = user::Entity::update_many()
        .col_expr(user::Column::SuspendedAt, clock::now().into())
        .filter(user::Column::Id.is_in(keys()));
    accounts.exec(connection).await.map_err(sql)?;
    Entity::delete_many().filter(Column::UserId.is_in(keys())).exec(connection).await.map_err(sql)?;
    Ok(())
}

/// A page of the service accounts of the scope that the permit speaks for, as users.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::ServiceAccountManage>,
    page: &page::Page,
) -> Result<page::Rows<user::Model>> {
    let here = Query::select().column(Column::UserId).from(Entity).and_where(Column::ScopeId.eq(permit.key())).take();
    page::read(source, user::Entity::find().filter(user::Column::Id.in_subquery(here)), user::Column::Id, page).await
}
