//! Sessions and their refresh tokens. Whoever holds the token owns the row; there is no permit for it.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use entities::ids::{Id, SessionId, UserId};
use entities::{refresh_token, session};

use super::source::Connected;
use super::{Source, Write, sql};
use crate::error::Result;
use crate::sys::clock;

/// Begins a session.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn create(write: &mut Write, row: session::Model) -> Result<()> {
    let active = row.into_active_model();
    session::Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// Keeps the hash of a refresh token.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn add_token(write: &mut Write, row: refresh_token::Model) -> Result<()> {
    let active = row.into_active_model();
    refresh_token::Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// The token with this hash and its session.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find_token(write: &Write, hash: &str) -> Result<Option<(refresh_token::Model, session::Model)>> {
    let connection = write.connection();
    let Some(token) = refresh_token::Entity::find_by_id(hash).one(connection).await.map_err(sql)? else {
        return Ok(None);
    };
    let session = session::Entity::find_by_id(token.session_id).one(connection).await.map_err(sql)?;
    Ok(session.map(|session| (token, session)))
}

/// Marks a token as exchanged; false when somebody else did so first.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn use_token(write: &mut Write, hash: &str) -> Result<bool> {
    let done = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::UsedAt, Expr::value(clock::now()))
        .filter(refresh_token::Column::Hash.eq(hash))
        .filter(refresh_token::Column::UsedAt.is_null())
        .exec(write.connection())
        .await
        .map_err(sql)?;
    Ok(done.rows_affected == 1)
}

/// Ends a session for good; fine when it has ended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn end(write: &mut Write, id: SessionId, reason: &str) -> Result<()> {
    session::Entity::update_many()
        .col_expr(session::Column::EndedAt, Expr::value(clock::now()))
        .col_expr(session::Column::EndedReason, Expr::value(reason))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::EndedAt.is_null())
        .exec(write.connection())
        .await
        .map_err(sql)?;
    Ok(())
}

/// Ends every session of a user.
pub(super) async fn end_all_of(write: &mut Write, user: UserId, reason: &str) -> Result<()> {
    session::Entity::update_many()
        .col_expr(session::Column::EndedAt, Expr::value(clock::now()))
        .col_expr(session::Column::EndedReason, Expr::value(reason))
        .filter(session::Column::UserId.eq(user))
        .filter(session::Column::EndedAt.is_null())
        .exec(write.connection())
        .await
        .map_err(sql)?;
    Ok(())
}

/// The user of a session that has neither ended nor expired, unless they are suspended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn live_user(source: &impl Source, id: SessionId) -> Result<Option<UserId>> {
    let row = session::Entity::find_by_id(id)
        .filter(session::Column::EndedAt.is_null())
        .filter(session::Column::UserId.in_subquery(super::user::in_good_standing()))
        .filter(session::Column::ExpiresAt.gt(clock::now()))
        .one(source.connection())
        .await
        .map_err(sql)?;
    Ok(row.map(|session| session.user_id))
}

/// Those of these sessions that have neither ended nor expired.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn live_of(source: &impl Source, ids: &[SessionId]) -> Result<Vec<SessionId>> {
    session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
        .filter(session::Column::EndedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(clock::now()))
        .into_tuple()
        .all(source.connection())
        .await
        .map_err(sql)
}
