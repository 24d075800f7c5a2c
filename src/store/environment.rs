//! Environments.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};
use uuid::Uuid;

use entities::environment::{Column, Entity, Model};
use entities::ids::{EnvironmentId, Id, ProjectId};

use super::source::Connected;
use super::{Source, Write, binding, page, sql, sql_or_taken, visible};
use crate::authz::{Held, Permit, Visible, cap};
use crate::error::{Error, Result};

/// What a user edits of an environment.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Its display name.
    pub name: String,
    /// Whether it is a production environment.
    pub production: bool,
}

/// Adds an environment to the project that the permit speaks for.
///
/// # Errors
/// `Conflict` when the name is taken there.
pub async fn create(write: &mut Write, permit: &Permit<cap::EnvironmentCreate>, row: Model) -> Result<Model> {
    if row.project_id.uuid() != permit.key() {
        return Err(Error::Internal("an environment for another project than the permit's".to_owned()));
    }
    let slug = row.slug.clone();
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict(format!("an environment named `{slug}` exists here; choose another name")))
    })?;
    write.bump_epoch().await?;
    Ok(row)
}

/// The environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn get(source: &impl Source, permit: &Permit<cap::EnvironmentView>) -> Result<Model> {
    find(source, EnvironmentId(permit.key())).await?.ok_or_else(super::gone("environment"))
}

/// The environment that is about to be changed.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn current<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<Model> {
    find(source, EnvironmentId(permit.key())).await?.ok_or_else(super::gone("environment"))
}

/// Edits it, if nobody has changed it since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn update(
    write: &mut Write,
    permit: &Permit<cap::EnvironmentUpdate>,
    edit: Edit,
    expected_version: i32,
) -> Result<Model> {
    let id = EnvironmentId(permit.key());
    let changed = Entity::update_many()
        .col_expr(Column::Name, edit.name.into())
        .col_expr(Column::Production, edit.production.into())
        .col_expr(Column::Version, (expected_version + 1).into())
        .filter(Column::Id.eq(id))
        .filter(Column::Version.eq(expected_version))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    write.bump_epoch().await?;
    let row = find(write, id).await?.ok_or_else(super::gone("environment"))?;
    if changed.rows_affected == 1 { Ok(row) } else { Err(super::changed_meanwhile(row.version)) }
}

/// Freezes it since `at`, or lifts that; what is so already stays.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn set_frozen(
    write: &mut Write,
    permit: &Permit<cap::EnvironmentFreeze>,
    at: Option<DateTime<Utc>>,
) -> Result<Model> {
    let row = current(write, permit).await?;
    if row.frozen_at.is_some() == at.is_some() {
        return Ok(row);
    }
    let update = Entity::update_many().col_expr(Column::FrozenAt, at.into()).filter(Column::Id.eq(row.id));
    update.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(Model { frozen_at: at, ..row })
}

/// Takes off the pin of a rollback; fine when there is none.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn unpin(write: &mut Write, permit: &Permit<cap::DeploymentRollback>) -> Result<Model> {
    let row = current(write, permit).await?;
    let update = Entity::update_many().col_expr(Column::PinnedDeploymentId, Expr::value(None::<Uuid>));
    update.filter(Column::Id.eq(row.id)).exec(write.connection()).await.map_err(sql)?;
    Ok(Model { pinned_deployment_id: None, ..row })
}

/// Removes it with its deployments; what runs is stopped afterwards by the reconcilers.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn delete(write: &mut Write, permit: &Permit<cap::EnvironmentDelete>) -> Result<()> {
    binding::remove_at(write, &[permit.key()]).await?;
    Entity::delete_by_id(EnvironmentId(permit.key())).exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
}

/// A page of a project's environments that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    visible: &Visible<cap::EnvironmentView>,
    project: ProjectId,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let select = Entity::find().filter(visible::environments(visible)).filter(Column::ProjectId.eq(project));
    page::read(source, select, Column::Id, page).await
}

/// Those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::EnvironmentView>,
    ids: &[EnvironmentId],
) -> Result<Vec<Model>> {
    let keys = ids.iter().map(|id| id.uuid());
    let select = Entity::find().filter(visible::environments(visible)).filter(Column::Id.is_in(keys));
    select.all(source.connection()).await.map_err(sql)
}

/// Takes the next deployment number.
pub(super) async fn take_number(write: &mut Write, id: EnvironmentId) -> Result<i32> {
    Entity::update_many()
        .col_expr(Column::NextNumber, Expr::col(Column::NextNumber).add(1))
        .filter(Column::Id.eq(id))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    let row = find(write, id).await?.ok_or_else(super::gone("environment"))?;
    Ok(row.next_number - 1)
}

pub(super) async fn find(source: &impl Source, id: EnvironmentId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Keys of the environments of a project.
pub(super) async fn keys_of(write: &Write, project: ProjectId) -> Result<Vec<Uuid>> {
    let select = Entity::find().select_only().column(Column::Id).filter(Column::ProjectId.eq(project));
    select.into_tuple().all(write.connection()).await.map_err(sql)
}
