//! The whole installation, as a scope.

use async_graphql::{Context, Object};

use super::access::{RoleBinding, bindings};
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use super::role::{CustomRole, roles};
use crate::authz::Scope;
use crate::error::Result;
use crate::graphql::directive::requires;
use crate::graphql::page::Listed;

/// The whole installation.
pub(in crate::graphql) struct Console;

/// The whole installation.
#[Object]
impl Console {
    /// Roles that people hold everywhere. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "console".into()))]
    async fn bindings(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<RoleBinding>> {
        bindings(ctx, Scope::Console, (first, after, last, before)).await
    }

    /// Roles that were made or imported for everybody. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "console".into()))]
    async fn custom_roles(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<CustomRole>> {
        roles(ctx, Scope::Console, (first, after, last, before)).await
    }

    /// Whether the viewer holds each of these capabilities on the whole console.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, Scope::Console, capabilities).await
    }

    /// Every capability of the console that the viewer holds.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, Scope::Console).await
    }
}
