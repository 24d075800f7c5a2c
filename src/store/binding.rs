//! Role bindings. Changing one is a change of authority and moves the policy epoch.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use entities::binding::{Column, Entity, Model};
use entities::ids::{BindingId, Id, UserId};
use entities::values::SubjectKind;
use entities::{eligible_role, invitation};

use super::source::Connected;
use super::{Source, Write, page, role, sql, usage};
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

/// A binding, for finding out whom a change of it touches; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(write: &Write, id: BindingId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(write.connection()).await.map_err(sql)
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

/// Removes what is bound, defined, offered or approved at scopes that are going away, and what is known of its use there.
pub(super) async fn remove_at(write: &mut Write, scopes: &[Uuid]) -> Result<()> {
    let connection = write.connection();
    let keys = || scopes.iter().copied();
    Entity::delete_many().filter(Column::ScopeId.is_in(keys())).exec(connection).await.map_err(sql)?;
    let eligible = eligible_role::Entity::delete_many().filter(eligible_role::Column::ScopeId.is_in(keys()));
    eligible.exec(connection).await.map_err(sql)?;
    let offered = invitation::Entity::delete_many().filter(invitation::Column::ScopeId.is_in(keys()));
    offered.exec(connection).await.map_err(sql)?;
    usage::remove_at(write, scopes).await?;
    role::remove_at(write, scopes).await
}

/// Adds the binding that the holder of an eligible role activates.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn activate(
    write: &mut Write,
    user: UserId,
    eligible: &eligible_role::Model,
    reason: &str,
    until: DateTime<Utc>,
) -> Result<Model> {
    let now = clock::now();
    let row = Model {
        id: ids::new::<BindingId>(),
        subject_kind: SubjectKind::User,
        subject_id: user.uuid(),
        role: Some(eligible.role.clone()),
        capability: None,
        scope_kind: eligible.scope_kind,
        scope_id: eligible.scope_id,
        on_behalf_of: None,
        not_before: None,
        not_after: Some(until),
        reason: Some(reason.to_owned()),
        eligible_role_id: Some(eligible.id),
        created_by: Some(user),
        created_at: now,
    };
    insert(write, row).await
}

/// Removes a binding that its holder activated.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn end_activation(write: &mut Write, row: &Model) -> Result<()> {
    Entity::delete_by_id(row.id).exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
}
