//! Giving and taking roles, one by one or several at once.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::{BindingId, TeamId};

use super::invitation::{InvitationInput, TransferInput};
use super::person::{LockInput, RemoveMemberInput, SuspensionOfUserInput};
use super::role::{CreateRoleInput, UpdateRoleInput};
use super::team::{RemoveTeamMemberInput, TeamMemberInput};
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::access::RoleBinding;
use crate::graphql::types::permission::capability;
use crate::op::Op;
use crate::service::access::team::TeamChange;
use crate::service::access::{self, Change, Changed, Gift, Grant};
use crate::service::resolve;

/// A role, or a single capability, for somebody.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct GrantRoleInput {
    /// E-mail address or id of a user, or id of a team.
    subject: String,
    /// Full name of the role, e.g. `ownstak/editor`, or the name or id of one that was made here.
    role: Option<String>,
    /// A single capability instead of a role, e.g. `log.view`.
    capability: Option<String>,
    /// Id or path of an organization, project or environment, id of a team, or `console`.
    scope: String,
    /// Id of a team: counts only while the user is in it and it manages the organization.
    on_behalf_of: Option<ID>,
    /// Counts from then on.
    not_before: Option<DateTime<Utc>>,
    /// Counts until then.
    not_after: Option<DateTime<Utc>>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

impl GrantRoleInput {
    async fn change(self, op: &Op) -> Result<Change> {
        let scope = resolve::scope(op, &self.scope).await?;
        let gift = match (self.role, self.capability) {
            (Some(role), None) => Gift::Role(role),
            (None, Some(name)) => Gift::Capability(capability("capability", &name)?),
            _ => return Err(Error::invalid("role", "exactly_one", "give `role` or `capability`, one of them")),
        };
        let on_behalf_of = self.on_behalf_of.map(|id| input::id::<TeamId>("onBehalfOf", &id)).transpose()?;
        let reason = self.reason.map(|text| input::text("reason", &text, 1_000)).transpose()?;
        Ok(Change::Grant(Grant {
            subject: resolve::subject(op, scope, &self.subject).await?,
            gift,
            scope,
            on_behalf_of,
            not_before: self.not_before,
            not_after: self.not_after,
            reason,
            eligible_role: None,
        }))
    }
}

/// The new binding.
#[derive(SimpleObject)]
struct GrantRolePayload {
    /// It.
    binding: RoleBinding,
}

/// A binding to remove.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct RevokeBindingInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct RevokeBindingPayload {
    /// Its id.
    revoked_id: ID,
}

/// One change of who holds what.
#[derive(OneofObject, Clone)]
pub(in crate::graphql) enum AccessChangeInput {
    /// Gives somebody a role.
    GrantRole(GrantRoleInput),
    /// Takes a binding away.
    RevokeBinding(RevokeBindingInput),
    /// Makes a role.
    CreateRole(CreateRoleInput),
    /// Changes what a role gives.
    UpdateRole(UpdateRoleInput),
    /// Id of a role to remove.
    DeleteRole(ID),
    /// Lets somebody into a team.
    AddTeamMember(TeamMemberInput),
    /// Makes a member of a team an owner, or the other way round.
    ChangeTeamMember(TeamMemberInput),
    /// Puts somebody out of a team.
    RemoveTeamMember(RemoveTeamMemberInput),
    /// Id of a team to remove.
    DeleteTeam(ID),
    /// Takes everything from somebody that is bound to them on a scope and below.
    RemoveMember(RemoveMemberInput),
    /// Suspends a user.
    SuspendUser(SuspensionOfUserInput),
    /// Lets a suspended user in again.
    ResumeUser(SuspensionOfUserInput),
    /// Suspends an organization.
    SuspendOrganization(LockInput),
    /// Lifts the suspension of an organization.
    ResumeOrganization(LockInput),
    /// Freezes an environment.
    FreezeEnvironment(LockInput),
    /// Thaws an environment.
    ThawEnvironment(LockInput),
    /// Accepts an invitation to the viewer's own address.
    AcceptInvitation(InvitationInput),
    /// Takes over an organization that is offered.
    AcceptTransfer(TransferInput),
}

/// What the changes mean to the service.
pub(in crate::graphql) async fn changes(ctx: &Context<'_>, inputs: Vec<AccessChangeInput>) -> Result<Vec<Change>> {
    let (app, op) = (app(ctx), op(ctx));
    if inputs.len() > 100 {
        return Err(Error::invalid("changes", "too_many", "at most 100 changes at once"));
    }
    let mut changes = Vec::with_capacity(inputs.len());
    for change in inputs {
        changes.push(match change {
            AccessChangeInput::GrantRole(input) => input.change(op).await?,
            AccessChangeInput::RevokeBinding(input) => Change::Revoke(input::id("id", &input.id)?),
            AccessChangeInput::CreateRole(input) => input.change(op).await?,
            AccessChangeInput::UpdateRole(input) => input.change()?,
            AccessChangeInput::DeleteRole(id) => Change::DeleteRole(input::id("id", &id)?),
            AccessChangeInput::AddTeamMember(input) => input.add(app, op).await?,
            AccessChangeInput::ChangeTeamMember(input) => input.change(app, op).await?,
            AccessChangeInput::RemoveTeamMember(input) => input.change(op).await?,
            AccessChangeInput::DeleteTeam(id) => Change::Team(TeamChange::Delete(input::id("id", &id)?)),
            AccessChangeInput::RemoveMember(input) => input.change(op).await?,
            AccessChangeInput::SuspendUser(input) => input.change(op, true).await?,
            AccessChangeInput::ResumeUser(input) => input.change(op, false).await?,
            AccessChangeInput::SuspendOrganization(input) => input.of_organization(true)?,
            AccessChangeInput::ResumeOrganization(input) => input.of_organization(false)?,
            AccessChangeInput::FreezeEnvironment(input) => input.of_environment(true)?,
            AccessChangeInput::ThawEnvironment(input) => input.of_environment(false)?,
            AccessChangeInput::AcceptInvitation(input) => input.acceptance(app, op)?,
            AccessChangeInput::AcceptTransfer(input) => input.acceptance()?,
        });
    }
    Ok(changes)
}

/// Several changes, all or none.
#[derive(InputObject)]
struct ChangeAccessInput {
    /// In the order in which they are made.
    changes: Vec<AccessChangeInput>,
    /// The epoch of the preview: refused with `CONFLICT` when who holds what has changed since.
    expected_epoch: Option<i64>,
}

/// What the changes made.
#[derive(SimpleObject)]
struct ChangeAccessPayload {
    /// The bindings that were made.
    bindings: Vec<RoleBinding>,
    /// Ids of the bindings that were taken away.
    revoked_ids: Vec<ID>,
}

/// The one result of one change.
pub(super) async fn make(op: &Op, change: Change) -> Result<Changed> {
    let changed = access::commit(op, vec![change], None).await?;
    changed.into_iter().next().ok_or_else(|| Error::Internal("a change without a result".to_owned()))
}

/// A change answered with the result of another kind.
pub(super) fn mixed_up<T>(_: Changed) -> Result<T> {
    Err(Error::Internal("a change answered with the result of another kind".to_owned()))
}

#[derive(Default)]
pub(super) struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Gives somebody a role or a single capability. Nobody gives more than they hold. Requires `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn grant_role(&self, ctx: &Context<'_>, input: GrantRoleInput) -> Result<GrantRolePayload> {
        let op = op(ctx);
        match make(op, input.change(op).await?).await? {
            Changed::Bound(row) => Ok(GrantRolePayload { binding: RoleBinding(row) }),
            other => mixed_up(other),
        }
    }

    /// Takes a role away. Requires `access.manage` where it is bound.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn revoke_binding(&self, ctx: &Context<'_>, input: RevokeBindingInput) -> Result<RevokeBindingPayload> {
        make(op(ctx), Change::Revoke(input::id::<BindingId>("id", &input.id)?)).await?;
        Ok(RevokeBindingPayload { revoked_id: input.id })
    }

    /// Makes several changes of who holds what, all or none. Requires `access.manage` wherever one of them happens.
    #[graphql(directive = requires::apply("access.manage".into(), "changes".into()))]
    async fn change_access(&self, ctx: &Context<'_>, input: ChangeAccessInput) -> Result<ChangeAccessPayload> {
        let op = op(ctx);
        let changed = access::commit(op, changes(ctx, input.changes).await?, input.expected_epoch).await?;
        let mut payload = ChangeAccessPayload { bindings: Vec::new(), revoked_ids: Vec::new() };
        for each in changed {
            match each {
                Changed::Bound(row) => payload.bindings.push(RoleBinding(row)),
                Changed::Revoked(row) => payload.revoked_ids.push(ID(row.id.to_string())),
                _ => {}
            }
        }
        Ok(payload)
    }
}
