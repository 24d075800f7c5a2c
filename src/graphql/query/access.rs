//! Questions about access: what a change would do, who can, and access as text.

use async_graphql::{Context, Object};

use entities::ids::UserId;

use crate::error::{Error, Result};
use crate::graphql::context::op;
use crate::graphql::directive::requires;
use crate::graphql::mutation::access::{AccessChangeInput, changes};
use crate::graphql::page::{MOST, USUAL};
use crate::graphql::types::permission::capability;
use crate::graphql::types::question::{AccessPreview, WhoCan};
use crate::service::access::{self, exchange, role, who};
use crate::service::resolve;

#[derive(Default)]
pub(super) struct AccessQuery;

#[Object]
impl AccessQuery {
    /// What changes of who holds what would do: who would gain and lose what, and what forbids it. Nothing is kept; with the
    /// epoch that is answered, `changeAccess` does just this. Requires `access.manage` wherever one of them would happen.
    #[graphql(directive = requires::apply("access.manage".into(), "changes".into()))]
    async fn preview_access_change(&self, ctx: &Context<'_>, changes: Vec<AccessChangeInput>) -> Result<AccessPreview> {
        let op = op(ctx);
        let asked = self::changes(op, changes).await?;
        Ok(AccessPreview(access::preview(op, asked).await?))
    }

    /// Everybody who holds a capability on a resource, and through what. `resource` is an id, a path, or `console`. Requires
    /// `member.view` there, or `team.view` on a team.
    #[graphql(directive = requires::apply("member.view".into(), "resource".into()))]
    async fn who_can(
        &self,
        ctx: &Context<'_>,
        capability: String,
        resource: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<WhoCan> {
        let capability = self::capability("capability", &capability)?;
        let limit = first.unwrap_or(USUAL);
        let limit = usize::try_from(limit)
            .ok()
            .filter(|_| limit <= MOST)
            .ok_or_else(|| Error::invalid("first", "out_of_range", format!("`first` has to be from 0 to {MOST}")))?;
        let after = after.map(|text| text.parse::<UserId>()).transpose();
        let after = after.map_err(|_| Error::invalid("after", "not_a_cursor", "`after` is no cursor of this list"))?;
        let scope = resolve::scope(op(ctx), &resource).await?;
        Ok(WhoCan { answer: who::can(op(ctx), capability, scope, after, limit).await? })
    }

    /// The text of a role pack, as `importRolePack` takes it: one that comes with the program, or one of the scope's own.
    /// Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "scope".into()))]
    async fn role_pack(&self, ctx: &Context<'_>, scope: String, pack: String) -> Result<String> {
        let scope = resolve::scope(op(ctx), &scope).await?;
        role::export(op(ctx), scope, &pack).await
    }

    /// The bindings on a scope and below it, as JSON in the form that `importBindings` takes. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "scope".into()))]
    async fn bindings_export(&self, ctx: &Context<'_>, scope: String) -> Result<String> {
        let scope = resolve::scope(op(ctx), &scope).await?;
        exchange::export(op(ctx), scope).await
    }
}
