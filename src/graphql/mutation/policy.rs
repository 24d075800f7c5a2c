//! Assertions about access, roles for emergencies, and bindings out of other consoles.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::access::{make, mixed_up};
use crate::error::Result;
use crate::graphql::context::op;
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::access::{EnvironmentSelection, RoleBinding};
use crate::graphql::types::permission::capability;
use crate::graphql::types::policy::{EligibleRole, PolicyTest};
use crate::service::access::{Change, Changed, eligible, exchange, policy_test};
use crate::service::resolve;

/// A new assertion about access.
#[derive(InputObject)]
struct CreatePolicyTestInput {
    /// Id of the organization.
    organization_id: ID,
    /// What people call it; a change that it forbids is refused with this name.
    name: String,
    /// Who must not hold it: e-mail address or id of a user, or id of a team.
    subject: String,
    /// Everybody who is not in the team, instead of those who are.
    #[graphql(default)]
    outside: bool,
    /// What must not be held, e.g. `deployment.create`.
    capability: String,
    /// On these environments.
    #[graphql(default_with = "EnvironmentSelection::Any")]
    environments: EnvironmentSelection,
    /// Id or path of the scope on which, and below which, it must not be held; the organization if it is not said.
    scope: Option<String>,
}

/// The new assertion.
#[derive(SimpleObject)]
struct CreatePolicyTestPayload {
    /// It.
    policy_test: PolicyTest,
}

/// An assertion to remove.
#[derive(InputObject)]
struct DeletePolicyTestInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeletePolicyTestPayload {
    /// Its id.
    deleted_id: ID,
}

/// A role to approve beforehand.
#[derive(InputObject)]
struct CreateEligibleRoleInput {
    /// Who may activate it: e-mail address or id of a user, or id of a team.
    subject: String,
    /// Full name of the role, or the name or id of one that was made here.
    role: String,
    /// Id or path of the scope.
    scope: String,
    /// The longest time that one activation lasts, in seconds: from 60 to a week.
    max_duration_seconds: i32,
}

/// The approved role.
#[derive(SimpleObject)]
struct CreateEligibleRolePayload {
    /// It.
    eligible_role: EligibleRole,
}

/// An approval to take back.
#[derive(InputObject)]
struct DeleteEligibleRoleInput {
    /// Which.
    id: ID,
}

/// What was taken back.
#[derive(SimpleObject)]
struct DeleteEligibleRolePayload {
    /// Its id.
    deleted_id: ID,
}

/// A role to activate.
#[derive(InputObject)]
struct ActivateEligibleRoleInput {
    /// Which.
    id: ID,
    /// Why; those who manage access are told.
    reason: String,
    /// For how long, in seconds; as long as is approved, if it is not said.
    duration_seconds: Option<i32>,
}

/// The activation.
#[derive(SimpleObject)]
struct ActivateEligibleRolePayload {
    /// The binding, which ends by itself.
    binding: RoleBinding,
}

/// An activation to end.
#[derive(InputObject)]
struct EndActivationInput {
    /// Id of its binding.
    id: ID,
}

/// What was ended.
#[derive(SimpleObject)]
struct EndActivationPayload {
    /// Id of its binding.
    ended_id: ID,
}

/// Bindings to import.
#[derive(InputObject)]
struct ImportBindingsInput {
    /// Id or path of the scope that all of them are in, or `console`.
    scope: String,
    /// The pack of roles that are named without one, e.g. `mia-console`.
    pack: Option<String>,
    /// A JSON list of `{bindingId, subjects[], groups[], roles[], permissions[], resource?: {resourceType, resourceId}}`.
    bindings: String,
}

/// What was imported.
#[derive(SimpleObject)]
struct ImportBindingsPayload {
    /// The bindings, one for each subject and role.
    bindings: Vec<RoleBinding>,
}

#[derive(Default)]
pub(super) struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Asserts that somebody does not hold something; from then on a change that makes it false is refused and named.
    /// Requires `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "organizationId".into()))]
    async fn create_policy_test(
        &self,
        ctx: &Context<'_>,
        input: CreatePolicyTestInput,
    ) -> Result<CreatePolicyTestPayload> {
        let op = op(ctx);
        let organization = input::id("organizationId", &input.organization_id)?;
        let scope = match &input.scope {
            Some(text) => resolve::scope(op, text).await?,
            None => crate::authz::Scope::from(organization),
        };
        let create = policy_test::Create {
            organization,
            name: input::text("name", &input.name, 200)?,
            subject: resolve::subject(op, organization.into(), &input.subject).await?,
            outside: input.outside,
            capability: capability("capability", &input.capability)?,
            environments: input.environments.name(),
            scope,
        };
        Ok(CreatePolicyTestPayload { policy_test: PolicyTest(policy_test::create(op, create).await?) })
    }

    /// Removes an assertion. Requires `access.manage` on its organization.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn delete_policy_test(
        &self,
        ctx: &Context<'_>,
        input: DeletePolicyTestInput,
    ) -> Result<DeletePolicyTestPayload> {
        policy_test::delete(op(ctx), input::id("id", &input.id)?).await?;
        Ok(DeletePolicyTestPayload { deleted_id: input.id })
    }

    /// Approves beforehand that somebody activates a role for a while. It is weighed as if it were given now. Requires
    /// `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn create_eligible_role(
        &self,
        ctx: &Context<'_>,
        input: CreateEligibleRoleInput,
    ) -> Result<CreateEligibleRolePayload> {
        let op = op(ctx);
        let scope = resolve::scope(op, &input.scope).await?;
        let create = eligible::Create {
            subject: resolve::subject(op, scope, &input.subject).await?,
            role: input.role,
            scope,
            max_seconds: input.max_duration_seconds,
        };
        Ok(CreateEligibleRolePayload { eligible_role: EligibleRole(eligible::create(op, create).await?) })
    }

    /// Takes an approval back; what is active goes on until its end or until its binding is revoked. Requires
    /// `access.manage` where it would be bound.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn delete_eligible_role(
        &self,
        ctx: &Context<'_>,
        input: DeleteEligibleRoleInput,
    ) -> Result<DeleteEligibleRolePayload> {
        eligible::delete(op(ctx), input::id("id", &input.id)?).await?;
        Ok(DeleteEligibleRolePayload { deleted_id: input.id })
    }

    /// Activates a role that was approved for the viewer, with a reason and for a while. Those who manage access there are
    /// told. It ends by itself.
    async fn activate_eligible_role(
        &self,
        ctx: &Context<'_>,
        input: ActivateEligibleRoleInput,
    ) -> Result<ActivateEligibleRolePayload> {
        let activate = eligible::Activate {
            id: input::id("id", &input.id)?,
            reason: input::text("reason", &input.reason, 1_000)?,
            seconds: input.duration_seconds,
        };
        match make(op(ctx), Change::Activate(activate)).await? {
            Changed::Bound(row) => Ok(ActivateEligibleRolePayload { binding: RoleBinding(row) }),
            other => mixed_up(other),
        }
    }

    /// Ends an activation of the viewer's own before its time.
    async fn end_activation(&self, ctx: &Context<'_>, input: EndActivationInput) -> Result<EndActivationPayload> {
        make(op(ctx), Change::EndActivation(input::id("id", &input.id)?)).await?;
        Ok(EndActivationPayload { ended_id: input.id })
    }

    /// Makes the bindings of another console, all or none; everything that is not understood is told at once, by its place
    /// in the list. Requires `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn import_bindings(&self, ctx: &Context<'_>, input: ImportBindingsInput) -> Result<ImportBindingsPayload> {
        let op = op(ctx);
        let scope = resolve::scope(op, &input.scope).await?;
        let rows = exchange::import(op, scope, input.pack.as_deref(), &input.bindings).await?;
        Ok(ImportBindingsPayload { bindings: rows.into_iter().map(RoleBinding).collect() })
    }
}
