//! What each change of authority gave to whom and took from whom: appended by the change itself, read by those who watch.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use entities::access_change::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, sql};
use crate::error::Result;

/// Keeps what the change does, under the epoch that it ends.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn append(write: &mut Write, row: Model) -> Result<()> {
    let row = Model { epoch: write.epoch(), ..row };
    Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// The first `most` changes of the epochs from `since` to before `until`, in their order. Whom they concern is for the caller to filter.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn between(source: &impl Source, since: i64, until: i64, most: usize) -> Result<Vec<Model>> {
    let select = Entity::find().filter(Column::Epoch.gte(since)).filter(Column::Epoch.lt(until));
    select.order_by_asc(Column::Epoch).limit(most as u64).all(source.connection()).await.map_err(sql)
}
