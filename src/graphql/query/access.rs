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
use crate::graphql::types::review::AccessReview;
use crate::service::access::{self, exchange, review, role, who};
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
        let asked = self::changes(ctx, changes).await?;
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
        let (limit, after) = part(first, after)?;
        let scope = resolve::scope(op(ctx), &resource).await?;
        Ok(WhoCan { answer: who::can(op(ctx), capability, scope, after, limit).await? })
    }

    /// Everybody who holds something on a scope or below it: what, through what, what of it they use, and which role would be
    /// enough. `scope` is the id or path of an organization, project or environment, or `console`; `days` is how far back the
    /// uses count that a role has to be enough for. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "scope".into()))]
    async fn access_review(
        &self,
        ctx: &Context<'_>,
        scope: String,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default = 90)] days: i32,
    ) -> Result<AccessReview> {
        if !(1..=3_650).contains(&days) {
            return Err(Error::invalid("days", "out_of_range", "`days` has to be from 1 to 3650"));
        }
        let (limit, after) = part(first, after)?;
        let scope = resolve::scope(op(ctx), &scope).await?;
        Ok(AccessReview(review::review(op(ctx), scope, days.into(), after, limit).await?))
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

/// Which part of a list of people is wanted.
fn part(first: Option<i32>, after: Option<String>) -> Result<(usize, Option<UserId>)> {
    let first = first.unwrap_or(USUAL);
    let outside = || Error::invalid("first", "out_of_range", format!("`first` has to be from 0 to {MOST}"));
    let limit = usize::try_from(first).ok().filter(|_| first <= MOST).ok_or_else(outside)?;
    let after = after.map(|text| text.parse::<UserId>()).transpose();
    let after = after.map_err(|_| Error::invalid("after", "not_a_cursor", "`after` is no cursor of this list"))?;
    Ok((limit, after))
}
