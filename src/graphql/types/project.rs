//! Projects.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::EnvironmentId;
use entities::project::Model;

use super::access::{RoleBinding, bindings};
use super::git::GitConnection;
use super::invitation::{Invitation, invitations};
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use super::service_account::{ServiceAccount, service_accounts};
use super::variable::Variable;
use super::webhook::{Notifications, Webhook, notifications, webhooks};
use super::{Environment, Organization};
use crate::authz::{Scope, cap};
use crate::error::{Error, Result};
use crate::graphql::context::{app, loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::service::variable;
use crate::store;

/// How long a project keeps what it does not use, in each of its environments.
#[derive(SimpleObject)]
struct Retention {
    /// As many deployments, beside the active one, keep running although nobody visits them.
    keep_running: i32,
    /// After so many minutes without a visit the others are retired.
    retire_after_minutes: i32,
    /// As many deployments are kept; older ones that do not run are deleted.
    keep_deployments: i32,
    /// Whether a visit of a retired deployment's link starts it again.
    revive_on_visit: bool,
}

/// A project of an organization.
#[derive(Clone)]
pub(in crate::graphql) struct Project(pub(in crate::graphql) Model);

/// The path of a scope whose row is at hand.
pub(super) async fn path(ctx: &Context<'_>, scope: impl Into<Scope>) -> Result<String> {
    let path = loaders(ctx).paths.one(scope.into()).await?;
    path.map(|path| (*path).clone()).ok_or_else(|| Error::not_found("object"))
}

/// A project of an organization.
#[Object]
impl Project {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Its name in links, unique within the organization.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Where it is found: `organization/project`.
    async fn path(&self, ctx: &Context<'_>) -> Result<String> {
        path(ctx, self.0.id).await
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How long it keeps what it does not use.
    async fn retention(&self) -> Retention {
        Retention {
            keep_running: self.0.keep_running,
            retire_after_minutes: self.0.retire_after_minutes,
            keep_deployments: self.0.keep_deployments,
            revive_on_visit: self.0.revive_on_visit,
        }
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Grows with every edit; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Its organization, if the viewer may view that.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        let row = loaders(ctx).organizations.one(self.0.organization_id).await?;
        Ok(row.map(|row| Organization((*row).clone())))
    }

    /// Its environments that the viewer may view.
    async fn environments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Environment>> {
        let page = page::<EnvironmentId>(first, after, last, before, false)?;
        let visible = op(ctx).visible::<cap::EnvironmentView>().await?;
        let rows = store::environment::list(op(ctx).store(), &visible, self.0.id, &page).await?;
        Ok(connection(rows, |row| row.id, Environment))
    }

    /// The repository that it can be deployed from, if one is connected. Requires `project.view`.
    #[graphql(directive = requires::apply("project.view".into(), "id".into()))]
    async fn git_connection(&self, ctx: &Context<'_>) -> Result<Option<GitConnection>> {
        let permit = op(ctx).permit::<cap::ProjectView>(self.0.id).await?;
        Ok(store::git::of_project(op(ctx).store(), &permit).await?.map(GitConnection))
    }

    /// The variables that are set on it, of those that count for the kinds of environment under which the viewer holds
    /// `variable.view`. Requires `variable.view`.
    #[graphql(directive = requires::apply("variable.view".into(), "id".into()))]
    async fn variables(&self, ctx: &Context<'_>) -> Result<Vec<Variable>> {
        let shown = variable::of_project(app(ctx), op(ctx), self.0.id).await?;
        Ok(shown.into_iter().map(Variable).collect())
    }

    /// The webhooks that are told of what happens here, but for those of environments that the viewer may not view. Requires
    /// `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Webhook>> {
        webhooks(ctx, self.0.id, (first, after, last, before)).await
    }

    /// What the viewer is told of it by mail. Requires `project.view`.
    #[graphql(directive = requires::apply("project.view".into(), "id".into()))]
    async fn notifications(&self, ctx: &Context<'_>) -> Result<Notifications> {
        notifications(ctx, self.0.id).await
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

    /// Whether the viewer holds each of these capabilities here.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.id.into(), capabilities).await
    }

    /// Every capability of a project that the viewer holds here.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.id.into()).await
    }
}
