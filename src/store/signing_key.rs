//! Keys that sign tokens, their private half sealed. Knows neither how they are sealed nor what they sign.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use entities::signing_key::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, sql};
use crate::error::Result;
use crate::sys::clock;

/// Every key, the oldest first.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn all(source: &impl Source) -> Result<Vec<Model>> {
    Entity::find().order_by_asc(Column::CreatedAt).all(source.connection()).await.map_err(sql)
}

/// Adds a key; those before it sign nothing new from now on.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn add(write: &mut Write, row: Model) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::RetiredAt, Expr::value(clock::now()))
        .filter(Column::RetiredAt.is_null())
        .exec(write.connection())
        .await
        .map_err(sql)?;
    Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}
