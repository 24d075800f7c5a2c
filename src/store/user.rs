//! Users. Their own row is theirs to read; there is no permit for oneself.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, UserId};
use entities::user::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, sql, sql_or_taken};
use crate::authz::{Permit, cap};
use crate::domain::email::EmailAddress;
use crate::error::{Error, Result};

/// Adds a user.
///
/// # Errors
/// `Conflict` when the address is in use.
pub async fn create(write: &mut Write, row: Model) -> Result<Model> {
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict("an account with this e-mail address exists; sign in instead".to_owned()))
    })?;
    Ok(row)
}

/// The user with this address. For signing in, and for naming the subject of a grant.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find_by_email(source: &impl Source, email: &EmailAddress) -> Result<Option<Model>> {
    Entity::find().filter(Column::Email.eq(email.as_str())).one(source.connection()).await.map_err(sql)
}

/// These users, those that exist, in no order. For names beside things that the viewer may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(source: &impl Source, ids: &[UserId]) -> Result<Vec<Model>> {
    let keys = ids.iter().map(|id| id.uuid());
    Entity::find().filter(Column::Id.is_in(keys)).all(source.connection()).await.map_err(sql)
}

/// One user.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: UserId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Suspends an account since `at`, or lifts that; what is so already stays. The sessions of one that is suspended end.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn set_suspended(
    write: &mut Write,
    _: &Permit<cap::UserManage>,
    id: UserId,
    at: Option<DateTime<Utc>>,
) -> Result<Model> {
    let row = find(write, id).await?.ok_or_else(super::gone("user"))?;
    if row.suspended_at.is_some() == at.is_some() {
        return Ok(row);
    }
    let update = Entity::update_many().col_expr(Column::SuspendedAt, at.into()).filter(Column::Id.eq(id));
    update.exec(write.connection()).await.map_err(sql)?;
    if at.is_some() {
        super::session::end_all_of(write, id, "suspended").await?;
    }
    write.bump_epoch().await?;
    Ok(Model { suspended_at: at, ..row })
}

/// Keys of the users who are not suspended.
pub(super) fn in_good_standing() -> SelectStatement {
    Query::select().column(Column::Id).from(Entity).and_where(Column::SuspendedAt.is_null()).take()
}
