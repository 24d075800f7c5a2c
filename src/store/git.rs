//! Repositories of projects, environments that follow a branch, and deliveries that were taken. What is sealed here is opened
//! elsewhere.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::git_connection::{Column, Entity, Model};
use entities::ids::{EnvironmentId, GitConnectionId, Id};
use entities::{auto_deploy, git_delivery};

use super::source::Connected;
use super::{Source, Store, Write, sql};
use crate::authz::{Held, Permit, cap};
use crate::error::{Error, Result};

/// Connects a repository to the project that the permit speaks for, in place of the one before: whatever deployed from that by
/// itself ends with it, since nobody has arranged to deploy from this one.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn connect(write: &mut Write, permit: &Permit<cap::ConfigurationUpdate>, row: Model) -> Result<Model> {
    if row.project_id.uuid() != permit.key() {
        return Err(Error::Internal("a repository for another project than the permit's".to_owned()));
    }
    disconnect(write, permit).await?;
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// Takes the repository from the project that the permit speaks for; whether there was one.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn disconnect(write: &mut Write, permit: &Permit<cap::ConfigurationUpdate>) -> Result<bool> {
    let delete = Entity::delete_many().filter(Column::ProjectId.eq(permit.key()));
    Ok(delete.exec(write.connection()).await.map_err(sql)?.rows_affected > 0)
}

/// The repository of the project that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_project<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<Option<Model>> {
    let select = Entity::find().filter(Column::ProjectId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)
}

/// The repository of the project of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn of_environment<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<Option<Model>> {
    let environment = super::environment::current(source, permit).await?;
    let select = Entity::find().filter(Column::ProjectId.eq(environment.project_id));
    select.one(source.connection()).await.map_err(sql)
}

/// Gives a repository another credential, or another secret for its pushes; what is none stays.
///
/// # Errors
/// `NotFound` when the project has another repository by now.
pub async fn repair(
    write: &mut Write,
    permit: &Permit<cap::GitRepair>,
    id: GitConnectionId,
    sealed_credential: Option<Vec<u8>>,
    sealed_webhook_secret: Option<Vec<u8>>,
) -> Result<Model> {
    for (column, sealed) in
        [(Column::SealedCredential, sealed_credential), (Column::SealedWebhookSecret, sealed_webhook_secret)]
    {
        let Some(sealed) = sealed else { continue };
        let update = Entity::update_many().col_expr(column, Expr::value(sealed)).filter(Column::Id.eq(id));
        update.filter(Column::ProjectId.eq(permit.key())).exec(write.connection()).await.map_err(sql)?;
    }
    let row = of_project(write, permit).await?.filter(|row| row.id == id);
    row.ok_or_else(super::gone("repository"))
}

/// A repository, for the machine that fetches from it or is told of a push; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: GitConnectionId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Notes how trying a repository went. It is a note of the machine's, no change that anybody makes.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn note(store: &Store, id: GitConnectionId, at: DateTime<Utc>, problem: Option<&str>) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::CheckedAt, Expr::value(at))
        .col_expr(Column::Problem, Expr::value(problem))
        .filter(Column::Id.eq(id));
    update.exec(store.connection()).await.map_err(sql)?;
    Ok(())
}

/// Has the environment that the permit speaks for follow a branch, or none.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn follow(
    write: &mut Write,
    permit: &Permit<cap::EnvironmentUpdate>,
    row: Option<auto_deploy::Model>,
) -> Result<()> {
    let id = EnvironmentId(permit.key());
    auto_deploy::Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    let Some(row) = row.filter(|row| row.environment_id == id) else { return Ok(()) };
    let insert = auto_deploy::Entity::insert(row.into_active_model());
    insert.exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// The branch that the environment of the permit follows.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn followed(
    source: &impl Source,
    permit: &Permit<cap::EnvironmentView>,
) -> Result<Option<auto_deploy::Model>> {
    let select = auto_deploy::Entity::find_by_id(EnvironmentId(permit.key()));
    select.one(source.connection()).await.map_err(sql)
}

/// The environments that follow a branch of a repository.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn followers(source: &impl Source, id: GitConnectionId, branch: &str) -> Result<Vec<auto_deploy::Model>> {
    let select = auto_deploy::Entity::find().filter(auto_deploy::Column::ConnectionId.eq(id));
    let select = select.filter(auto_deploy::Column::Branch.eq(branch));
    select.all(source.connection()).await.map_err(sql)
}

/// Takes a delivery, once; those of before `expired` are forgotten. False when it was taken before.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn take_delivery(write: &mut Write, row: git_delivery::Model, expired: DateTime<Utc>) -> Result<bool> {
    let old = git_delivery::Entity::delete_many()
        .filter(git_delivery::Column::ConnectionId.eq(row.connection_id))
        .filter(git_delivery::Column::CreatedAt.lt(expired));
    old.exec(write.connection()).await.map_err(sql)?;
    let once = OnConflict::columns([git_delivery::Column::ConnectionId, git_delivery::Column::Delivery])
        .do_nothing()
        .to_owned();
    let insert = git_delivery::Entity::insert(row.into_active_model()).on_conflict(once);
    Ok(insert.exec_without_returning(write.connection()).await.map_err(sql)? == 1)
}
