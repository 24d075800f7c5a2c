//! Builds of deployments.

use std::sync::Arc;

use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};

use entities::ids::DeploymentId;

use crate::domain::configuration::Build;
use crate::error::Result;
use crate::graphql::context::{app, loaders};
use crate::store::build::Outcome;

/// How the files of a deployment are made of what was uploaded. One that was re-deployed or promoted has the files, and the build,
/// of the first.
pub(in crate::graphql) struct DeploymentBuild {
    pub(in crate::graphql) id: DeploymentId,
    pub(in crate::graphql) build: Build,
}

/// How the files of a deployment are made of what was uploaded. One that was re-deployed or promoted has the files, and the build,
/// of the first.
#[Object]
impl DeploymentBuild {
    /// The program and its arguments.
    async fn command(&self) -> &[String] {
        self.build.command()
    }

    /// The folder whose files are the deployment's then; `.` for all.
    async fn output(&self) -> &str {
        self.build.output()
    }

    /// How many seconds it may take.
    async fn timeout_seconds(&self, ctx: &Context<'_>) -> i32 {
        let limit = self.build.time_limit(app(ctx).config.builds.time_limit());
        i32::try_from(limit.as_secs()).unwrap_or(i32::MAX)
    }

    /// When it was begun.
    async fn started_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.outcome(ctx).await?.map(|outcome| outcome.started_at))
    }

    /// When it had ended.
    async fn finished_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(self.outcome(ctx).await?.and_then(|outcome| outcome.finished_at))
    }

    /// What its command ended with, if it ended by itself.
    async fn exit_code(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.outcome(ctx).await?.and_then(|outcome| outcome.exit_code))
    }

    /// Number of the files that it has left.
    async fn file_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Ok(self.outcome(ctx).await?.map(|outcome| outcome.file_count))
    }

    /// Sum of their sizes, in bytes.
    async fn size_bytes(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(self.outcome(ctx).await?.map(|outcome| outcome.size_bytes))
    }
}

impl DeploymentBuild {
    async fn outcome(&self, ctx: &Context<'_>) -> Result<Option<Arc<Outcome>>> {
        loaders(ctx).builds.one(self.id).await
    }
}
