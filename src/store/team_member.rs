//! Who is in which team. A membership and the binding that goes with it are one thing here: neither is made, changed or
//! removed without the other.

use std::collections::BTreeSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{BindingId, Id, TeamId, UserId};
use entities::team_member::{Column, Entity, Model};
use entities::values::{ScopeKind, SubjectKind, TeamRole};
use entities::{binding, eligible_role};

use super::invitation::Taken;
use super::source::Connected;
use super::{Source, Write, page, sql, sql_or_taken, team};
use crate::authz::{Permit, Scope, TeamFact, cap};
use crate::error::{Error, Result};
use crate::sys::{clock, ids};

/// A membership and what comes with it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Which team.
    pub team: TeamId,
    /// Who.
    pub user: UserId,
    /// Owner or member.
    pub role: TeamRole,
    /// The role, as a binding names it, that comes with that.
    pub gives: String,
}

/// Adds somebody to the team that the permit speaks for.
///
/// # Errors
/// `Conflict` when they are in it.
pub async fn add(write: &mut Write, permit: &Permit<cap::TeamMemberManage>, member: &Member) -> Result<Model> {
    must_be(permit, member.team)?;
    insert(write, member, None).await
}

/// Adds whoever took an invitation to the team that it leads to.
///
/// # Errors
/// As [`add`].
pub async fn join(write: &mut Write, taken: &Taken, member: &Member) -> Result<Model> {
    if taken.row().scope_id != member.team.uuid() {
        return Err(Error::Internal("a membership of another team than the invitation's".to_owned()));
    }
    insert(write, member, Some(taken.row().invited_by)).await
}

async fn insert(write: &mut Write, member: &Member, made_by: Option<UserId>) -> Result<Model> {
    let row = Model { team_id: member.team, user_id: member.user, role: member.role, created_at: clock::now() };
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict("this user is in the team; change what they are in it instead".to_owned()))
    })?;
    bind(write, member, made_by).await?;
    Ok(row)
}

async fn bind(write: &mut Write, member: &Member, made_by: Option<UserId>) -> Result<()> {
    let created_by = made_by.or(write.entry().actor);
    let row = binding::Model {
        id: ids::new::<BindingId>(),
        subject_kind: SubjectKind::User,
        subject_id: member.user.uuid(),
        role: Some(member.gives.clone()),
        capability: None,
        scope_kind: ScopeKind::Team,
        scope_id: member.team.uuid(),
        on_behalf_of: None,
        not_before: None,
        not_after: None,
        reason: None,
        eligible_role_id: None,
        created_by,
        created_at: clock::now(),
    };
    super::binding::insert(write, row).await.map(|_| ())
}

/// Makes a member an owner or the other way round; `gave` is the role that came with what they were.
///
/// # Errors
/// `NotFound` when they are not in the team that the permit speaks for.
pub async fn change(
    write: &mut Write,
    permit: &Permit<cap::TeamMemberManage>,
    member: &Member,
    gave: &str,
) -> Result<Model> {
    must_be(permit, member.team)?;
    let changed = Entity::update_many()
        .col_expr(Column::Role, Expr::value(member.role))
        .filter(Column::TeamId.eq(member.team))
        .filter(Column::UserId.eq(member.user))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    if changed.rows_affected == 0 {
        return Err(super::gone("member")());
    }
    let gone = binding::Entity::delete_many()
        .filter(binding::Column::SubjectId.eq(member.user.uuid()))
        .filter(binding::Column::ScopeId.eq(member.team.uuid()))
        .filter(binding::Column::Role.eq(gave));
    gone.exec(write.connection()).await.map_err(sql)?;
    bind(write, member, None).await?;
    find(write, member.team, member.user).await?.ok_or_else(super::gone("member"))
}

/// Removes somebody from the team that the permit speaks for, with everything that they hold at it.
///
/// # Errors
/// `NotFound` when they are not in it.
pub async fn remove(write: &mut Write, permit: &Permit<cap::TeamMemberManage>, user: UserId) -> Result<()> {
    end(write, TeamId(permit.key()), user).await
}

/// Ends the membership of whoever asks for it: everybody may.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn leave(write: &mut Write, team: TeamId) -> Result<()> {
    let user = write.entry().actor.ok_or_else(super::gone("member"))?;
    end(write, team, user).await
}

async fn end(write: &mut Write, team: TeamId, user: UserId) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::TeamId.eq(team)).filter(Column::UserId.eq(user));
    if gone.exec(write.connection()).await.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("member")());
    }
    let bindings = binding::Entity::delete_many()
        .filter(binding::Column::SubjectId.eq(user.uuid()))
        .filter(binding::Column::ScopeId.eq(team.uuid()));
    bindings.exec(write.connection()).await.map_err(sql)?;
    let eligible = eligible_role::Entity::delete_many()
        .filter(eligible_role::Column::SubjectId.eq(user.uuid()))
        .filter(eligible_role::Column::ScopeId.eq(team.uuid()));
    eligible.exec(write.connection()).await.map_err(sql)?;
    write.bump_epoch().await
}

fn must_be(permit: &Permit<cap::TeamMemberManage>, team: TeamId) -> Result<()> {
    if permit.key() == team.uuid() {
        return Ok(());
    }
    Err(Error::Internal("a membership of another team than the permit's".to_owned()))
}

/// A membership, for whoever changes it; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(write: &Write, team: TeamId, user: UserId) -> Result<Option<Model>> {
    Entity::find_by_id((team, user)).one(write.connection()).await.map_err(sql)
}

/// The owners of a team, for telling them something; they are shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn owners(write: &Write, team: TeamId) -> Result<Vec<UserId>> {
    let select = Entity::find().filter(Column::TeamId.eq(team)).filter(Column::Role.eq(TeamRole::Owner));
    Ok(select.all(write.connection()).await.map_err(sql)?.into_iter().map(|row| row.user_id).collect())
}

/// A page of the members of the team that the permit speaks for, by the age of their accounts.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::TeamView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::TeamId.eq(TeamId(permit.key()))), Column::UserId, page).await
}

/// The teams among these scopes, as the rules about teams look at them.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn facts(source: &impl Source, scopes: &BTreeSet<Scope>) -> Result<Vec<TeamFact>> {
    let teams = team::among(source, scopes.iter()).await?;
    if teams.is_empty() {
        return Ok(Vec::new());
    }
    let select = Entity::find().filter(Column::TeamId.is_in(teams.iter().map(|team| team.id)));
    let rows = select.all(source.connection()).await.map_err(sql)?;
    let fact = |team: entities::team::Model| {
        let mut fact = TeamFact {
            team: team.id.into(),
            personal_user: team.personal_user_id.map(u128::from),
            owners: Vec::new(),
            members: Vec::new(),
        };
        for row in rows.iter().filter(|row| row.team_id == team.id) {
            fact.members.push(row.user_id.into());
            if row.role == TeamRole::Owner {
                fact.owners.push(row.user_id.into());
            }
        }
        fact
    };
    Ok(teams.into_iter().map(fact).collect())
}

/// The teams that a user is in, for finding out what a change of them touches.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn teams_of(write: &Write, user: UserId) -> Result<Vec<TeamId>> {
    let rows = Entity::find().filter(Column::UserId.eq(user)).all(write.connection()).await.map_err(sql)?;
    Ok(rows.into_iter().map(|row| row.team_id).collect())
}
