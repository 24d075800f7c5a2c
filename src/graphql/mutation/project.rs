//! Making, renaming and removing projects.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{OrganizationId, ProjectId};

use crate::domain::name::{DisplayName, ProjectSlug};
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::Project;
use crate::service::project;

/// A new project.
#[derive(InputObject)]
struct CreateProjectInput {
    /// Its organization.
    organization_id: ID,
    /// Display name.
    name: String,
    /// Its name in links; made of the display name if it is left out.
    slug: Option<String>,
}

/// The new project.
#[derive(SimpleObject)]
struct CreateProjectPayload {
    /// It.
    project: Project,
}

/// A new name for a project.
#[derive(InputObject)]
struct UpdateProjectInput {
    /// Which.
    id: ID,
    /// Display name.
    name: String,
    /// The version that the client has seen.
    expected_version: i32,
}

/// The changed project.
#[derive(SimpleObject)]
struct UpdateProjectPayload {
    /// It.
    project: Project,
}

/// A project to remove.
#[derive(InputObject)]
struct DeleteProjectInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteProjectPayload {
    /// Its id.
    deleted_id: ID,
}

#[derive(Default)]
pub(super) struct ProjectMutation;

#[Object]
impl ProjectMutation {
    /// Makes a project. Requires `project.create`.
    #[graphql(directive = requires::apply("project.create".into(), "organizationId".into()))]
    async fn create_project(&self, ctx: &Context<'_>, input: CreateProjectInput) -> Result<CreateProjectPayload> {
        let organization_id = input::id::<OrganizationId>("organizationId", &input.organization_id)?;
        let slug = input.slug.unwrap_or_else(|| input::slug_of(&input.name));
        let mut problems = Problems::default();
        let name = problems.take("name", DisplayName::parse(&input.name));
        let slug = problems.take("slug", ProjectSlug::parse(&slug));
        let (name, slug) = problems.or(name.zip(slug))?;
        let row = project::create(op(ctx), project::Create { organization_id, slug, name }).await?;
        Ok(CreateProjectPayload { project: Project(row) })
    }

    /// Renames a project. Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn update_project(&self, ctx: &Context<'_>, input: UpdateProjectInput) -> Result<UpdateProjectPayload> {
        let id = input::id::<ProjectId>("id", &input.id)?;
        let name = DisplayName::parse(&input.name).map_err(|problem| problem.within("name"))?;
        let row = project::update(op(ctx), id, name, input.expected_version).await?;
        Ok(UpdateProjectPayload { project: Project(row) })
    }

    /// Removes a project with its environments and deployments, for ever. Requires `project.delete`.
    #[graphql(directive = requires::apply("project.delete".into(), "id".into()))]
    async fn delete_project(&self, ctx: &Context<'_>, input: DeleteProjectInput) -> Result<DeleteProjectPayload> {
        project::delete(app(ctx), op(ctx), input::id::<ProjectId>("id", &input.id)?).await?;
        Ok(DeleteProjectPayload { deleted_id: input.id })
    }
}
