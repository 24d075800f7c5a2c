//! What people want to be told of a project by mail. A subscription is its user's own; whoever makes one may view the project.

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};

use entities::ids::{Id, ProjectId, UserId};
use entities::subscription::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, sql};
use crate::authz::{Permit, cap};
use crate::error::{Error, Result};

/// Keeps what somebody wants to be told of the project that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn set(write: &mut Write, permit: &Permit<cap::ProjectView>, row: Model) -> Result<Model> {
    if row.project_id.uuid() != permit.key() {
        return Err(Error::Internal("a subscription to another project than the permit's".to_owned()));
    }
    let over = OnConflict::columns([Column::UserId, Column::ProjectId])
        .update_columns([Column::Events, Column::OwnFailures])
        .to_owned();
    let insert = Entity::insert(row.clone().into_active_model()).on_conflict(over);
    insert.exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// What somebody wants to be told of the project that the permit speaks for, if they have said so.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn get(source: &impl Source, permit: &Permit<cap::ProjectView>, user: UserId) -> Result<Option<Model>> {
    let key = (user, ProjectId(permit.key()));
    Entity::find_by_id(key).one(source.connection()).await.map_err(sql)
}
