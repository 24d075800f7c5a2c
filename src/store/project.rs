//! Projects.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, UpdateMany};

use entities::ids::{Id, OrganizationId, ProjectId};
use entities::project::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, binding, environment, page, sql, sql_or_taken, visible};
use crate::authz::{Permit, Visible, cap};
use crate::domain::deployment::retention::Retention;
use crate::error::{Error, Result};

/// Adds a project to the organization that the permit speaks for.
///
/// # Errors
/// `Conflict` when the name is taken there.
pub async fn create(write: &mut Write, permit: &Permit<cap::ProjectCreate>, row: Model) -> Result<Model> {
    if row.organization_id.uuid() != permit.key() {
        return Err(Error::Internal("a project for another organization than the permit's".to_owned()));
    }
    let slug = row.slug.clone();
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict(format!("a project named `{slug}` exists here; choose another name")))
    })?;
    write.bump_epoch().await?;
    Ok(row)
}

/// The project that the permit speaks for.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn get(source: &impl Source, permit: &Permit<cap::ProjectView>) -> Result<Model> {
    let row = Entity::find_by_id(ProjectId(permit.key())).one(source.connection()).await.map_err(sql)?;
    row.ok_or_else(super::gone("project"))
}

/// Renames it, if nobody has changed it since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn rename(
    write: &mut Write,
    permit: &Permit<cap::ProjectUpdate>,
    name: String,
    expected_version: i32,
) -> Result<Model> {
    let update = Entity::update_many().col_expr(Column::Name, name.into());
    update_at(write, permit, update, expected_version).await
}

/// Says how long it keeps what it does not use, if nobody has changed it since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn set_retention(
    write: &mut Write,
    permit: &Permit<cap::ProjectUpdate>,
    retention: Retention,
    expected_version: i32,
) -> Result<Model> {
    let update = Entity::update_many()
        .col_expr(Column::KeepRunning, retention.keep_running.into())
        .col_expr(Column::RetireAfterMinutes, retention.retire_after_minutes.into())
        .col_expr(Column::KeepDeployments, retention.keep_deployments.into())
        .col_expr(Column::ReviveOnVisit, retention.revive_on_visit.into());
    update_at(write, permit, update, expected_version).await
}

async fn update_at(
    write: &mut Write,
    permit: &Permit<cap::ProjectUpdate>,
    update: UpdateMany<Entity>,
    expected_version: i32,
) -> Result<Model> {
    let id = ProjectId(permit.key());
    let changed = update
        .col_expr(Column::Version, (expected_version + 1).into())
        .filter(Column::Id.eq(id))
        .filter(Column::Version.eq(expected_version))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let row = Entity::find_by_id(id).one(write.connection()).await.map_err(sql)?.ok_or_else(super::gone("project"))?;
    if changed.rows_affected == 1 { Ok(row) } else { Err(super::changed_meanwhile(row.version)) }
}

/// Removes it with everything below it; what runs is stopped afterwards by the reconcilers.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn delete(write: &mut Write, permit: &Permit<cap::ProjectDelete>) -> Result<()> {
    let id = ProjectId(permit.key());
    let mut scopes = environment::keys_of(write, id).await?;
    scopes.push(id.uuid());
    binding::remove_at(write, &scopes).await?;
    Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
}

/// A page of the projects that the actor may see, of one organization or of all.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    visible: &Visible<cap::ProjectView>,
    organization: Option<OrganizationId>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let mut select = Entity::find().filter(visible::projects(visible));
    if let Some(organization) = organization {
        select = select.filter(Column::OrganizationId.eq(organization));
    }
    page::read(source, select, Column::Id, page).await
}

/// Those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::ProjectView>,
    ids: &[ProjectId],
) -> Result<Vec<Model>> {
    let keys = ids.iter().map(|id| id.uuid());
    let select = Entity::find().filter(visible::projects(visible)).filter(Column::Id.is_in(keys));
    select.all(source.connection()).await.map_err(sql)
}

/// Whether an organization has any project.
pub(super) async fn exists_in(write: &Write, organization: OrganizationId) -> Result<bool> {
    let select = Entity::find().filter(Column::OrganizationId.eq(organization));
    Ok(select.count(write.connection()).await.map_err(sql)? > 0)
}
