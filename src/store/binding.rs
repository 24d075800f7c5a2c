//! Role bindings. Changing one is a change of authority and moves the policy epoch.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use entities::binding::{Column, Entity, Model};
use entities::ids::{BindingId, Id, TeamId, UserId};
use entities::values::SubjectKind;
use entities::{eligible_role, invitation, user};

use super::source::Connected;
use super::{Source, Write, page, population, role, service_account, sql, usage};
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

pub(super) async fn insert(write: &mut Write, row: Model) -> Result<Model> {
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
pub async fn list<C: Held>(source: &impl Source, permit: &Permit<C>, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::ScopeId.eq(permit.key())), Column::Id, page).await
}

/// Bindings of one subject, for finding out whom a change touches and what it would give; they are shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_subject(source: &impl Source, kind: SubjectKind, key: Uuid) -> Result<Vec<Model>> {
    let select = Entity::find().filter(Column::SubjectKind.eq(kind)).filter(Column::SubjectId.eq(key));
    select.all(source.connection()).await.map_err(sql)
}

/// Bindings that count only on behalf of a team; they are shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn on_behalf_of(source: &impl Source, team: TeamId) -> Result<Vec<Model>> {
    Entity::find().filter(Column::OnBehalfOf.eq(team)).all(source.connection()).await.map_err(sql)
}

/// Removes what a user is bound to, may activate and is invited to, on the scope that the permit speaks for and on
/// everything below it; answers with the bindings.
///
/// # Errors
/// `NotFound` when nothing is bound there.
pub async fn remove_of_user(
    write: &mut Write,
    permit: &Permit<cap::MemberRemove>,
    user: &user::Model,
) -> Result<Vec<Model>> {
    let scope = permit.scope();
    let mine = |kind: Column, key: Column| kind.eq(SubjectKind::User).and(key.eq(user.id.uuid()));
    let within = || population::within(scope, Column::ScopeId);
    let select = Entity::find().filter(mine(Column::SubjectKind, Column::SubjectId)).filter(within());
    let rows = select.all(write.connection()).await.map_err(sql)?;
    if rows.is_empty() {
        return Err(super::gone("member")());
    }
    let gone = Entity::delete_many().filter(mine(Column::SubjectKind, Column::SubjectId)).filter(within());
    gone.exec(write.connection()).await.map_err(sql)?;
    let eligible = eligible_role::Entity::delete_many()
        .filter(eligible_role::Column::SubjectKind.eq(SubjectKind::User))
        .filter(eligible_role::Column::SubjectId.eq(user.id.uuid()))
        .filter(population::within(scope, eligible_role::Column::ScopeId));
    eligible.exec(write.connection()).await.map_err(sql)?;
    let invited = invitation::Entity::delete_many()
        .filter(invitation::Column::Email.eq(&user.email))
        .filter(population::within(scope, invitation::Column::ScopeId));
    invited.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await?;
    Ok(rows)
}

/// Removes everything that is bound to a team that is going away, or counts on behalf of it only.
pub(super) async fn remove_of_team(write: &mut Write, team: TeamId) -> Result<()> {
    let of_team = Column::SubjectKind.eq(SubjectKind::Team).and(Column::SubjectId.eq(team.uuid()));
    let gone = Entity::delete_many().filter(of_team.or(Column::OnBehalfOf.eq(team)));
    gone.exec(write.connection()).await.map_err(sql)?;
    let eligible = eligible_role::Entity::delete_many()
        .filter(eligible_role::Column::SubjectKind.eq(SubjectKind::Team))
        .filter(eligible_role::Column::SubjectId.eq(team.uuid()));
    eligible.exec(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// Removes everything that is bound to a user who is going away.
pub(super) async fn remove_all_of(write: &mut Write, user: UserId) -> Result<()> {
    let of_user = Column::SubjectKind.eq(SubjectKind::User).and(Column::SubjectId.eq(user.uuid()));
    Entity::delete_many().filter(of_user).exec(write.connection()).await.map_err(sql)?;
    let eligible = eligible_role::Entity::delete_many()
        .filter(eligible_role::Column::SubjectKind.eq(SubjectKind::User))
        .filter(eligible_role::Column::SubjectId.eq(user.uuid()));
    eligible.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
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
    service_account::remove_at(write, scopes).await?;
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
