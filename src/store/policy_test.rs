//! Assertions of organizations about their access.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, OrganizationId, PolicyTestId};
use entities::policy_test::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, page, sql, visible};
use crate::authz::{Held, Permit, Scope, Sight, cap};
use crate::error::{Error, Result};

/// Adds one to the organization that the permit speaks for.
///
/// # Errors
/// `Internal` when it is another's.
pub async fn create(write: &mut Write, permit: &Permit<cap::AccessManage>, row: Model) -> Result<Model> {
    if row.organization_id.uuid() != permit.key() {
        return Err(Error::Internal("an assertion of another organization than the permit's".to_owned()));
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// Removes one from the organization that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::AccessManage>, id: PolicyTestId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::OrganizationId.eq(permit.key()));
    if gone.exec(write.connection()).await.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("policy test")());
    }
    Ok(())
}

/// The organization that an assertion belongs to, for the permit that follows.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn organization_of(source: &impl Source, id: PolicyTestId) -> Result<Option<OrganizationId>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| row.organization_id))
}

/// A page of those of the organization that the permit speaks for, about scopes that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list<C: Held>(
    source: &impl Source,
    permit: &Permit<C>,
    sight: &Sight,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let select = Entity::find().filter(Column::OrganizationId.eq(permit.key()));
    let seen = select.filter(visible::seen(permit.scope(), sight, Column::ScopeId));
    page::read(source, seen, Column::Id, page).await
}

/// Those of these organizations, for the guard of a change.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_organizations(write: &Write, organizations: &BTreeSet<Scope>) -> Result<Vec<Model>> {
    let keys = organizations.iter().map(|scope| scope.uuid());
    Entity::find().filter(Column::OrganizationId.is_in(keys)).all(write.connection()).await.map_err(sql)
}

/// Every one, for the guard of a change of the console.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn all(write: &Write) -> Result<Vec<Model>> {
    Entity::find().all(write.connection()).await.map_err(sql)
}
