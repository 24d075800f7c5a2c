//! Invitations by e-mail address. Whether an address has an account shows in no answer: the invited learn of it themselves.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use entities::ids::{InvitationId, TeamId};
use entities::invitation::Model;
use entities::values::TeamRole;

use super::access::invitation::team_role;
use super::access::role;
use super::access::team::{beyond_of, gifts_of_joining, member};
use super::notice;
use crate::authz::{Capability, EnvironmentKind, Grant, Held, Level, Permit, Scope, cap, missing_to_invite};
use crate::config::Policy;
use crate::domain::email::EmailAddress;
use crate::error::{Error, Result};
use crate::op::{Op, scope_name};
use crate::store::{self, Write, facts};
use crate::sys::{clock, ids};

/// Addresses that one request may invite.
pub const MOST: usize = 50;

/// Whom to invite, where to and as what.
pub struct Invite {
    /// A team, an organization, a project or an environment.
    pub scope: Scope,
    /// Whom; nobody twice.
    pub emails: BTreeSet<EmailAddress>,
    /// The role: for a team `owner` or `member`.
    pub role: String,
    /// How long it can be accepted.
    pub valid_for: TimeDelta,
}

/// Invites people, with `policy` for what comes with a membership; whoever is invited there already gets the new invitation instead.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.invite` or, for a team, `team.member.manage`; `Forbidden` by the first capability that the
/// role gives and the actor does not hold.
pub async fn invite(policy: &Policy, op: &Op, input: Invite) -> Result<Vec<Model>> {
    match input.scope {
        Scope::Team(key) => invite_to_team(policy, op, TeamId::from(key), input).await,
        Scope::Console => {
            let text = "people are invited to a team, an organization, a project or an environment";
            Err(Error::invalid("scope", "not_a_place", text))
        }
        Scope::Organization(_) | Scope::Project(_) | Scope::Environment(_) => invite_to_place(op, input).await,
    }
}

async fn invite_to_place(op: &Op, input: Invite) -> Result<Vec<Model>> {
    let scope = input.scope;
    let (write, permit) = op.change::<cap::MemberInvite>("invitation.create", scope).await?;
    let packs = store::role::packs(&write).await?;
    let index = role::find(&write, &packs, &input.role, scope).await?;
    let facts = op.facts_about_gift(&write, &packs, scope).await?;
    let missing = missing_to_invite(&facts, &packs, Grant::Role(index), scope);
    if let Some((capability, _)) = missing.first() {
        return refuse(op, write, *capability, scope).await;
    }
    send(op, write, &permit, packs.key(index), packs.name(index.into()), input).await
}

async fn invite_to_team(policy: &Policy, op: &Op, team: TeamId, input: Invite) -> Result<Vec<Model>> {
    let role: TeamRole = team_role(&input.role.to_lowercase()).ok_or_else(|| {
        Error::invalid("role", "unknown", "somebody is invited to a team as its `owner` or as a `member`")
    })?;
    let (write, permit) = op.change::<cap::TeamMemberManage>("invitation.create", team).await?;
    if store::team::find(&write, team).await?.is_some_and(|row| row.personal_user_id.is_some()) {
        return Err(Error::FailedPrecondition {
            reason: "PERSONAL_TEAM",
            message: "a personal team has exactly its one member, for ever".to_owned(),
        });
    }
    let packs = store::role::packs(&write).await?;
    let gifts = gifts_of_joining(&write, &packs, &member(policy, team, op.user()?, role)).await?;
    let scopes: Vec<Scope> = gifts.iter().map(|gift| gift.scope).collect();
    let facts = op.facts_about_gifts(&write, &packs, &scopes).await?;
    if let Some(beyond) = beyond_of(&facts, &packs, team, &gifts) {
        let missing: &[(Capability, EnvironmentKind)] = beyond.missing();
        let capability = missing.first().map_or(Capability::TeamMemberManage, |(capability, _)| *capability);
        return refuse(op, write, capability, input.scope).await;
    }
    let word = input.role.to_lowercase();
    send(op, write, &permit, &word, &word, input).await
}

async fn refuse<T>(op: &Op, write: Write, capability: Capability, scope: Scope) -> Result<T> {
    write.refuse(op.store()).await?;
    Err(Error::Forbidden { capability, resource: scope_name(scope) })
}

async fn send<C: Held>(
    op: &Op,
    mut write: Write,
    permit: &Permit<C>,
    role: &str,
    name: &str,
    input: Invite,
) -> Result<Vec<Model>> {
    let (actor, now) = (op.user()?, clock::now());
    let mut rows = Vec::new();
    let mut known = Vec::new();
    for email in &input.emails {
        let row = Model {
            id: ids::new::<InvitationId>(),
            email: email.as_str().to_owned(),
            role: role.to_owned(),
            scope_kind: facts::scope_kind(input.scope),
            scope_id: input.scope.uuid(),
            invited_by: actor,
            created_at: now,
            expires_at: now + input.valid_for,
        };
        rows.push(store::invitation::create(&mut write, permit, row).await?);
        known.extend(store::user::find_by_email(&write, email).await?.map(|user| user.id));
    }
    let place = store::path::of_scopes(&write, &[input.scope]).await?.pop().map_or_else(String::new, |(_, path)| path);
    let by = store::user::find(&write, actor).await?.map_or_else(String::new, |user| user.email);
    let until = (now + input.valid_for).format("%Y-%m-%d").to_string();
    let body = format!("`{by}` invites you to `{place}` as `{name}`; accept or decline it until {until}");
    for row in &rows {
        let content = serde_json::json!({ "by": by, "destination": place, "role": name, "until": until });
        store::delivery::invite(&mut write, &row.email, content).await?;
    }
    notice::tell(&mut write, known, &format!("you are invited to `{place}`"), &body).await?;
    write.entry().details = serde_json::json!({
        "role": name,
        "emails": rows.iter().map(|row| row.email.as_str()).collect::<Vec<_>>(),
    });
    write.commit().await?;
    Ok(rows)
}

/// Puts an invitation away that one does not want.
///
/// # Errors
/// `NotFound` when there is none for the actor's address; `FailedPrecondition` by a key that is narrowed.
pub async fn decline(op: &Op, id: InvitationId) -> Result<()> {
    let me = op.oneself()?;
    let mut write = op.write("invitation.decline").await?;
    write.entry().subject = Some(id.to_string());
    let user = store::user::find(&write, me).await?.ok_or_else(|| Error::not_found("invitation"))?;
    store::invitation::take(&mut write, id, &user).await?;
    write.commit().await
}

/// Takes an invitation back.
///
/// # Errors
/// `Forbidden`, `NotFound` by what inviting there needs.
pub async fn revoke(op: &Op, id: InvitationId) -> Result<()> {
    op.user()?;
    let row = store::invitation::find(op.store(), id).await?;
    let team = row.as_ref().is_some_and(|row| store::invitation::scope(row).level() == Level::Team);
    let write = if team {
        let (mut write, permit) = op.change::<cap::TeamMemberManage>("invitation.revoke", id).await?;
        store::invitation::revoke(&mut write, &permit, id).await?;
        write
    } else {
        let (mut write, permit) = op.change::<cap::MemberInvite>("invitation.revoke", id).await?;
        store::invitation::revoke(&mut write, &permit, id).await?;
        write
    };
    commit_about(write, &row.ok_or_else(|| Error::not_found("invitation"))?).await
}

async fn commit_about(mut write: Write, row: &Model) -> Result<()> {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "email": row.email });
    write.commit().await
}
