//! Role bindings. Changing one is a change of authority and moves the policy epoch.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use entities::binding::{Column, Entity, Model};
use entities::ids::{BindingId, Id, UserId};
use entities::values::SubjectKind;

use super::source::Connected;
use super::{Source, Write, page, sql, usage};
use crate::authz::{Held, Permit, Scope, cap};
use crate::error::{Error, Result};
use crate::sys::{clock, ids};

/// Adds a binding at the scope that the permit speaks for.
///
/// # Errors
/// `Internal` when the row sits elsewhere.
pub async fn create(write: &mut Write, permit: &Permit<cap::AccessManage>, row: Model) -> Result<Model> {
    if row.scope_id != permit.key() {
        return Err(Error::Internal("a binding at another scope than the permit's".to_owned()));
    }
    insert(write, row).await
}

/// Adds the binding that comes with making a team or an organization, in the maker's own transaction, or with having the
/// database in hand.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn create_for_maker(write: &mut Write, user: UserId, role: &str, scope: Scope) -> Result<Model> {
    let row = Model {
        id: ids::new::<BindingId>(),
        subject_kind: SubjectKind::User,
        subject_id: user.uuid(),
        role: Some(role.to_owned()),
        capability: None,
        scope_kind: super::facts::scope_kind(scope),
        scope_id: scope.uuid(),
        on_behalf_of: None,
        not_before: None,
        not_after: None,
        reason: None,
        eligible_role_id: None,
        created_by: None,
        created_at: clock::now(),
    };
    insert(write, row).await
}

async fn insert(write: &mut Write, row: Model) -> Result<Model> {
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(row)
}

/// A binding at the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get<C: Held>(source: &impl Source, permit: &Permit<C>, id: BindingId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::ScopeId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("binding"))
}

/// Removes a binding from the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::AccessManage>, id: BindingId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::ScopeId.eq(permit.key())).exec(write.connection()).await;
    if gone.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("binding")());
    }
    write.bump_epoch().await
}

/// A page of the bindings at the scope that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::MemberView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::ScopeId.eq(permit.key())), Column::Id, page).await
}

/// Every binding at a scope: for the guard that an organization keeps somebody who manages its access.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn at(write: &Write, scope: Scope) -> Result<Vec<Model>> {
    Entity::find().filter(Column::ScopeId.eq(scope.uuid())).all(write.connection()).await.map_err(sql)
}

/// Removes what is bound at scopes that are going away, and what is known of its use there.
pub(super) async fn remove_at(write: &mut Write, scopes: &[Uuid]) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ScopeId.is_in(scopes.iter().copied()))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    usage::remove_at(write, scopes).await
}
