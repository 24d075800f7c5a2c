//! Drafting deployments, and everything that can be done to them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::{DeploymentId, EnvironmentId};

use crate::domain::manifest::{Manifest, RawEntry};
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::Deployment;
use crate::op::Op;
use crate::service::{App, deployment};

/// One file of a deployment.
#[derive(InputObject)]
struct ManifestEntryInput {
    /// Path within the deployment, with `/` between its parts.
    path: String,
    /// BLAKE3 of the content, in lower-case hex.
    digest: String,
    /// Size of the content.
    size_bytes: i64,
    /// Whether it may be executed.
    #[graphql(default)]
    executable: bool,
}

/// A draft.
#[derive(InputObject)]
struct CreateDeploymentInput {
    /// Where it is to run.
    environment_id: ID,
    /// Its files.
    files: Vec<ManifestEntryInput>,
    /// Text of its `reeve.toml`; without one, a folder with an `index.html` is a static site.
    project_file: Option<String>,
    /// What its maker says of it.
    message: Option<String>,
}

/// Content that the project does not have yet.
#[derive(SimpleObject)]
struct MissingFile {
    /// BLAKE3 of the content.
    digest: String,
    /// Size of the content.
    size_bytes: i64,
    /// Where to `PUT` it, with `Authorization: Bearer <uploadToken>`.
    upload_url: String,
}

/// A draft and what has to be sent before it can be deployed.
#[derive(SimpleObject)]
struct CreateDeploymentPayload {
    /// The draft.
    deployment: Deployment,
    /// Content to send.
    missing_files: Vec<MissingFile>,
    /// Goes with every upload of this draft, and with nothing else.
    upload_token: String,
    /// When the token ends.
    upload_token_expires_at: DateTime<Utc>,
}

/// A draft to deploy.
#[derive(InputObject)]
struct DeployInput {
    /// Which.
    id: ID,
}

/// The accepted deployment.
#[derive(SimpleObject)]
struct DeployPayload {
    /// It.
    deployment: Deployment,
}

/// An earlier deployment to serve again.
#[derive(InputObject)]
struct RollbackDeploymentInput {
    /// Which to go back to.
    id: ID,
    /// Why.
    reason: String,
    /// What has to be the active deployment for this to happen; `CONFLICT` if another is.
    expected_active_deployment_id: Option<ID>,
}

/// The accepted rollback.
#[derive(SimpleObject)]
struct RollbackDeploymentPayload {
    /// The deployment that will be the active one.
    deployment: Deployment,
}

/// A deployment to do something to.
#[derive(InputObject)]
struct DeploymentInput {
    /// Which.
    id: ID,
}

/// The deployment as it is now; what was accepted is under way.
#[derive(SimpleObject)]
struct DeploymentPayload {
    /// It.
    deployment: Deployment,
}

/// A deployment whose version is to serve in another environment of its project.
#[derive(InputObject)]
struct PromoteDeploymentInput {
    /// Which.
    id: ID,
    /// Where to.
    environment_id: ID,
}

#[derive(Default)]
pub(super) struct DeploymentMutation;

type Verb<'a> = std::pin::Pin<Box<dyn Future<Output = Result<entities::deployment::Model>> + Send + 'a>>;

/// Does something to the deployment that the input names.
async fn done<'a>(
    ctx: &'a Context<'_>,
    input: &DeploymentInput,
    verb: impl FnOnce(&'a App, &'a Op, DeploymentId) -> Verb<'a>,
) -> Result<DeploymentPayload> {
    let row = verb(app(ctx), op(ctx), input::id::<DeploymentId>("id", &input.id)?).await?;
    Ok(DeploymentPayload { deployment: Deployment(row) })
}

#[Object]
impl DeploymentMutation {
    /// Makes a draft with a manifest and says which content has to be sent. Requires `deployment.create`.
    #[graphql(directive = requires::apply("deployment.create".into(), "environmentId".into()))]
    async fn create_deployment(
        &self,
        ctx: &Context<'_>,
        input: CreateDeploymentInput,
    ) -> Result<CreateDeploymentPayload> {
        let environment_id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let message = input.message.as_deref().map(|text| input::text("message", text, 500)).transpose()?;
        let entries = input.files.into_iter().map(|file| RawEntry {
            path: file.path,
            digest: file.digest,
            // A negative size is none that a file can have; the manifest refuses the largest one.
            size_bytes: u64::try_from(file.size_bytes).unwrap_or(u64::MAX),
            executable: file.executable,
        });
        let manifest = Manifest::parse(entries.collect())
            .map_err(|problems| problems.into_iter().map(|problem| problem.within("files")).collect::<Vec<_>>())?;
        let draft = deployment::Draft { environment_id, manifest, project_file: input.project_file, message };
        let drafted = deployment::create(app(ctx), op(ctx), draft).await?;
        let public = app(ctx).config.public_url.as_deref().unwrap_or_default();
        let missing_files = drafted.missing.iter().map(|(digest, size)| MissingFile {
            digest: digest.to_string(),
            size_bytes: i64::try_from(*size).unwrap_or(i64::MAX),
            upload_url: format!("{public}/blobs/{digest}"),
        });
        Ok(CreateDeploymentPayload {
            missing_files: missing_files.collect(),
            deployment: Deployment(drafted.deployment),
            upload_token: drafted.upload_token,
            upload_token_expires_at: drafted.upload_token_expires_at,
        })
    }

    /// Deploys a draft whose content is all there. It becomes the active one when every health check passes; until then, and
    /// if one fails, the environment's link stays where it is. Requires `deployment.create`.
    #[graphql(directive = requires::apply("deployment.create".into(), "id".into()))]
    async fn deploy(&self, ctx: &Context<'_>, input: DeployInput) -> Result<DeployPayload> {
        let row = deployment::deploy(app(ctx), op(ctx), input::id::<DeploymentId>("id", &input.id)?).await?;
        Ok(DeployPayload { deployment: Deployment(row) })
    }

    /// Moves the environment's link to an earlier deployment and pins it there. Requires `deployment.rollback`.
    #[graphql(directive = requires::apply("deployment.rollback".into(), "id".into()))]
    async fn rollback_deployment(
        &self,
        ctx: &Context<'_>,
        input: RollbackDeploymentInput,
    ) -> Result<RollbackDeploymentPayload> {
        let expected = input.expected_active_deployment_id;
        let rollback = deployment::Rollback {
            deployment_id: input::id::<DeploymentId>("id", &input.id)?,
            reason: input::text("reason", &input.reason, 500).map_err(Error::from)?,
            expected_active_deployment_id: expected
                .map(|id| input::id::<DeploymentId>("expectedActiveDeploymentId", &id))
                .transpose()?,
        };
        let row = deployment::rollback(app(ctx), op(ctx), rollback).await?;
        Ok(RollbackDeploymentPayload { deployment: Deployment(row) })
    }

    /// The same version again, as a new deployment with today's variables on a link of its own; the active one does not change. Requires `deployment.redeploy`.
    #[graphql(directive = requires::apply("deployment.redeploy".into(), "id".into()))]
    async fn redeploy(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::redeploy(app, op, id))).await
    }

    /// Stops a deployment that is not the active one, once its visitors are served; its code and assets stay, and a visit starts it
    /// again if its project says so. Requires `deployment.retire`.
    #[graphql(directive = requires::apply("deployment.retire".into(), "id".into()))]
    async fn retire_deployment(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::retire(app, op, id))).await
    }

    /// Starts a retired deployment again. Requires `deployment.revive`.
    #[graphql(directive = requires::apply("deployment.revive".into(), "id".into()))]
    async fn revive_deployment(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::revive(app, op, id))).await
    }

    /// Removes a deployment that is not the active one, with its code and assets, for ever. Requires `deployment.delete`.
    #[graphql(directive = requires::apply("deployment.delete".into(), "id".into()))]
    async fn delete_deployment(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::delete(app, op, id))).await
    }

    /// Stops what is under way. Nothing is left of a deployment that has not served yet; one that was being revived stays retired; of
    /// one that is being restarted, the instances that are left keep their programs. Requires `deployment.cancel`.
    #[graphql(directive = requires::apply("deployment.cancel".into(), "id".into()))]
    async fn cancel_deployment(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::cancel(app, op, id))).await
    }

    /// Puts a new program in the place of each instance of a deployment, one after the other: each has to answer its health check
    /// before visitors are sent to it, and the one before serves to the end those it has. Requires `instance.restart`.
    #[graphql(directive = requires::apply("instance.restart".into(), "id".into()))]
    async fn restart_instances(&self, ctx: &Context<'_>, input: DeploymentInput) -> Result<DeploymentPayload> {
        done(ctx, &input, |app, op, id| Box::pin(deployment::restart(app, op, id))).await
    }

    /// Brings a deployment's version to another environment of its project, as a new deployment that becomes the active one there
    /// when every health check passes. Requires `deployment.create` there, and `deployment.view` where it is.
    #[graphql(directive = requires::apply("deployment.create".into(), "environmentId".into()))]
    async fn promote_deployment(&self, ctx: &Context<'_>, input: PromoteDeploymentInput) -> Result<DeploymentPayload> {
        let id = input::id::<DeploymentId>("id", &input.id)?;
        let to = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let row = deployment::promote(app(ctx), op(ctx), id, to).await?;
        Ok(DeploymentPayload { deployment: Deployment(row) })
    }
}
