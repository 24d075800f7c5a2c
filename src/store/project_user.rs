//! Users of the machine, one for each project. Like routes, they are the machine room's own: nobody asks for them.

use std::ops::RangeInclusive;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, SqlErr};

use entities::ids::ProjectId;
use entities::project_user::{Column, Entity, Model};

use super::{Store, sql};
use crate::error::{Error, Result};

/// Others may take the number that looked free.
const TRIES: u32 = 50;

/// The user of a project: the same for as long as the project is there, and nobody else's meanwhile.
///
/// # Errors
/// `Unavailable` when every number of the range is taken, or the database does not answer.
pub async fn of(store: &Store, project: ProjectId, range: &RangeInclusive<u32>) -> Result<u32> {
    for _ in 0..TRIES {
        if let Some(row) = Entity::find_by_id(project).one(&store.db).await.map_err(sql)? {
            return u32::try_from(row.number).map_err(|e| Error::Internal(format!("user of {project}: {e}")));
        }
        let number = i64::from(free(store, range).await?);
        let row = Model { project_id: project, number }.into_active_model();
        match Entity::insert(row).exec_without_returning(&store.db).await {
            Ok(_) => {}
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {}
            Err(error) => return Err(sql(error)),
        }
    }
    Err(Error::Unavailable("too many projects want a user at the same time".to_owned()))
}

/// The number above the highest; when the range ends there, the lowest that is free.
async fn free(store: &Store, range: &RangeInclusive<u32>) -> Result<u32> {
    let (first, last) = (*range.start(), *range.end());
    let within = Column::Number.between(i64::from(first), i64::from(last));
    let numbers = || Entity::find().select_only().column(Column::Number).filter(within.clone());
    let highest: Option<i64> =
        numbers().order_by_desc(Column::Number).into_tuple().one(&store.db).await.map_err(sql)?;
    let next = highest.map_or(i64::from(first), |highest| highest + 1);
    if next <= i64::from(last) {
        return u32::try_from(next).map_err(|e| Error::Internal(e.to_string()));
    }
    let taken: Vec<i64> = numbers().order_by_asc(Column::Number).into_tuple().all(&store.db).await.map_err(sql)?;
    let hole = range.clone().zip(taken).find(|(number, taken)| i64::from(*number) != *taken);
    let full = || Error::Unavailable(format!("every user from {first} to {last} has a project; widen `users`"));
    hole.map(|(number, _)| number).ok_or_else(full)
}
