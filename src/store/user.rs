//! Users. Their own row is theirs to read; there is no permit for oneself.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, UserId};
use entities::user::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, sql, sql_or_taken};
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
