//! Deployments, and the lines that they print.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::deployment::Model;
use entities::ids::DeploymentEventId;
use entities::values;

use super::deployment_action::{AvailableAction, DeploymentAction, DeploymentEvent, available};
use super::difference::DeploymentDifferences;
use super::environment::url;
use super::metric::MetricPoint;
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use super::project::path;
use super::{Environment, User};
use crate::authz::cap;
use crate::error::{Error, Result};
use crate::graphql::context::{app, loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::page::{Listed, connection, page};
use crate::runtime::{self, LogStream};
use crate::service::{self, metric};
use crate::store;

/// Lines of a log that one answer may have.
const MOST_LINES: i32 = 1_000;

/// How a deployment runs.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::DeploymentKind")]
pub(in crate::graphql) enum DeploymentKind {
    /// Files.
    Static,
    /// A program that listens on `$PORT`.
    Process,
}

/// Where a deployment stands in its life.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::DeploymentState")]
pub(in crate::graphql) enum DeploymentState {
    /// Files are being uploaded.
    Draft,
    /// Waits for its turn.
    Queued,
    /// Its release is being made.
    Building,
    /// It starts, and its health is checked.
    Starting,
    /// Serves on its own link.
    Ready,
    /// Serves the environment's link.
    Active,
    /// It did not come to serve.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// A newer one was queued behind it.
    Skipped,
    /// Stopped, its code and assets kept.
    Retired,
    /// A retired one that starts again.
    Reviving,
    /// Gone with its code and assets.
    Deleted,
}

/// A line that a deployment's program printed, or that its supervisor says of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct LogLine {
    /// When it was printed.
    at: DateTime<Utc>,
    /// Where it was printed.
    stream: LogLineStream,
    /// The line, without its end.
    text: String,
}

/// Where a line was printed.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) enum LogLineStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Said by the supervisor.
    System,
}

impl From<runtime::LogLine> for LogLine {
    fn from(line: runtime::LogLine) -> Self {
        let stream = match line.stream {
            LogStream::Stdout => LogLineStream::Stdout,
            LogStream::Stderr => LogLineStream::Stderr,
            LogStream::System => LogLineStream::System,
        };
        Self { at: DateTime::from_timestamp_millis(line.at_ms).unwrap_or_default(), stream, text: line.text }
    }
}

/// Reads how many lines of a log are wanted.
pub(in crate::graphql) fn lines(last: i32) -> Result<usize> {
    let lines = usize::try_from(last).ok().filter(|_| last <= MOST_LINES);
    lines.ok_or_else(|| Error::invalid("last", "out_of_range", format!("`last` has to be from 0 to {MOST_LINES}")))
}

/// Code, assets and configuration at one point in time.
#[derive(Clone)]
pub(in crate::graphql) struct Deployment(pub(in crate::graphql) Model);

/// Code, assets and configuration at one point in time.
#[Object]
impl Deployment {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Its number within the environment, from 1.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// How it runs.
    async fn kind(&self) -> DeploymentKind {
        self.0.kind.into()
    }

    /// Where it stands.
    async fn state(&self) -> DeploymentState {
        self.0.state.into()
    }

    /// Its own link: always this deployment.
    async fn url(&self, ctx: &Context<'_>) -> Result<String> {
        url(ctx, &path(ctx, self.0.environment_id).await?, Some(self.0.number))
    }

    /// What its maker says of it.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Why it failed.
    async fn failure(&self) -> Option<&str> {
        self.0.failure.as_deref()
    }

    /// Number of its files.
    async fn file_count(&self) -> i32 {
        self.0.file_count
    }

    /// Sum of the sizes of its files, in bytes.
    async fn size_bytes(&self) -> i64 {
        self.0.size_bytes
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it came to its present state.
    async fn state_changed_at(&self) -> DateTime<Utc> {
        self.0.state_changed_at
    }

    /// Who made it.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.created_by).await?.map(|row| User((*row).clone())))
    }

    /// Its environment, if the viewer may view that.
    async fn environment(&self, ctx: &Context<'_>) -> Result<Option<Environment>> {
        let row = loaders(ctx).environments.one(self.0.environment_id).await?;
        Ok(row.map(|row| Environment((*row).clone())))
    }

    /// The newest action on it.
    async fn action(&self, ctx: &Context<'_>) -> Result<Option<DeploymentAction>> {
        Ok(loaders(ctx).actions.one(self.0.id).await?.map(|row| DeploymentAction((*row).clone())))
    }

    /// What may be done to it now, and why not.
    async fn available_actions(&self, ctx: &Context<'_>) -> Result<Vec<AvailableAction>> {
        available(ctx, &self.0).await
    }

    /// What has happened to it, the newest first. Requires `deployment.view`.
    #[graphql(directive = requires::apply("deployment.view".into(), "id".into()))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<DeploymentEvent>> {
        let page = page::<DeploymentEventId>(first, after, last, before, true)?;
        let permit = op(ctx).permit::<cap::DeploymentView>(self.0.environment_id).await?;
        let rows = store::deployment_event::list(op(ctx).store(), &permit, self.0.id, &page).await?;
        Ok(connection(rows, |row| row.id, DeploymentEvent))
    }

    /// The deployment whose version this is, if it was re-deployed or promoted, and if the viewer may view that.
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        let Some(id) = self.0.source_deployment_id else { return Ok(None) };
        Ok(loaders(ctx).deployments.one(id).await?.map(|row| Self((*row).clone())))
    }

    /// What is otherwise in it than in an earlier deployment of the project. Requires `deployment.view` on the environments of
    /// both.
    #[graphql(directive = requires::apply("deployment.view".into(), "id".into()))]
    async fn differences(&self, ctx: &Context<'_>, since: ID) -> Result<DeploymentDifferences> {
        let before = input::id("since", &since)?;
        Ok(DeploymentDifferences(service::deployment::difference::compare(op(ctx), before, self.0.id).await?))
    }

    /// When its link was visited last, to the minute.
    async fn last_visited_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_visited_at
    }

    /// The last lines that its program printed, the oldest first. Requires `log.view`.
    #[graphql(directive = requires::apply("log.view".into(), "id".into()))]
    async fn log(&self, ctx: &Context<'_>, #[graphql(default = 200)] last: i32) -> Result<Vec<LogLine>> {
        let lines = service::deployment::log(app(ctx), op(ctx), self.0.id, lines(last)?).await?;
        Ok(lines.into_iter().map(Into::into).collect())
    }

    /// What was measured of its requests, a point every so many minutes, over the last hour if no time is given; kept for a
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
        let points = metric::series(op(ctx), self.0.environment_id, Some(self.0.id), span).await?;
        Ok(points.into_iter().map(MetricPoint).collect())
    }

    /// Whether the viewer holds each of these capabilities on its environment.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.environment_id.into(), capabilities).await
    }

    /// Every capability of an environment that the viewer holds on its environment.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.environment_id.into()).await
    }
}
