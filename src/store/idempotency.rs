//! Answers kept for the retries of mutations, 24 hours long.

use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::idempotency_key::{Column, Entity, Model};
use entities::ids::UserId;

use super::{Store, sql};
use crate::error::Result;
use crate::sys::clock;

/// What is known of a key.
#[derive(Debug)]
pub enum Known {
    /// It is new, and now taken by this request.
    New,
    /// It was used; `response` is none while that request still runs.
    Used {
        /// Digest of the request that used it.
        request_digest: String,
        /// Its answer.
        response: Option<String>,
    },
}

/// Takes a key for a request, or tells who has it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn take(store: &Store, user: UserId, key: &str, request_digest: &str) -> Result<Known> {
    let now = clock::now();
    let expired = now - TimeDelta::hours(24);
    Entity::delete_many().filter(Column::CreatedAt.lt(expired)).exec(&store.db).await.map_err(sql)?;
    let row = Model {
        user_id: user,
        key: key.to_owned(),
        request_digest: request_digest.to_owned(),
        response: None,
        created_at: now,
    };
    let once = OnConflict::columns([Column::UserId, Column::Key]).do_nothing().to_owned();
    let inserted = Entity::insert(row.into_active_model()).on_conflict(once).exec_without_returning(&store.db).await;
    if inserted.map_err(sql)? == 1 {
        return Ok(Known::New);
    }
    let row = Entity::find_by_id((user, key.to_owned())).one(&store.db).await.map_err(sql)?;
    Ok(row.map_or(Known::New, |row| Known::Used { request_digest: row.request_digest, response: row.response }))
}

/// Keeps the answer, or forgets the key when there is none worth keeping.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn settle(store: &Store, user: UserId, key: &str, response: Option<String>) -> Result<()> {
    let mine = |column: Column| column.eq(user);
    match response {
        Some(text) => {
            let update = Entity::update_many().col_expr(Column::Response, Expr::value(text));
            update.filter(mine(Column::UserId)).filter(Column::Key.eq(key)).exec(&store.db).await.map_err(sql)?;
        }
        None => {
            Entity::delete_by_id((user, key.to_owned())).exec(&store.db).await.map_err(sql)?;
        }
    }
    Ok(())
}
