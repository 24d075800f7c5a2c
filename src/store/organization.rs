//! Organizations.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, OrganizationId, TeamId};
use entities::organization::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, binding, page, sql, sql_or_taken, visible};
use crate::authz::{Permit, Scope, Visible, cap};
use crate::error::{Error, Result};

/// Adds an organization to the team that the permit speaks for.
///
/// # Errors
/// `Conflict` when the name is taken.
pub async fn create(write: &mut Write, permit: &Permit<cap::TeamOrganizationCreate>, row: Model) -> Result<Model> {
    if row.team_id.uuid() != permit.key() {
        return Err(Error::Internal("an organization for another team than the permit's".to_owned()));
    }
    let slug = row.slug.clone();
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict(format!("an organization named `{slug}` exists; choose another name")))
    })?;
    write.bump_epoch().await?;
    Ok(row)
}

/// The organization that the permit speaks for.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn get(source: &impl Source, permit: &Permit<cap::OrganizationView>) -> Result<Model> {
    let row = Entity::find_by_id(OrganizationId(permit.key())).one(source.connection()).await.map_err(sql)?;
    row.ok_or_else(super::gone("organization"))
}

/// Renames it, if nobody has changed it since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn rename(
    write: &mut Write,
    permit: &Permit<cap::OrganizationUpdate>,
    name: String,
    expected_version: i32,
) -> Result<Model> {
    let id = OrganizationId(permit.key());
    let changed = Entity::update_many()
        .col_expr(Column::Name, name.into())
        .col_expr(Column::Version, (expected_version + 1).into())
        .filter(Column::Id.eq(id))
        .filter(Column::Version.eq(expected_version))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let row =
        Entity::find_by_id(id).one(write.connection()).await.map_err(sql)?.ok_or_else(super::gone("organization"))?;
    if changed.rows_affected == 1 { Ok(row) } else { Err(super::changed_meanwhile(row.version)) }
}

/// Suspends an organization since `at`, or lifts that, for whoever may remove any; what is so already stays.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn set_suspended(
    write: &mut Write,
    permit: &Permit<cap::OrganizationDelete>,
    id: OrganizationId,
    at: Option<DateTime<Utc>>,
) -> Result<Model> {
    if permit.scope() != Scope::Console {
        return Err(Error::Internal("an organization is suspended by the console alone".to_owned()));
    }
    let row = find(write, id).await?.ok_or_else(super::gone("organization"))?;
    if row.suspended_at.is_some() == at.is_some() {
        return Ok(row);
    }
    let update = Entity::update_many().col_expr(Column::SuspendedAt, at.into()).filter(Column::Id.eq(id));
    update.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(Model { suspended_at: at, ..row })
}

/// An organization, for whoever changes something about it or gives it away; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: OrganizationId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Hands the organization of an offer to the team that accepts it.
///
/// # Errors
/// `NotFound` when it has gone.
pub(super) async fn hand_over(write: &mut Write, id: OrganizationId, team: TeamId) -> Result<Model> {
    let row = find(write, id).await?.ok_or_else(super::gone("organization"))?;
    let update = Entity::update_many().col_expr(Column::TeamId, team.into()).filter(Column::Id.eq(id));
    update.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(Model { team_id: team, ..row })
}

/// Removes it with everything below it.
///
/// # Errors
/// `FailedPrecondition` while it has projects.
pub async fn delete(write: &mut Write, permit: &Permit<cap::OrganizationDelete>) -> Result<()> {
    let id = OrganizationId(permit.key());
    if super::project::exists_in(write, id).await? {
        return Err(Error::FailedPrecondition {
            reason: "ORGANIZATION_NOT_EMPTY",
            message: "the organization has projects; delete them first".to_owned(),
        });
    }
    binding::remove_at(write, &[id.uuid()]).await?;
    Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
}

/// A page of the organizations that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    visible: &Visible<cap::OrganizationView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(visible::organizations(visible)), Column::Id, page).await
}

/// Those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::OrganizationView>,
    ids: &[OrganizationId],
) -> Result<Vec<Model>> {
    let keys = ids.iter().map(|id| id.uuid());
    let select = Entity::find().filter(visible::organizations(visible)).filter(Column::Id.is_in(keys));
    select.all(source.connection()).await.map_err(sql)
}
