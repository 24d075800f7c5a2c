//! Teams and their members.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, TeamId, UserId};
use entities::{team, team_member};

use super::source::Connected;
use super::{Source, Write, page, sql, visible};
use crate::authz::{Permit, Visible, cap};
use crate::error::Result;

/// Adds a team with its first member. Making one needs nobody's permission but that of the one who signs up.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn create(write: &mut Write, row: team::Model, first: team_member::Model) -> Result<()> {
    let connection = write.connection();
    team::Entity::insert(row.into_active_model()).exec_without_returning(connection).await.map_err(sql)?;
    let first = first.into_active_model();
    team_member::Entity::insert(first).exec_without_returning(connection).await.map_err(sql)?;
    write.bump_epoch().await
}

/// The team that the permit speaks for.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn get(source: &impl Source, permit: &Permit<cap::TeamView>) -> Result<team::Model> {
    let row = team::Entity::find_by_id(TeamId(permit.key())).one(source.connection()).await.map_err(sql)?;
    row.ok_or_else(super::gone("team"))
}

/// Those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::TeamView>,
    ids: &[TeamId],
) -> Result<Vec<team::Model>> {
    let keys = ids.iter().map(|id| id.uuid());
    let select = team::Entity::find().filter(visible::teams(visible)).filter(team::Column::Id.is_in(keys));
    select.all(source.connection()).await.map_err(sql)
}

/// The teams that a user is a member of: everybody may know their own.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_user(source: &impl Source, user: UserId, page: &page::Page) -> Result<page::Rows<team::Model>> {
    use sea_orm::sea_query::Query;
    let mine = Query::select()
        .column(team_member::Column::TeamId)
        .from(team_member::Entity)
        .and_where(team_member::Column::UserId.eq(user))
        .take();
    let select = team::Entity::find().filter(team::Column::Id.in_subquery(mine));
    page::read(source, select, team::Column::Id, page).await
}

/// The personal team of a user.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn personal(source: &impl Source, user: UserId) -> Result<Option<team::Model>> {
    team::Entity::find().filter(team::Column::PersonalUserId.eq(user)).one(source.connection()).await.map_err(sql)
}
