//! The subscriptions. Each field takes a [`guard::Guard`] first and hands it its stream: it is judged at the start, and again
//! whenever authority may have changed.

mod guard;

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription as Root};
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use entities::ids::{DeploymentId, EnvironmentId};

use super::context::{op, request};
use super::directive::requires;
use super::input;
use super::types::Deployment;
use super::types::log::{LogKind, LogLine, lines, place};
use super::types::question::AccessChange;
use crate::authz::{Held, cap};
use crate::error::Result;
use crate::service::access::watching;
use crate::service::{follow, log, resolve};
use guard::Guard;

/// What can be followed. Every stream ends with one error, `FORBIDDEN`, when the authority to follow it ends.
#[derive(Default)]
pub struct Subscription;

/// What can be followed. Every stream ends with one error, `FORBIDDEN`, when the authority to follow it ends.
#[Root]
impl Subscription {
    /// What the programs of an environment's active deployments print, as they print it: the last lines first, then each that
    /// comes. With `after`, what came behind that line: of this deployment and of all that were the active one since. Requires
    /// `log.view`.
    #[graphql(directive = requires::apply("log.view".into(), "environmentId".into()))]
    async fn environment_log(
        &self,
        ctx: &Context<'_>,
        environment_id: ID,
        #[graphql(default = 100)] last: i32,
        #[graphql(desc = "The `cursor` of the line that was heard last.")] after: Option<String>,
        #[graphql(desc = "When the first line was printed, or later.")] since: Option<DateTime<Utc>>,
    ) -> Result<impl Stream<Item = Result<LogLine>>> {
        let from = place(lines(last)?, None, after, since)?;
        let id = input::id::<EnvironmentId>("environmentId", &environment_id)?;
        let (guard, permit) = Guard::<cap::LogView>::judge(ctx, id).await?;
        let log = log::environment(Arc::clone(&request(ctx).app), permit, &from).await?;
        Ok(guard.over(log.map(|line| line.map(LogLine::from))))
    }

    /// What a deployment's program prints, or its build, as it prints it: the last lines first, then each that comes, until
    /// nothing more can come. With `after`, what came behind that line. Requires `log.view`; for what a build prints
    /// `deployment.view` is enough.
    #[graphql(directive = requires::apply("log.view".into(), "deploymentId".into()))]
    async fn deployment_log(
        &self,
        ctx: &Context<'_>,
        deployment_id: ID,
        #[graphql(desc = "Which of both.", default_with = "LogKind::Runtime")] kind: LogKind,
        #[graphql(default = 100)] last: i32,
        #[graphql(desc = "The `cursor` of the line that was heard last.")] after: Option<String>,
        #[graphql(desc = "When the first line was printed, or later.")] since: Option<DateTime<Utc>>,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        let from = place(lines(last)?, None, after, since)?;
        let id = input::id::<DeploymentId>("deploymentId", &deployment_id)?;
        match kind {
            LogKind::Runtime => followed::<cap::LogView>(ctx, (id, kind.into()), &from).await,
            LogKind::Build => followed::<cap::DeploymentView>(ctx, (id, kind.into()), &from).await,
        }
    }

    /// Who gains and loses what on a scope and below it, and why, as it happens. `scope` is the id or path of an organization,
    /// project or environment, or `console`; `since` is the policy epoch to begin with, one more than that of the last
    /// change heard of: what has happened meanwhile comes first, so that who was away misses nothing. Requires `member.view`.
    #[graphql(directive = requires::apply("member.view".into(), "scope".into()))]
    async fn access_changed(
        &self,
        ctx: &Context<'_>,
        scope: String,
        since: Option<i32>,
    ) -> Result<impl Stream<Item = Result<AccessChange>>> {
        let scope = resolve::scope(op(ctx), &scope).await?;
        let (guard, permit) = Guard::<cap::MemberView>::judge(ctx, scope).await?;
        let changes = watching::follow(Arc::clone(&request(ctx).op), permit, since.map(i64::from)).await?;
        Ok(guard.over(changes.map(|changed| changed.map(AccessChange))))
    }

    /// The deployments of an environment, each whenever it comes to another state, and new ones. Requires `deployment.view`.
    #[graphql(directive = requires::apply("deployment.view".into(), "environmentId".into()))]
    async fn deployment_updated(
        &self,
        ctx: &Context<'_>,
        environment_id: ID,
    ) -> Result<impl Stream<Item = Result<Deployment>>> {
        let id = input::id::<EnvironmentId>("environmentId", &environment_id)?;
        let (guard, permit) = Guard::<cap::DeploymentView>::judge(ctx, id).await?;
        let changes = follow::deployments(Arc::clone(&request(ctx).app), permit, id).await?;
        Ok(guard.over(changes.map(|row| row.map(Deployment))))
    }
}

/// The log of a deployment as long as the authority for it lasts.
async fn followed<C: Held>(
    ctx: &Context<'_>,
    whose: (DeploymentId, log::Kind),
    from: &log::From,
) -> Result<BoxStream<'static, Result<LogLine>>> {
    let (guard, permit) = Guard::<C>::judge(ctx, whose.0).await?;
    let lines = log::deployment(Arc::clone(&request(ctx).app), permit, whose, from).await?;
    Ok(guard.over(lines.map(|line| line.map(LogLine::from))).boxed())
}
