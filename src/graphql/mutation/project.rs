//! Making, renaming and removing projects.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{OrganizationId, ProjectId};

use crate::domain::deployment::retention::Retention;
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

/// How long a project keeps what it does not use, in each of its environments.
#[derive(InputObject)]
struct SetRetentionInput {
    /// Which project.
    id: ID,
    /// As many deployments, beside the active one, keep running although nobody visits them: from 0 to 1000.
    keep_running: i32,
    /// After so many minutes without a visit the others are retired: from 0 to a year.
    retire_after_minutes: i32,
    /// As many deployments are kept; older ones that do not run are deleted: from 1 to 1000.
    keep_deployments: i32,
    /// Whether a visit of a retired deployment's link starts it again.
    revive_on_visit: bool,
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

    /// Says how long a project keeps what it does not use. Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn set_retention(&self, ctx: &Context<'_>, input: SetRetentionInput) -> Result<UpdateProjectPayload> {
        let id = input::id::<ProjectId>("id", &input.id)?;
        let retention = Retention {
            keep_running: input.keep_running,
            retire_after_minutes: input.retire_after_minutes,
            keep_deployments: input.keep_deployments,
            revive_on_visit: input.revive_on_visit,
        };
        let row = project::set_retention(app(ctx), op(ctx), id, retention, input.expected_version).await?;
        Ok(UpdateProjectPayload { project: Project(row) })
    }

    /// Removes a project with its environments and deployments, for ever. Requires `project.delete`.
    #[graphql(directive = requires::apply("project.delete".into(), "id".into()))]
    async fn delete_project(&self, ctx: &Context<'_>, input: DeleteProjectInput) -> Result<DeleteProjectPayload> {
        project::delete(app(ctx), op(ctx), input::id::<ProjectId>("id", &input.id)?).await?;
        Ok(DeleteProjectPayload { deleted_id: input.id })
    }
}
