//! Variables, their values sealed, and those that a deployment was accepted with. Knows no key and no value.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use entities::deployment_variables;
use entities::ids::{DeploymentId, EnvironmentId, VariableId};
use entities::values::CountsFor;
use entities::variable::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Store, Write, sql, sql_or_taken};
use crate::authz::{EnvironmentKind, Held, Kinds, Permit, Scope, cap};
use crate::error::{Error, Result};

/// Who changes variables: with which of the two capabilities, public and secret ones apart.
#[derive(Debug)]
pub struct Manager {
    /// For public ones.
    pub public: Option<Permit<cap::VariableManage>>,
    /// For secret ones.
    pub secret: Option<Permit<cap::SecretManage>>,
}

impl Manager {
    /// Whether this kind of variable may be changed.
    #[must_use]
    pub fn manages(&self, secret: bool) -> bool {
        if secret { self.secret.is_some() } else { self.public.is_some() }
    }

    /// Refuses a row that the permits do not speak for: whoever made them has asked for another one.
    fn must_manage(&self, row: &Model) -> Result<()> {
        let speaks = if row.secret {
            self.secret.as_ref().is_some_and(|permit| speaks_for(permit, row))
        } else {
            self.public.as_ref().is_some_and(|permit| speaks_for(permit, row))
        };
        if speaks { Ok(()) } else { Err(Error::Internal(format!("no permit speaks for variable {}", row.id))) }
    }
}

fn speaks_for<C: Held>(permit: &Permit<C>, row: &Model) -> bool {
    permit.key() == row.scope_id && permit.kinds().cover(kinds(row.counts_for))
}

/// Variables that are set on the scope that the permit speaks for, and count for no other kinds than it does, by name.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_scope<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<Vec<Model>> {
    let select = Entity::find().filter(Column::ScopeId.eq(permit.key())).order_by_asc(Column::Name);
    let rows = select.order_by_asc(Column::CountsFor).all(source.connection()).await.map_err(sql)?;
    Ok(rows.into_iter().filter(|row| speaks_for(permit, row)).collect())
}

/// Variables that count on the environment that the permit speaks for: its own, and those of its project for its kind, also
/// when its own stand before them.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn counting<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<Vec<Model>> {
    let id = EnvironmentId(permit.key());
    let environment = super::environment::find(source, id).await?.ok_or_else(super::gone("environment"))?;
    let kind = if environment.production { CountsFor::Production } else { CountsFor::Nonproduction };
    let of_project =
        Condition::all().add(Column::EnvironmentId.is_null()).add(Column::CountsFor.is_in([CountsFor::Any, kind]));
    let select = Entity::find()
        .filter(Column::ProjectId.eq(environment.project_id))
        .filter(Condition::any().add(Column::EnvironmentId.eq(id)).add(of_project));
    select.all(source.connection()).await.map_err(sql)
}

/// A variable that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get(source: &impl Source, permit: &Permit<cap::SecretView>, id: VariableId) -> Result<Model> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    row.filter(|row| speaks_for(permit, row)).ok_or_else(super::gone("variable"))
}

/// What a variable is judged on, which never changes.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn judged_on(source: &impl Source, id: VariableId) -> Result<Option<(Scope, Kinds)>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| (scope(&row), kinds(row.counts_for))))
}

/// Adds a variable.
///
/// # Errors
/// `Conflict` when somebody else has just added one with its name.
pub async fn add(write: &mut Write, manager: &Manager, row: Model) -> Result<()> {
    manager.must_manage(&row)?;
    let name = row.name.clone();
    let added = Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await;
    added.map(|_| ()).map_err(|error| sql_or_taken(error, || changed_meanwhile(&name)))
}

/// Puts a variable in the place of the one with its name that was seen.
///
/// # Errors
/// `Conflict` when that one has changed in the meantime.
pub async fn replace(write: &mut Write, manager: &Manager, seen: &Model, row: Model) -> Result<()> {
    remove(write, manager, seen).await?;
    add(write, manager, row).await
}

/// Removes the variable that was seen.
///
/// # Errors
/// `Conflict` when it has changed in the meantime.
pub async fn remove(write: &mut Write, manager: &Manager, seen: &Model) -> Result<()> {
    manager.must_manage(seen)?;
    let delete = Entity::delete_by_id(seen.id).filter(Column::Version.eq(seen.version));
    let removed = delete.exec(write.connection()).await.map_err(sql)?.rows_affected;
    if removed == 1 { Ok(()) } else { Err(changed_meanwhile(&seen.name)) }
}

fn changed_meanwhile(name: &str) -> Error {
    Error::Conflict(format!("somebody changed `{name}` in the meantime; read the variables again"))
}

/// Keeps the variables that a deployment of the permit's environment starts with, in place of those it may have.
///
/// # Errors
/// `NotFound` when it is of another environment.
pub async fn keep<C: Held>(
    write: &mut Write,
    permit: &Permit<C>,
    deployment_id: DeploymentId,
    sealed: Vec<u8>,
) -> Result<()> {
    super::deployment::get(write, permit, deployment_id).await?;
    let row = deployment_variables::Model { deployment_id, sealed };
    let replacing = OnConflict::column(deployment_variables::Column::DeploymentId)
        .update_column(deployment_variables::Column::Sealed)
        .to_owned();
    let insert = deployment_variables::Entity::insert(row.into_active_model()).on_conflict(replacing);
    insert.exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// The variables that the active deployment of the permit's environment was accepted with, and its id; none where none is
/// active.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn of_active(
    source: &impl Source,
    permit: &Permit<cap::VariableView>,
) -> Result<Option<(DeploymentId, Option<Vec<u8>>)>> {
    let environment = super::environment::current(source, permit).await?;
    let Some(active) = environment.active_deployment_id else { return Ok(None) };
    Ok(Some((active, kept(source, active).await?)))
}

/// The variables that a deployment of the permit's environment was accepted with.
///
/// # Errors
/// `NotFound` when it is of another environment.
pub async fn kept_for(
    source: &impl Source,
    permit: &Permit<cap::VariableView>,
    id: DeploymentId,
) -> Result<Option<Vec<u8>>> {
    super::deployment::get(source, permit, id).await?;
    kept(source, id).await
}

/// The variables that a deployment was accepted with, for the machine that starts it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_deployment(store: &Store, id: DeploymentId) -> Result<Option<Vec<u8>>> {
    kept(store, id).await
}

async fn kept(source: &impl Source, id: DeploymentId) -> Result<Option<Vec<u8>>> {
    let select = deployment_variables::Entity::find_by_id(id);
    Ok(select.one(source.connection()).await.map_err(sql)?.map(|row| row.sealed))
}

/// What a variable is set on.
#[must_use]
pub fn scope(row: &Model) -> Scope {
    row.environment_id.map_or_else(|| row.project_id.into(), Into::into)
}

/// The kinds of environment that something counts for.
#[must_use]
pub const fn kinds(counts_for: CountsFor) -> Kinds {
    match counts_for {
        CountsFor::Any => Kinds::Both,
        CountsFor::Production => Kinds::Only(EnvironmentKind::Production),
        CountsFor::Nonproduction => Kinds::Only(EnvironmentKind::Nonproduction),
    }
}

/// The word that stands in the column, and in what is told of a variable.
#[must_use]
pub const fn word(counts_for: CountsFor) -> &'static str {
    match counts_for {
        CountsFor::Any => "any",
        CountsFor::Production => "production",
        CountsFor::Nonproduction => "nonproduction",
    }
}
