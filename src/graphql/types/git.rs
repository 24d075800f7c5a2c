//! Repositories, and the deployments that were asked of them.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};

use entities::{git_connection, git_request, values};

use super::{Deployment, User};
use crate::error::Result;
use crate::graphql::context::{app, loaders};

/// A repository that a project can be deployed from.
pub(in crate::graphql) struct GitConnection(pub(in crate::graphql) git_connection::Model);

/// A repository that a project can be deployed from.
#[Object]
impl GitConnection {
    /// Global id. Another repository of the same project has another one.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Where it is.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Whether it is read with a credential.
    async fn has_credential(&self) -> bool {
        self.0.sealed_credential.is_some()
    }

    /// Where its forge tells of pushes, as JSON, signed as GitHub does or with the token of GitLab.
    async fn webhook_url(&self, ctx: &Context<'_>) -> String {
        format!("{}/git/{}", app(ctx).config.public_url.as_deref().unwrap_or_default(), self.0.id)
    }

    /// When it was connected.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Who connected it.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.created_by).await?.map(|row| User((*row).clone())))
    }

    /// When it was last read.
    async fn checked_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_at
    }

    /// What was wrong then; `repairGitConnection` tries again.
    async fn problem(&self) -> Option<&str> {
        self.0.problem.as_deref()
    }
}

/// What of a repository is wanted.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::GitRefKind")]
pub(in crate::graphql) enum GitRefKind {
    /// The newest commit of a branch.
    Branch,
    /// What a tag names.
    Tag,
    /// A commit.
    Commit,
}

/// What asked for a deployment from a repository.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::GitOrigin")]
pub(in crate::graphql) enum GitDeployOrigin {
    /// Somebody, by `deployFromGit`.
    Request,
    /// A push to a branch that the environment follows.
    Push,
    /// A deploy hook.
    Hook,
}

/// Where a deployment from a repository stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::GitRequestState")]
pub(in crate::graphql) enum GitDeployState {
    /// Waits for its turn.
    Queued,
    /// Its files are being fetched.
    Running,
    /// Its files are there, and it is being deployed like an upload.
    Deployed,
    /// Nothing came of it.
    Failed,
    /// Nothing was to be done.
    Skipped,
}

/// A deployment that was asked of a repository.
pub(in crate::graphql) struct GitDeploy(pub(in crate::graphql) git_request::Model);

/// A deployment that was asked of a repository.
#[Object]
impl GitDeploy {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What of the repository is wanted.
    async fn ref_kind(&self) -> GitRefKind {
        self.0.ref_kind.into()
    }

    /// Its name.
    async fn ref_name(&self) -> &str {
        &self.0.ref_name
    }

    /// What asked for it.
    async fn origin(&self) -> GitDeployOrigin {
        self.0.origin.into()
    }

    /// In whose name it is done: who asked, or who arranged that pushes or calls of the hook are deployed.
    async fn acts_as(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.acts_as).await?.map(|row| User((*row).clone())))
    }

    /// Where it stands.
    async fn state(&self) -> GitDeployState {
        self.0.state.into()
    }

    /// Why nothing came of it.
    async fn failure(&self) -> Option<&str> {
        self.0.failure.as_deref()
    }

    /// The commit that was found.
    async fn commit(&self) -> Option<&str> {
        self.0.commit_id.as_deref()
    }

    /// What was made of it, as soon as its files are there.
    async fn deployment(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        let Some(id) = self.0.deployment_id else { return Ok(None) };
        Ok(loaders(ctx).deployments.one(id).await?.map(|row| Deployment((*row).clone())))
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }
}
