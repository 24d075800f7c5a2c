//! Giving and taking roles.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::BindingId;

use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::access::RoleBinding;
use crate::service::{access, resolve};

/// A role for somebody.
#[derive(InputObject)]
struct GrantRoleInput {
    /// E-mail address or id of a user, or id of a team.
    subject: String,
    /// Full name of the role, e.g. `ownstak/editor`.
    role: String,
    /// Id or path of an organization, project or environment, id of a team, or `console`.
    scope: String,
    /// Counts from then on.
    not_before: Option<DateTime<Utc>>,
    /// Counts until then.
    not_after: Option<DateTime<Utc>>,
}

/// The new binding.
#[derive(SimpleObject)]
struct GrantRolePayload {
    /// It.
    binding: RoleBinding,
}

/// A binding to remove.
#[derive(InputObject)]
struct RevokeBindingInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct RevokeBindingPayload {
    /// Its id.
    revoked_id: ID,
}

#[derive(Default)]
pub(super) struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Gives somebody a role. Nobody gives more than they hold. Requires `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn grant_role(&self, ctx: &Context<'_>, input: GrantRoleInput) -> Result<GrantRolePayload> {
        let op = op(ctx);
        let scope = resolve::scope(op, &input.scope).await?;
        let grant = access::Grant {
            subject: resolve::subject(op, scope, &input.subject).await?,
            role: input.role,
            scope,
            not_before: input.not_before,
            not_after: input.not_after,
        };
        let row = access::grant(app(ctx), op, grant).await?;
        Ok(GrantRolePayload { binding: RoleBinding(row) })
    }

    /// Takes a role away. Requires `access.manage` where it is bound.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn revoke_binding(&self, ctx: &Context<'_>, input: RevokeBindingInput) -> Result<RevokeBindingPayload> {
        access::revoke(op(ctx), input::id::<BindingId>("id", &input.id)?).await?;
        Ok(RevokeBindingPayload { revoked_id: input.id })
    }
}
