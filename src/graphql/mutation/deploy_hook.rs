//! Making, rotating and removing deploy hooks.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{DeployHookId, EnvironmentId};

use crate::domain::git::GitRef;
use crate::domain::name::DisplayName;
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::deploy_hook::DeployHook;
use crate::service::deploy_hook::{self, Made};

/// A new deploy hook.
#[derive(InputObject)]
struct CreateDeployHookInput {
    /// Where it deploys.
    environment_id: ID,
    /// Display name.
    name: String,
    /// The branch that it deploys, unless a call names a commit.
    branch: String,
}

/// The new deploy hook.
#[derive(SimpleObject)]
struct CreateDeployHookPayload {
    /// It.
    deploy_hook: DeployHook,
    /// Its address, to be called by `POST`. It is shown this once.
    url: String,
}

/// A deploy hook to give another address.
#[derive(InputObject)]
struct RotateDeployHookInput {
    /// Which.
    id: ID,
}

/// The deploy hook.
#[derive(SimpleObject)]
struct RotateDeployHookPayload {
    /// It.
    deploy_hook: DeployHook,
    /// Its new address. It is shown this once.
    url: String,
}

/// A deploy hook to remove.
#[derive(InputObject)]
struct DeleteDeployHookInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteDeployHookPayload {
    /// Its id.
    deleted_id: ID,
}

#[derive(Default)]
pub(super) struct DeployHookMutation;

#[Object]
impl DeployHookMutation {
    /// Makes a deploy hook, which deploys in the name of whoever makes it. Requires `deploy_hook.create`, and
    /// `deployment.create`.
    #[graphql(directive = requires::apply("deploy_hook.create".into(), "environmentId".into()))]
    async fn create_deploy_hook(
        &self,
        ctx: &Context<'_>,
        input: CreateDeployHookInput,
    ) -> Result<CreateDeployHookPayload> {
        let environment_id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let mut problems = Problems::default();
        let name = problems.take("name", DisplayName::parse(&input.name));
        let branch = problems.take("branch", GitRef::branch(&input.branch)).map(|_| input.branch);
        let (name, branch) = problems.or(name.zip(branch))?;
        let made = deploy_hook::create(op(ctx), deploy_hook::Create { environment_id, name, branch }).await?;
        let (deploy_hook, url) = shown(ctx, made);
        Ok(CreateDeployHookPayload { deploy_hook, url })
    }

    /// Gives a deploy hook another address and has it deploy in the name of whoever does this. Requires
    /// `deploy_hook.update`, and `deployment.create`.
    #[graphql(directive = requires::apply("deploy_hook.update".into(), "id".into()))]
    async fn rotate_deploy_hook(
        &self,
        ctx: &Context<'_>,
        input: RotateDeployHookInput,
    ) -> Result<RotateDeployHookPayload> {
        let made = deploy_hook::rotate(op(ctx), input::id::<DeployHookId>("id", &input.id)?).await?;
        let (deploy_hook, url) = shown(ctx, made);
        Ok(RotateDeployHookPayload { deploy_hook, url })
    }

    /// Removes a deploy hook. Requires `deploy_hook.delete`.
    #[graphql(directive = requires::apply("deploy_hook.delete".into(), "id".into()))]
    async fn delete_deploy_hook(
        &self,
        ctx: &Context<'_>,
        input: DeleteDeployHookInput,
    ) -> Result<DeleteDeployHookPayload> {
        deploy_hook::delete(op(ctx), input::id::<DeployHookId>("id", &input.id)?).await?;
        Ok(DeleteDeployHookPayload { deleted_id: input.id })
    }
}

fn shown(ctx: &Context<'_>, made: Made) -> (DeployHook, String) {
    let public = app(ctx).config.public_url.as_deref().unwrap_or_default();
    (DeployHook(made.row), format!("{public}/hooks/{}", made.secret))
}
