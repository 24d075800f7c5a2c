//! Making, editing and removing environments.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{EnvironmentId, ProjectId};

use crate::domain::name::{DisplayName, EnvironmentSlug};
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::Environment;
use crate::service::{deployment, environment};

/// A new environment.
#[derive(InputObject)]
struct CreateEnvironmentInput {
    /// Its project.
    project_id: ID,
    /// Display name.
    name: String,
    /// Its name in links; made of the display name if it is left out.
    slug: Option<String>,
    /// Whether it is a production environment.
    production: bool,
}

/// The new environment.
#[derive(SimpleObject)]
struct CreateEnvironmentPayload {
    /// It.
    environment: Environment,
}

/// Changes of an environment; what is left out stays.
#[derive(InputObject)]
struct UpdateEnvironmentInput {
    /// Which.
    id: ID,
    /// Display name.
    name: Option<String>,
    /// Whether it is a production environment. Changing it requires `environment.update` under both kinds.
    production: Option<bool>,
    /// The version that the client has seen.
    expected_version: i32,
}

/// The changed environment.
#[derive(SimpleObject)]
struct UpdateEnvironmentPayload {
    /// It.
    environment: Environment,
}

/// An environment to remove.
#[derive(InputObject)]
struct DeleteEnvironmentInput {
    /// Which.
    id: ID,
}

/// An environment whose pin is to be taken off.
#[derive(InputObject)]
struct UnpinEnvironmentInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteEnvironmentPayload {
    /// Its id.
    deleted_id: ID,
}

#[derive(Default)]
pub(super) struct EnvironmentMutation;

#[Object]
impl EnvironmentMutation {
    /// Makes an environment. Requires `environment.create`.
    #[graphql(directive = requires::apply("environment.create".into(), "projectId".into()))]
    async fn create_environment(
        &self,
        ctx: &Context<'_>,
        input: CreateEnvironmentInput,
    ) -> Result<CreateEnvironmentPayload> {
        let project_id = input::id::<ProjectId>("projectId", &input.project_id)?;
        let slug = input.slug.unwrap_or_else(|| input::slug_of(&input.name));
        let mut problems = Problems::default();
        let name = problems.take("name", DisplayName::parse(&input.name));
        let slug = problems.take("slug", EnvironmentSlug::parse(&slug));
        let (name, slug) = problems.or(name.zip(slug))?;
        let new = environment::Create { project_id, slug, name, production: input.production };
        let row = environment::create(app(ctx), op(ctx), new).await?;
        Ok(CreateEnvironmentPayload { environment: Environment(row) })
    }

    /// Edits an environment. Requires `environment.update`.
    #[graphql(directive = requires::apply("environment.update".into(), "id".into()))]
    async fn update_environment(
        &self,
        ctx: &Context<'_>,
        input: UpdateEnvironmentInput,
    ) -> Result<UpdateEnvironmentPayload> {
        let id = input::id::<EnvironmentId>("id", &input.id)?;
        let name =
            input.name.as_deref().map(DisplayName::parse).transpose().map_err(|problem| problem.within("name"))?;
        let update = environment::Update { name, production: input.production };
        let row = environment::update(op(ctx), id, update, input.expected_version).await?;
        Ok(UpdateEnvironmentPayload { environment: Environment(row) })
    }

    /// Takes off the pin of a rollback, so that automatic deployments overtake it again. Requires `deployment.rollback`.
    #[graphql(directive = requires::apply("deployment.rollback".into(), "id".into()))]
    async fn unpin_environment(
        &self,
        ctx: &Context<'_>,
        input: UnpinEnvironmentInput,
    ) -> Result<UpdateEnvironmentPayload> {
        let row = deployment::unpin(op(ctx), input::id::<EnvironmentId>("id", &input.id)?).await?;
        Ok(UpdateEnvironmentPayload { environment: Environment(row) })
    }

    /// Removes an environment with its deployments, for ever. Requires `environment.delete`.
    #[graphql(directive = requires::apply("environment.delete".into(), "id".into()))]
    async fn delete_environment(
        &self,
        ctx: &Context<'_>,
        input: DeleteEnvironmentInput,
    ) -> Result<DeleteEnvironmentPayload> {
        environment::delete(app(ctx), op(ctx), input::id::<EnvironmentId>("id", &input.id)?).await?;
        Ok(DeleteEnvironmentPayload { deleted_id: input.id })
    }
}
