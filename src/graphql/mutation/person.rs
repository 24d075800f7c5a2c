//! Taking people out of places, and suspending and freezing.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{EnvironmentId, OrganizationId};

use super::access::{make, mixed_up};
use crate::authz::{Scope, cap};
use crate::error::Result;
use crate::graphql::context::op;
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::{Environment, Organization, User};
use crate::op::Op;
use crate::service::access::lock::{LockChange, Locked};
use crate::service::access::person::PersonChange;
use crate::service::access::{Change, Changed};
use crate::service::resolve;

/// Somebody who is taken out of a place.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct RemoveMemberInput {
    /// Id or path of an organization, project or environment.
    scope: String,
    /// E-mail address or id of a user.
    user: String,
}

impl RemoveMemberInput {
    pub(super) async fn change(self, op: &Op) -> Result<Change> {
        let scope = resolve::scope(op, &self.scope).await?;
        let user = resolve::user_for::<cap::MemberRemove>(op, scope, &self.user).await?;
        Ok(Change::Person(PersonChange::Remove { scope, user }))
    }
}

/// What was taken from somebody.
#[derive(SimpleObject)]
struct RemoveMemberPayload {
    /// Ids of the bindings that are gone.
    revoked_ids: Vec<ID>,
}

/// A user to suspend, or to let in again.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct SuspensionOfUserInput {
    /// E-mail address or id of a user.
    user: String,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// Something to suspend or freeze, or to lift that from.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct LockInput {
    /// Which.
    id: ID,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

fn lock(what: Locked, on: bool, reason: Option<String>) -> Result<Change> {
    let reason = reason.map(|text| input::text("reason", &text, 1_000)).transpose()?;
    Ok(Change::Lock(LockChange { what, on, reason }))
}

impl SuspensionOfUserInput {
    pub(super) async fn change(self, op: &Op, on: bool) -> Result<Change> {
        let user = resolve::user_for::<cap::UserManage>(op, Scope::Console, &self.user).await?;
        lock(Locked::User(user), on, self.reason)
    }
}

impl LockInput {
    pub(super) fn of_organization(self, on: bool) -> Result<Change> {
        lock(Locked::Organization(input::id::<OrganizationId>("id", &self.id)?), on, self.reason)
    }

    pub(super) fn of_environment(self, on: bool) -> Result<Change> {
        lock(Locked::Environment(input::id::<EnvironmentId>("id", &self.id)?), on, self.reason)
    }
}

/// The user.
#[derive(SimpleObject)]
struct SuspensionOfUserPayload {
    /// Them.
    user: User,
    /// Whether they are suspended now.
    suspended: bool,
}

/// The organization.
#[derive(SimpleObject)]
struct SuspensionOfOrganizationPayload {
    /// As it is now.
    organization: Organization,
}

/// The environment.
#[derive(SimpleObject)]
struct FreezePayload {
    /// As it is now.
    environment: Environment,
}

async fn user(ctx: &Context<'_>, input: SuspensionOfUserInput, on: bool) -> Result<SuspensionOfUserPayload> {
    match make(op(ctx), input.change(op(ctx), on).await?).await? {
        Changed::User(row) => Ok(SuspensionOfUserPayload { suspended: row.suspended_at.is_some(), user: User(row) }),
        other => mixed_up(other),
    }
}

async fn organization(ctx: &Context<'_>, change: Change) -> Result<SuspensionOfOrganizationPayload> {
    match make(op(ctx), change).await? {
        Changed::Organization(row) => Ok(SuspensionOfOrganizationPayload { organization: Organization(row) }),
        other => mixed_up(other),
    }
}

async fn environment(ctx: &Context<'_>, change: Change) -> Result<FreezePayload> {
    match make(op(ctx), change).await? {
        Changed::Environment(row) => Ok(FreezePayload { environment: Environment(row) }),
        other => mixed_up(other),
    }
}

#[derive(Default)]
pub(super) struct PersonMutation;

#[Object]
impl PersonMutation {
    /// Takes everything from somebody that is bound to them here and on everything below, all or none; invitations that
    /// wait for them there are gone too. What they hold through a team stays. Requires `member.remove`.
    #[graphql(directive = requires::apply("member.remove".into(), "scope".into()))]
    async fn remove_member(&self, ctx: &Context<'_>, input: RemoveMemberInput) -> Result<RemoveMemberPayload> {
        match make(op(ctx), input.change(op(ctx)).await?).await? {
            Changed::Removed(rows) => {
                Ok(RemoveMemberPayload { revoked_ids: rows.iter().map(|row| ID(row.id.to_string())).collect() })
            }
            other => mixed_up(other),
        }
    }

    /// Suspends a user or service account: they hold nothing, their sessions end at once, their keys are refused. Requires
    /// `user.manage` on the console.
    #[graphql(directive = requires::apply("user.manage".into(), "user".into()))]
    async fn suspend_user(&self, ctx: &Context<'_>, input: SuspensionOfUserInput) -> Result<SuspensionOfUserPayload> {
        user(ctx, input, true).await
    }

    /// Lets a suspended user in again; they hold what they held. Requires `user.manage` on the console.
    #[graphql(directive = requires::apply("user.manage".into(), "user".into()))]
    async fn resume_user(&self, ctx: &Context<'_>, input: SuspensionOfUserInput) -> Result<SuspensionOfUserPayload> {
        user(ctx, input, false).await
    }

    /// Suspends an organization: viewing, paying and transferring are left. Requires `organization.delete` on the console.
    #[graphql(directive = requires::apply("organization.delete".into(), "id".into()))]
    async fn suspend_organization(
        &self,
        ctx: &Context<'_>,
        input: LockInput,
    ) -> Result<SuspensionOfOrganizationPayload> {
        organization(ctx, input.of_organization(true)?).await
    }

    /// Lifts the suspension of an organization. Requires `organization.delete` on the console.
    #[graphql(directive = requires::apply("organization.delete".into(), "id".into()))]
    async fn resume_organization(
        &self,
        ctx: &Context<'_>,
        input: LockInput,
    ) -> Result<SuspensionOfOrganizationPayload> {
        organization(ctx, input.of_organization(false)?).await
    }

    /// Freezes an environment: nothing is deployed to it, and it is neither edited nor removed; rollback, cancel and restart
    /// go on. Requires `environment.freeze`.
    #[graphql(directive = requires::apply("environment.freeze".into(), "id".into()))]
    async fn freeze_environment(&self, ctx: &Context<'_>, input: LockInput) -> Result<FreezePayload> {
        environment(ctx, input.of_environment(true)?).await
    }

    /// Thaws an environment. Requires `environment.freeze`.
    #[graphql(directive = requires::apply("environment.freeze".into(), "id".into()))]
    async fn thaw_environment(&self, ctx: &Context<'_>, input: LockInput) -> Result<FreezePayload> {
        environment(ctx, input.of_environment(false)?).await
    }
}
