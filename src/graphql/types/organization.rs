//! Organizations.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::ProjectId;
use entities::organization::Model;

use super::access::{RoleBinding, bindings};
use super::invitation::{Invitation, OrganizationTransfer, invitations};
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use super::policy::{EligibleRole, PolicyTest, eligible_roles, policy_tests};
use super::role::{CustomRole, roles};
use super::service_account::{ServiceAccount, service_accounts};
use super::{Project, Team};
use crate::authz::cap;
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::store;

/// An organization, managed by one team.
#[derive(Clone)]
pub(in crate::graphql) struct Organization(pub(in crate::graphql) Model);

/// An organization, managed by one team.
#[Object]
impl Organization {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Its name in links.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Where it is found: the same as its name in links.
    async fn path(&self) -> &str {
        &self.0.slug
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Since when it is suspended, if it is.
    async fn suspended_at(&self) -> Option<DateTime<Utc>> {
        self.0.suspended_at
    }

    /// Grows with every edit; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The team that manages it, if the viewer may view that.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        Ok(loaders(ctx).teams.one(self.0.team_id).await?.map(|row| Team((*row).clone())))
    }

    /// Its projects that the viewer may view.
    async fn projects(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Project>> {
        let page = page::<ProjectId>(first, after, last, before, false)?;
        let visible = op(ctx).visible::<cap::ProjectView>().await?;
        let rows = store::project::list(op(ctx).store(), &visible, Some(self.0.id), &page).await?;
        Ok(connection(rows, |row| row.id, Project))
    }

    /// Who holds which role here. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "id".into()))]
    async fn bindings(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<RoleBinding>> {
        bindings(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// The roles that were made or imported here. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "id".into()))]
    async fn custom_roles(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<CustomRole>> {
        roles(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// What the organization asserts of its access. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "id".into()))]
    async fn policy_tests(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<PolicyTest>> {
        policy_tests(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// Roles that people may activate here for a while. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "id".into()))]
    async fn eligible_roles(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<EligibleRole>> {
        eligible_roles(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// Invitations here that wait for an answer, or have expired. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "id".into()))]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Invitation>> {
        invitations::<cap::MemberView>(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// The service accounts that belong here. Requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "id".into()))]
    async fn service_accounts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<ServiceAccount>> {
        service_accounts(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// The offer of it to another team, if there is one. Requires `organization.transfer`.
    #[graphql(directive = requires::apply("organization.transfer".into(), "id".into()))]
    async fn transfer(&self, ctx: &Context<'_>) -> Result<Option<OrganizationTransfer>> {
        let permit = op(ctx).permit::<cap::OrganizationTransfer>(self.0.id).await?;
        Ok(store::transfer::of_organization(op(ctx).store(), &permit).await?.map(OrganizationTransfer))
    }

    /// Whether the viewer holds each of these capabilities here.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.id.into(), capabilities).await
    }

    /// Every capability of an organization that the viewer holds here.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.id.into()).await
    }
}
