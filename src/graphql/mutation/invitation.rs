//! Inviting people, and answering; offering organizations, and answering.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;

use entities::ids::{InvitationId, OrganizationId, TeamId, TransferId};

use super::access::{make, mixed_up};
use crate::domain::email::EmailAddress;
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::Organization;
use crate::graphql::types::access::RoleBinding;
use crate::graphql::types::invitation::{Invitation, OrganizationTransfer};
use crate::graphql::types::team::TeamMember;
use crate::op::Op;
use crate::service::access::invitation::Acceptance;
use crate::service::access::{Change, Changed};
use crate::service::{App, invitation, resolve, transfer};

/// Days that an invitation may be open.
const LONGEST: i32 = 90;

/// People to invite.
#[derive(InputObject)]
struct InviteUsersInput {
    /// Id or path of an organization, project or environment, or id of a team.
    scope: String,
    /// Their e-mail addresses, at most 50.
    emails: Vec<String>,
    /// Full name or id of the role; for a team `owner` or `member`.
    role: String,
    /// Days until the invitations expire, from 1 to 90.
    #[graphql(default = 14)]
    expires_in_days: i32,
}

/// The invitations, the same whether anybody has an account or not.
#[derive(SimpleObject)]
struct InviteUsersPayload {
    /// One for each address.
    invitations: Vec<Invitation>,
}

/// An invitation.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct InvitationInput {
    /// Which.
    id: ID,
}

impl InvitationInput {
    pub(super) fn acceptance(&self, app: &App, op: &Op) -> Result<Change> {
        let id = input::id::<InvitationId>("id", &self.id)?;
        Ok(Change::Accept(Acceptance { id, user: op.oneself()?, policy: app.config.policy.clone() }))
    }
}

/// What came of an invitation: one of them.
#[derive(SimpleObject)]
struct AcceptInvitationPayload {
    /// The role that is held from now on.
    binding: Option<RoleBinding>,
    /// The membership of the team.
    member: Option<TeamMember>,
}

/// The invitation that is gone.
#[derive(SimpleObject)]
struct DeclineInvitationPayload {
    /// Its id.
    declined_id: ID,
}

/// The invitation that is gone.
#[derive(SimpleObject)]
struct RevokeInvitationPayload {
    /// Its id.
    revoked_id: ID,
}

/// An organization to hand over.
#[derive(InputObject)]
struct OfferTransferInput {
    /// The organization.
    organization_id: ID,
    /// The team that gets it if it accepts.
    team_id: ID,
}

/// The offer.
#[derive(SimpleObject)]
struct OfferTransferPayload {
    /// It.
    transfer: OrganizationTransfer,
}

/// An offer.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct TransferInput {
    /// Which.
    id: ID,
}

impl TransferInput {
    pub(super) fn acceptance(&self) -> Result<Change> {
        Ok(Change::AcceptTransfer(input::id::<TransferId>("id", &self.id)?))
    }
}

/// What the team manages from now on.
#[derive(SimpleObject)]
struct AcceptTransferPayload {
    /// Id of the organization.
    organization_id: ID,
    /// The organization, if the viewer may view it.
    organization: Option<Organization>,
}

/// The offer that is gone.
#[derive(SimpleObject)]
struct WithdrawTransferPayload {
    /// Its id.
    withdrawn_id: ID,
}

#[derive(Default)]
pub(super) struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites people by their e-mail addresses; who is invited there already gets the new invitation instead. Nobody offers
    /// more than they hold. Requires `member.invite`, for a team `team.member.manage`.
    #[graphql(directive = requires::apply("member.invite".into(), "scope".into()))]
    async fn invite_users(&self, ctx: &Context<'_>, input: InviteUsersInput) -> Result<InviteUsersPayload> {
        let mut problems = Problems::default();
        let parsed = (0..)
            .zip(&input.emails)
            .map(|(place, email): (usize, _)| problems.take(&format!("emails[{place}]"), EmailAddress::parse(email)));
        let emails = parsed.collect::<Vec<_>>().into_iter().collect::<Option<_>>();
        let emails: std::collections::BTreeSet<EmailAddress> = problems.or(emails)?;
        if emails.is_empty() || input.emails.len() > invitation::MOST {
            let text = format!("name from 1 to {} addresses", invitation::MOST);
            return Err(Error::invalid("emails", "out_of_range", text));
        }
        if !(1..=LONGEST).contains(&input.expires_in_days) {
            let text = format!("`expiresInDays` has to be from 1 to {LONGEST}");
            return Err(Error::invalid("expiresInDays", "out_of_range", text));
        }
        let scope = resolve::scope(op(ctx), &input.scope).await?;
        let valid_for = TimeDelta::days(input.expires_in_days.into());
        let invite = invitation::Invite { scope, emails, role: input.role, valid_for };
        let rows = invitation::invite(&app(ctx).config.policy, op(ctx), invite).await?;
        Ok(InviteUsersPayload { invitations: rows.into_iter().map(Invitation).collect() })
    }

    /// Accepts an invitation to the viewer's own address. What it gives is weighed again: whoever sent it must still hold it.
    async fn accept_invitation(&self, ctx: &Context<'_>, input: InvitationInput) -> Result<AcceptInvitationPayload> {
        match make(op(ctx), input.acceptance(app(ctx), op(ctx))?).await? {
            Changed::Bound(row) => Ok(AcceptInvitationPayload { binding: Some(RoleBinding(row)), member: None }),
            Changed::Member(row) => Ok(AcceptInvitationPayload { binding: None, member: Some(TeamMember(row)) }),
            other => mixed_up(other),
        }
    }

    /// Puts away an invitation to the viewer's own address.
    async fn decline_invitation(&self, ctx: &Context<'_>, input: InvitationInput) -> Result<DeclineInvitationPayload> {
        invitation::decline(op(ctx), input::id("id", &input.id)?).await?;
        Ok(DeclineInvitationPayload { declined_id: input.id })
    }

    /// Takes an invitation back. Requires `member.invite` where it leads to, for a team `team.member.manage`.
    #[graphql(directive = requires::apply("member.invite".into(), "id".into()))]
    async fn revoke_invitation(&self, ctx: &Context<'_>, input: InvitationInput) -> Result<RevokeInvitationPayload> {
        invitation::revoke(op(ctx), input::id("id", &input.id)?).await?;
        Ok(RevokeInvitationPayload { revoked_id: input.id })
    }

    /// Offers an organization to another team. Requires `organization.transfer`.
    #[graphql(directive = requires::apply("organization.transfer".into(), "organizationId".into()))]
    async fn offer_transfer(&self, ctx: &Context<'_>, input: OfferTransferInput) -> Result<OfferTransferPayload> {
        let organization = input::id::<OrganizationId>("organizationId", &input.organization_id)?;
        let team = input::id::<TeamId>("teamId", &input.team_id)?;
        Ok(OfferTransferPayload { transfer: OrganizationTransfer(transfer::offer(op(ctx), organization, team).await?) })
    }

    /// Takes over an organization for the team that it is offered to. What was held through the old team, or on its behalf,
    /// counts no longer. Requires `team.organization.create` there.
    #[graphql(directive = requires::apply("team.organization.create".into(), "id".into()))]
    async fn accept_transfer(&self, ctx: &Context<'_>, input: TransferInput) -> Result<AcceptTransferPayload> {
        let Changed::Organization(row) = make(op(ctx), input.acceptance()?).await? else {
            return Err(Error::Internal("a transfer without an organization".to_owned()));
        };
        let organization_id = ID(row.id.to_string());
        let held = op(ctx).masks(&[row.id.into()]).await?;
        let seen = held.values().any(|mask| mask.contains(crate::authz::Capability::OrganizationView));
        Ok(AcceptTransferPayload { organization_id, organization: seen.then_some(Organization(row)) })
    }

    /// Takes an offer back, or declines it for the team that it was made to. Requires `organization.transfer`, or
    /// `team.organization.create` in that team.
    #[graphql(directive = requires::apply("organization.transfer".into(), "id".into()))]
    async fn withdraw_transfer(&self, ctx: &Context<'_>, input: TransferInput) -> Result<WithdrawTransferPayload> {
        transfer::withdraw(op(ctx), input::id("id", &input.id)?).await?;
        Ok(WithdrawTransferPayload { withdrawn_id: input.id })
    }
}
