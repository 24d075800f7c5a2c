//! Who is in a team: whoever joins one gets everything that is bound to it, so letting somebody in is a gift of all of that.

use std::collections::BTreeSet;

use entities::binding::Model as Row;
use entities::ids::{Id, TeamId, UserId};
use entities::values::{SubjectKind, TeamRole, UserKind};
use entities::{team, user};

use super::change::{Changed, place};
use super::grant::affected_by;
use super::rails::Rail;
use super::standing::Affected;
use crate::authz::{self, Binding, Facts, Packs, Scope, Subject, cap, missing_to_join};
use crate::config::Policy;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::service::notice;
use crate::store::team_member::{self, Member};
use crate::store::{self, Write, facts, population};

/// A change of who is in a team.
#[derive(Debug, Clone)]
pub enum TeamChange {
    /// Lets somebody in.
    Add(Member),
    /// Makes a member an owner, or the other way round.
    Change {
        /// What they are from now on.
        member: Member,
        /// The role that came with the other.
        gave: String,
    },
    /// Puts somebody out, or lets them go.
    Remove {
        /// The team.
        team: TeamId,
        /// Who.
        user: UserId,
    },
    /// Removes the team with everything that it holds.
    Delete(TeamId),
}

/// A membership with the role that the policy gives for it.
pub fn member(policy: &Policy, team: TeamId, user: UserId, role: TeamRole) -> Member {
    Member { team, user, role, gives: gives(policy, role).to_owned() }
}

impl TeamChange {
    /// Makes a member an owner, or the other way round.
    pub fn change(policy: &Policy, member: Member) -> Self {
        let other = match member.role {
            TeamRole::Owner => TeamRole::Member,
            TeamRole::Member => TeamRole::Owner,
        };
        Self::Change { member, gave: gives(policy, other).to_owned() }
    }

    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Add(_) => "team.add_member",
            Self::Change { .. } => "team.change_member",
            Self::Remove { .. } => "team.remove_member",
            Self::Delete(_) => "team.delete",
        }
    }

    pub(super) async fn affected(&self, write: &Write) -> Result<Affected> {
        match self {
            Self::Add(member) | Self::Change { member, .. } => {
                affected_by_joining(write, member.team, member.user).await
            }
            Self::Remove { team, user } => affected_by_joining(write, *team, *user).await,
            Self::Delete(team) => affected_by_deleting(write, *team).await,
        }
    }

    pub(super) async fn apply(self, op: &Op, write: &mut Write, rails: &mut Vec<Rail>) -> Result<Changed> {
        match self {
            Self::Add(member) => add(op, write, rails, &member).await,
            Self::Change { member, gave } => change(op, write, rails, &member, &gave).await,
            Self::Remove { team, user } => remove(op, write, team, user).await,
            Self::Delete(team) => delete(op, write, team).await,
        }
    }
}

/// The role that comes with being this in a team.
pub(super) fn gives(policy: &Policy, role: TeamRole) -> &str {
    match role {
        TeamRole::Owner => &policy.team_creator,
        TeamRole::Member => &policy.team_member,
    }
}

/// Whom somebody's joining or leaving touches, and where: what is bound to the team, what they hold on its behalf, and
/// the team itself.
pub(super) async fn affected_by_joining(write: &Write, team: TeamId, user: UserId) -> Result<Affected> {
    let mut rows = store::binding::of_subject(write, SubjectKind::Team, team.uuid()).await?;
    let on_behalf = store::binding::on_behalf_of(write, team).await?;
    rows.extend(on_behalf.into_iter().filter(|row| row.subject_id == user.uuid()));
    let scopes: Vec<Scope> = rows.iter().map(scope).chain([team.into()]).collect();
    Ok(Affected { users: BTreeSet::from([user]), scopes: population::landing(write, &scopes).await? })
}

async fn affected_by_deleting(write: &Write, team: TeamId) -> Result<Affected> {
    let mut rows = store::binding::of_subject(write, SubjectKind::Team, team.uuid()).await?;
    rows.extend(store::binding::on_behalf_of(write, team).await?);
    let mut affected = affected_by(write, &rows).await?;
    affected.users.extend(population::people(write, [(SubjectKind::Team, team.uuid())]).await?);
    affected.scopes.insert(team.into());
    Ok(affected)
}

fn scope(row: &Row) -> Scope {
    facts::scope(row.scope_kind, row.scope_id)
}

async fn add(op: &Op, write: &mut Write, rails: &mut Vec<Rail>, member: &Member) -> Result<Changed> {
    place(write, member.team.into()).await?;
    let permit = op.permit_in::<cap::TeamMemberManage>(write, member.team).await?;
    let user = person(write, member.user).await?;
    let packs = store::role::packs(write).await?;
    let gifts = gifts_of_joining(write, &packs, member).await?;
    rails.extend(beyond(op, write, &packs, member, &gifts).await?);
    let row = team_member::add(write, &permit, member).await?;
    record(write, member);
    tell(op, write, &user, member.team, "you are in the team", "you hold what it holds from now on").await?;
    Ok(Changed::Member(row))
}

async fn change(op: &Op, write: &mut Write, rails: &mut Vec<Rail>, member: &Member, gave: &str) -> Result<Changed> {
    place(write, member.team.into()).await?;
    let permit = op.permit_in::<cap::TeamMemberManage>(write, member.team).await?;
    record(write, member);
    let before = team_member::find(write, member.team, member.user).await?;
    let before = before.ok_or_else(|| Error::not_found("member"))?;
    if before.role == member.role {
        return Ok(Changed::Member(before));
    }
    let packs = store::role::packs(write).await?;
    let gift = [gift_of(&packs, member)?];
    rails.extend(beyond(op, write, &packs, member, &gift).await?);
    Ok(Changed::Member(team_member::change(write, &permit, member, gave).await?))
}

async fn remove(op: &Op, write: &mut Write, team: TeamId, user: UserId) -> Result<Changed> {
    place(write, team.into()).await?;
    write.entry().subject = Some(user.to_string());
    if op.oneself().is_ok_and(|actor| actor == user) {
        team_member::leave(write, team).await?;
        return Ok(Changed::MemberGone(user));
    }
    let permit = op.permit_in::<cap::TeamMemberManage>(write, team).await?;
    team_member::remove(write, &permit, user).await?;
    if let Some(row) = store::user::find(write, user).await? {
        tell(op, write, &row, team, "you are no longer in the team", "you hold nothing through it any more").await?;
    }
    Ok(Changed::MemberGone(user))
}

async fn delete(op: &Op, write: &mut Write, team: TeamId) -> Result<Changed> {
    place(write, team.into()).await?;
    write.entry().subject = Some(team.to_string());
    let permit = op.permit_in::<cap::TeamDelete>(write, team).await?;
    let row = store::team::delete(write, &permit).await?;
    write.entry().details = serde_json::json!({ "name": row.name });
    Ok(Changed::TeamGone(team))
}

/// Somebody who can be in a team: a program is given roles of its own instead.
pub(super) async fn person(write: &Write, user: UserId) -> Result<user::Model> {
    let row = store::user::find(write, user).await?.ok_or_else(|| Error::not_found("user"))?;
    match row.kind {
        UserKind::Person => Ok(row),
        UserKind::Bot => {
            Err(Error::invalid("user", "not_a_person", "a service account cannot be in a team; give it a role instead"))
        }
    }
}

/// What somebody gets by joining: what comes with the membership, and everything bound to the team that counts now or
/// later, or that its members may activate. What they hold on the team's behalf was given to them by name, under this very condition.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn gifts_of_joining(write: &Write, packs: &Packs, member: &Member) -> Result<Vec<Binding>> {
    let mut gifts = facts::open_to(write, packs, SubjectKind::Team, member.team.uuid()).await?;
    gifts.push(gift_of(packs, member)?);
    Ok(gifts)
}

/// What comes with the membership.
fn gift_of(packs: &Packs, member: &Member) -> Result<Binding> {
    let role =
        packs.role(&member.gives).ok_or_else(|| Error::Internal("a policy of a role that is not there".into()))?;
    Ok(Binding {
        id: 0,
        subject: Subject::User(member.user.into()),
        grant: authz::Grant::Role(role),
        scope: member.team.into(),
        on_behalf_of: None,
        not_before: None,
        not_after: None,
    })
}

async fn beyond(op: &Op, write: &Write, packs: &Packs, member: &Member, gifts: &[Binding]) -> Result<Option<Rail>> {
    let scopes: Vec<Scope> = gifts.iter().map(|gift| gift.scope).collect();
    let facts = op.facts_about_gifts(write, packs, &scopes).await?;
    Ok(beyond_of(&facts, packs, member.team, gifts))
}

/// What somebody lacks to give all of this (rule 8).
pub fn beyond_of(facts: &Facts, packs: &Packs, team: TeamId, gifts: &[Binding]) -> Option<Rail> {
    let missing = missing_to_join(facts, packs, gifts);
    (!missing.is_empty()).then(|| Rail::Beyond { gift: "membership".to_owned(), scope: team.into(), missing })
}

pub(super) fn record(write: &mut Write, member: &Member) {
    let role = match member.role {
        TeamRole::Owner => "owner",
        TeamRole::Member => "member",
    };
    write.entry().subject = Some(member.user.to_string());
    write.entry().details = serde_json::json!({ "role": role });
}

async fn tell(op: &Op, write: &mut Write, user: &user::Model, team: TeamId, what: &str, so: &str) -> Result<()> {
    if op.user()? == user.id {
        return Ok(());
    }
    let name = store::team::find(write, team).await?.map_or_else(String::new, |row: team::Model| row.name);
    let by = store::user::find(write, op.user()?).await?.map_or_else(String::new, |row| row.email);
    let body = format!("{what} `{name}` by `{by}`; {so}");
    notice::tell(write, [user.id], &format!("{what} `{name}`"), &body).await
}
