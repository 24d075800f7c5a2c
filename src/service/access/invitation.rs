//! Taking an invitation: what it carries is weighed again, since whoever sent it may have lost it in the meantime.

use std::collections::BTreeSet;

use entities::binding;
use entities::ids::{BindingId, Id, InvitationId, UserId};
use entities::invitation::Model;
use entities::values::{SubjectKind, TeamRole};

use super::change::{Changed, place};
use super::standing::{Affected, facts_of_one};
use super::team::{affected_by_joining, beyond_of, gifts_of_joining, member, person, record};
use crate::authz::{Authority, Capability, Facts, Grant, Packs, Scope, missing_to_invite};
use crate::config::Policy;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::team_member::{self, Member};
use crate::store::{self, Write, invitation, population};
use crate::sys::{clock, ids};

/// Takes an invitation.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Which.
    pub id: InvitationId,
    /// Who takes it.
    pub user: UserId,
    /// What comes with a membership.
    pub policy: Policy,
}

/// The word by which an invitation to a team says what somebody will be in it.
pub fn team_role(word: &str) -> Option<TeamRole> {
    match word {
        "owner" => Some(TeamRole::Owner),
        "member" => Some(TeamRole::Member),
        _ => None,
    }
}

impl Acceptance {
    pub(super) async fn affected(&self, write: &Write) -> Result<Affected> {
        let user = store::user::find(write, self.user).await?;
        let row = invitation::find(write, self.id).await?;
        // Somebody else's is looked at no further than one that is not there.
        let Some(row) = row.filter(|row| user.is_some_and(|user| user.email == row.email)) else {
            return Ok(Affected::default());
        };
        match invitation::team(&row) {
            Some(team) => affected_by_joining(write, team, self.user).await,
            None => {
                let scopes = population::landing(write, &[invitation::scope(&row)]).await?;
                Ok(Affected { users: BTreeSet::from([self.user]), scopes })
            }
        }
    }

    pub(super) async fn apply(self, op: &Op, write: &mut Write) -> Result<Changed> {
        write.entry().subject = Some(self.id.to_string());
        if op.oneself()? != self.user {
            return Err(Error::Internal("an invitation taken for somebody else".to_owned()));
        }
        let user = store::user::find(write, self.user).await?.ok_or_else(|| Error::not_found("invitation"))?;
        let taken = invitation::take(write, self.id, &user).await?;
        let row = taken.row().clone();
        place(write, invitation::scope(&row)).await?;
        if row.expires_at <= clock::now() {
            let message = "this invitation has expired; ask for another one".to_owned();
            return Err(Error::FailedPrecondition { reason: "INVITATION_EXPIRED", message });
        }
        let packs = store::role::packs(write).await?;
        let Some(team) = invitation::team(&row) else {
            let grant = packs.role(&row.role).map(Grant::Role).ok_or_else(stale)?;
            let scope = invitation::scope(&row);
            let inviter = facts_of_inviter(write, &packs, &row, &[scope]).await?;
            if !missing_to_invite(&inviter, &packs, grant, scope).is_empty() {
                return Err(stale());
            }
            let bound = invitation::bind(write, &taken, binding_of(&row, self.user)).await?;
            write.entry().details = super::grant::describe(&packs, &bound);
            return Ok(Changed::Bound(bound));
        };
        person(write, self.user).await?;
        let member = member(&self.policy, team, self.user, team_role(&row.role).ok_or_else(stale)?);
        still_manages(write, &packs, &row, &member).await?;
        let joined = team_member::join(write, &taken, &member).await?;
        record(write, &member);
        Ok(Changed::Member(joined))
    }
}

/// Whoever invited to a team still manages who is in it and holds all that comes with that.
async fn still_manages(write: &Write, packs: &Packs, row: &Model, member: &Member) -> Result<()> {
    let gifts = gifts_of_joining(write, packs, member).await?;
    let scopes: Vec<Scope> = gifts.iter().map(|gift| gift.scope).collect();
    let inviter = facts_of_inviter(write, packs, row, &scopes).await?;
    let manages = Authority::of(&inviter, packs).allows(&inviter, member.team.into(), Capability::TeamMemberManage);
    if manages && beyond_of(&inviter, packs, member.team, &gifts).is_none() { Ok(()) } else { Err(stale()) }
}

async fn facts_of_inviter(write: &Write, packs: &Packs, row: &Model, scopes: &[Scope]) -> Result<Facts> {
    facts_of_one(write, packs, row.invited_by, scopes).await?.ok_or_else(stale)
}

fn stale() -> Error {
    Error::FailedPrecondition {
        reason: "INVITATION_STALE",
        message: "whoever invited you may not do so any more; ask for another invitation".to_owned(),
    }
}

fn binding_of(row: &Model, user: UserId) -> binding::Model {
    binding::Model {
        id: ids::new::<BindingId>(),
        subject_kind: SubjectKind::User,
        subject_id: user.uuid(),
        role: Some(row.role.clone()),
        capability: None,
        scope_kind: row.scope_kind,
        scope_id: row.scope_id,
        on_behalf_of: None,
        not_before: None,
        not_after: None,
        reason: None,
        eligible_role_id: None,
        created_by: Some(row.invited_by),
        created_at: clock::now(),
    }
}
