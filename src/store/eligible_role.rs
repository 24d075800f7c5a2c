//! Roles that were approved beforehand, for their holders to activate for a while.

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use entities::binding;
use entities::eligible_role::{Column, Entity, Model};
use entities::ids::{BindingId, EligibleRoleId, Id, UserId};
use entities::team_member;
use entities::values::SubjectKind;

use super::source::Connected;
use super::{Source, Write, page, sql};
use crate::authz::{Held, Permit, Scope, cap};
use crate::error::{Error, Result};

/// Adds one at the scope that the permit speaks for.
///
/// # Errors
/// `Internal` when it sits elsewhere.
pub async fn create(write: &mut Write, permit: &Permit<cap::AccessManage>, row: Model) -> Result<Model> {
    if row.scope_id != permit.key() {
        return Err(Error::Internal("an eligible role at another scope than the permit's".to_owned()));
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// Removes one from the scope that the permit speaks for. Activations go on until their end.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::AccessManage>, id: EligibleRoleId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::ScopeId.eq(permit.key())).exec(write.connection()).await;
    if gone.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("eligible role")());
    }
    Ok(())
}

/// The scope that it would be bound on, for the permit that follows.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: EligibleRoleId) -> Result<Option<Scope>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| super::facts::scope(row.scope_kind, row.scope_id)))
}

/// One that this user may activate: as themselves, or as a member of the team that it is for.
///
/// # Errors
/// `NotFound` when there is none, or it is for somebody else.
pub async fn of_holder(source: &impl Source, user: UserId, id: EligibleRoleId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(held_by(user));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("eligible role"))
}

/// Those that were approved for a subject; they are shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_subject(source: &impl Source, kind: SubjectKind, key: Uuid) -> Result<Vec<Model>> {
    let select = Entity::find().filter(Column::SubjectKind.eq(kind)).filter(Column::SubjectId.eq(key));
    select.all(source.connection()).await.map_err(sql)
}

/// A page of those that a user may activate: everybody may know their own.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_user(source: &impl Source, user: UserId, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(held_by(user)), Column::Id, page).await
}

/// A page of those at the scope that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list<C: Held>(source: &impl Source, permit: &Permit<C>, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::ScopeId.eq(permit.key())), Column::Id, page).await
}

/// The binding that an activation made, for whoever activated it.
///
/// # Errors
/// `NotFound` when it is no such binding, or somebody else's.
pub async fn activation(source: &impl Source, user: UserId, id: BindingId) -> Result<binding::Model> {
    let select = binding::Entity::find_by_id(id)
        .filter(binding::Column::SubjectId.eq(user.uuid()))
        .filter(binding::Column::EligibleRoleId.is_not_null());
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("activation"))
}

fn held_by(user: UserId) -> Condition {
    let teams = Query::select()
        .column(team_member::Column::TeamId)
        .from(team_member::Entity)
        .and_where(team_member::Column::UserId.eq(user))
        .take();
    let key: Uuid = user.uuid();
    Condition::any().add(Column::SubjectId.eq(key)).add(Column::SubjectId.in_subquery(teams))
}
