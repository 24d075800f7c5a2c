//! Environments.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::environment::Model;
use entities::ids::{DeployHookId, DeploymentId, DomainId, GitRequestId};

use super::access::{RoleBinding, bindings};
use super::deploy_hook::DeployHook;
use super::edge::EdgeSettings;
use super::git::GitDeploy;
use super::invitation::{Invitation, invitations};
use super::metric::MetricPoint;
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use super::project::path;
use super::variable::{Variable, VariableDifference};
use super::{Deployment, Domain, Project};
use crate::authz::cap;
use crate::domain::host::Link;
use crate::error::{Error, Result};
use crate::graphql::context::{app, loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::service::{edge, metric, variable};
use crate::store;

/// An environment of a project.
#[derive(Clone)]
pub(in crate::graphql) struct Environment(pub(in crate::graphql) Model);

/// The link of an environment, or of one deployment in it.
pub(super) fn url(ctx: &Context<'_>, path: &str, number: Option<i32>) -> Result<String> {
    let config = &app(ctx).config;
    let defect = || Error::Internal(format!("no link for {path}"));
    let host = Link::of(path, number).ok_or_else(defect)?.host(&config.base_domain);
    let edge = config.edge_url.as_deref().ok_or_else(defect)?;
    let (scheme, rest) = edge.split_once("://").ok_or_else(defect)?;
    let port = rest.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
    Ok(format!("{scheme}://{host}{port}/"))
}

/// An environment of a project.
#[Object]
impl Environment {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Its name in links, unique within the project.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Where it is found: `organization/project/environment`.
    async fn path(&self, ctx: &Context<'_>) -> Result<String> {
        path(ctx, self.0.id).await
    }

    /// Its link: always the active deployment.
    async fn url(&self, ctx: &Context<'_>) -> Result<String> {
        url(ctx, &path(ctx, self.0.id).await?, None)
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is a production environment.
    async fn production(&self) -> bool {
        self.0.production
    }

    /// Whether it is frozen against deployments.
    async fn frozen(&self) -> bool {
        self.0.frozen_at.is_some()
    }

    /// Since when it is frozen, if it is.
    async fn frozen_at(&self) -> Option<DateTime<Utc>> {
        self.0.frozen_at
    }

    /// Whether a rollback pinned it to its active deployment.
    async fn pinned(&self) -> bool {
        self.0.pinned_deployment_id.is_some()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Grows with every edit; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Its project, if the viewer may view that.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        Ok(loaders(ctx).projects.one(self.0.project_id).await?.map(|row| Project((*row).clone())))
    }

    /// What its link serves, if anything, and if the viewer may view deployments here.
    async fn active_deployment(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        let Some(id) = self.0.active_deployment_id else { return Ok(None) };
        Ok(loaders(ctx).deployments.one(id).await?.map(|row| Deployment((*row).clone())))
    }

    /// Its deployments, the newest first. Requires `deployment.view`.
    #[graphql(directive = requires::apply("deployment.view".into(), "id".into()))]
    async fn deployments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Deployment>> {
        let page = page::<DeploymentId>(first, after, last, before, true)?;
        let permit = op(ctx).permit::<cap::DeploymentView>(self.0.id).await?;
        let rows = store::deployment::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, Deployment))
    }

    /// Deployments that were asked of the project's repository, the newest first. Requires `deployment.view`.
    #[graphql(directive = requires::apply("deployment.view".into(), "id".into()))]
    async fn git_deploys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<GitDeploy>> {
        let page = page::<GitRequestId>(first, after, last, before, true)?;
        let permit = op(ctx).permit::<cap::DeploymentView>(self.0.id).await?;
        let rows = store::git_request::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, GitDeploy))
    }

    /// Its deploy hooks, without their secrets. Requires `deploy_hook.view`.
    #[graphql(directive = requires::apply("deploy_hook.view".into(), "id".into()))]
    async fn deploy_hooks(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<DeployHook>> {
        let page = page::<DeployHookId>(first, after, last, before, false)?;
        let permit = op(ctx).permit::<cap::DeployHookView>(self.0.id).await?;
        let rows = store::deploy_hook::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, DeployHook))
    }

    /// The branch whose pushes are deployed by themselves, if it follows one. Requires `environment.view`.
    #[graphql(directive = requires::apply("environment.view".into(), "id".into()))]
    async fn auto_deploy_branch(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let permit = op(ctx).permit::<cap::EnvironmentView>(self.0.id).await?;
        Ok(store::git::followed(op(ctx).store(), &permit).await?.map(|row| row.branch))
    }

    /// The variables that a deployment from now on would be started with: its own, and those of its project that it does not
    /// override. Requires `variable.view`.
    #[graphql(directive = requires::apply("variable.view".into(), "id".into()))]
    async fn variables(&self, ctx: &Context<'_>) -> Result<Vec<Variable>> {
        let shown = variable::on_environment(app(ctx), op(ctx), self.0.id).await?;
        Ok(shown.into_iter().map(Variable).collect())
    }

    /// What a deployment from now on would find otherwise than the active one did. Requires `variable.view`.
    #[graphql(directive = requires::apply("variable.view".into(), "id".into()))]
    async fn pending_changes(&self, ctx: &Context<'_>) -> Result<Vec<VariableDifference>> {
        let changes = variable::pending(app(ctx), op(ctx), self.0.id).await?;
        Ok(changes.into_iter().map(Into::into).collect())
    }

    /// Its custom domains, in the order in which they were added. Requires `domain.view`.
    #[graphql(directive = requires::apply("domain.view".into(), "id".into()))]
    async fn domains(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Domain>> {
        let page = page::<DomainId>(first, after, last, before, false)?;
        let permit = op(ctx).permit::<cap::DomainView>(self.0.id).await?;
        let rows = store::domain::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, Domain))
    }

    /// What the edge does for it beside serving it. Requires `edge.manage`.
    #[graphql(directive = requires::apply("edge.manage".into(), "id".into()))]
    async fn edge_settings(&self, ctx: &Context<'_>) -> Result<EdgeSettings> {
        Ok(edge::settings(op(ctx), self.0.id).await?.into())
    }

    /// What was measured of the requests to all its deployments, a point every so many minutes, over the last hour if no time is given; kept for a
    /// week. Requires `log.view`.
    #[graphql(directive = requires::apply("log.view".into(), "id".into()))]
    async fn metrics(
        &self,
        ctx: &Context<'_>,
        since: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        #[graphql(default = 1)] step_minutes: i32,
    ) -> Result<Vec<MetricPoint>> {
        let span = metric::Span::new(since, until, step_minutes)?;
        let points = metric::series(op(ctx), self.0.id, None, span).await?;
        Ok(points.into_iter().map(MetricPoint).collect())
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

    /// Whether the viewer holds each of these capabilities here.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.id.into(), capabilities).await
    }

    /// Every capability of an environment that the viewer holds here.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.id.into()).await
    }
}
