//! Pages of a list, stable under inserts: ordered by id, which is the order of making.

use sea_orm::{ColumnTrait, EntityTrait, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::{Source, sql};
use crate::error::Result;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// At most so many rows.
    pub limit: u64,
    /// Only rows behind this one.
    pub after: Option<Uuid>,
    /// Only rows in front of this one.
    pub before: Option<Uuid>,
    /// The last rows of the part instead of the first.
    pub from_end: bool,
    /// The newest first.
    pub newest_first: bool,
}

/// Rows of one page and whether there are more.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    /// The rows in the list's order.
    pub rows: Vec<T>,
    /// There are rows in front.
    pub has_previous: bool,
    /// There are rows behind.
    pub has_next: bool,
}

/// Reads the page of `select` that `page` describes, ordered by `key`.
pub(super) async fn read<E>(
    source: &impl Source,
    select: Select<E>,
    key: E::Column,
    page: &Page,
) -> Result<Rows<E::Model>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
{
    let mut select = select;
    if let Some(after) = page.after {
        select = select.filter(if page.newest_first { key.lt(after) } else { key.gt(after) });
    }
    if let Some(before) = page.before {
        select = select.filter(if page.newest_first { key.gt(before) } else { key.lt(before) });
    }
    let ascending = page.newest_first == page.from_end;
    select = if ascending { select.order_by_asc(key) } else { select.order_by_desc(key) };
    // One row more than wanted tells whether there are more.
    let mut rows = select.limit(page.limit + 1).all(source.connection()).await.map_err(sql)?;
    let more = rows.len() as u64 > page.limit;
    rows.truncate(page.limit as usize);
    if page.from_end {
        rows.reverse();
    }
    let (has_previous, has_next) =
        if page.from_end { (more, page.before.is_some()) } else { (page.after.is_some(), more) };
    Ok(Rows { rows, has_previous, has_next })
}
