//! Teams. Who is in one is the matter of [`super::team_member`].

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use entities::ids::{Id, TeamId, UserId};
use entities::{organization, team, team_member};

use super::source::Connected;
use super::{Source, Write, binding, page, sql, visible};
use crate::authz::{Permit, Scope, Visible, cap};
use crate::error::{Error, Result};

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

/// The teams that a user is a member of: everybody may know their own, and a key those of them that it may view.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_user(
    source: &impl Source,
    user: UserId,
    carried: Option<&Visible<cap::TeamView>>,
    page: &page::Page,
) -> Result<page::Rows<team::Model>> {
    use sea_orm::sea_query::Query;
    let mine = Query::select()
        .column(team_member::Column::TeamId)
        .from(team_member::Entity)
        .and_where(team_member::Column::UserId.eq(user))
        .take();
    let mut select = team::Entity::find().filter(team::Column::Id.in_subquery(mine));
    if let Some(carried) = carried {
        select = select.filter(visible::teams(carried));
    }
    page::read(source, select, team::Column::Id, page).await
}

/// The personal team of a user.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn personal(source: &impl Source, user: UserId) -> Result<Option<team::Model>> {
    team::Entity::find().filter(team::Column::PersonalUserId.eq(user)).one(source.connection()).await.map_err(sql)
}

/// A team, for whoever changes something about it or gives it something; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(write: &Write, id: TeamId) -> Result<Option<team::Model>> {
    team::Entity::find_by_id(id).one(write.connection()).await.map_err(sql)
}

/// Renames the team that the permit speaks for, if nobody has changed it since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn rename(
    write: &mut Write,
    permit: &Permit<cap::TeamUpdate>,
    name: String,
    expected_version: i32,
) -> Result<team::Model> {
    let id = TeamId(permit.key());
    let changed = team::Entity::update_many()
        .col_expr(team::Column::Name, name.into())
        .col_expr(team::Column::Version, (expected_version + 1).into())
        .filter(team::Column::Id.eq(id))
        .filter(team::Column::Version.eq(expected_version))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let row = find(write, id).await?.ok_or_else(super::gone("team"))?;
    if changed.rows_affected == 1 { Ok(row) } else { Err(super::changed_meanwhile(row.version)) }
}

/// Removes the team with its memberships and everything that it holds.
///
/// # Errors
/// `FailedPrecondition` for a personal team, and while the team manages organizations.
pub async fn delete(write: &mut Write, permit: &Permit<cap::TeamDelete>) -> Result<team::Model> {
    let id = TeamId(permit.key());
    let row = find(write, id).await?.ok_or_else(super::gone("team"))?;
    let refused = |reason, message: &str| Err(Error::FailedPrecondition { reason, message: message.to_owned() });
    if row.personal_user_id.is_some() {
        return refused("PERSONAL_TEAM", "a personal team stays as long as its person");
    }
    let managed = organization::Entity::find().filter(organization::Column::TeamId.eq(id));
    if managed.count(write.connection()).await.map_err(sql)? > 0 {
        let text = "the team manages organizations; transfer or delete them first";
        return refused("TEAM_MANAGES_ORGANIZATIONS", text);
    }
    binding::remove_of_team(write, id).await?;
    binding::remove_at(write, &[id.uuid()]).await?;
    team::Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(row)
}

/// The teams among these scopes.
pub(super) async fn among<'a>(
    source: &impl Source,
    scopes: impl Iterator<Item = &'a Scope>,
) -> Result<Vec<team::Model>> {
    let keys: Vec<_> = scopes.filter(|scope| matches!(scope, Scope::Team(_))).map(|scope| scope.uuid()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let select = team::Entity::find().filter(team::Column::Id.is_in(keys));
    select.all(source.connection()).await.map_err(sql)
}
