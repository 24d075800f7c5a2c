//! Making, renaming and removing organizations.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{OrganizationId, TeamId};

use crate::domain::name::{DisplayName, OrganizationSlug};
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::Organization;
use crate::service::organization;

/// A new organization.
#[derive(InputObject)]
struct CreateOrganizationInput {
    /// Display name.
    name: String,
    /// Its name in links; made of the display name if it is left out.
    slug: Option<String>,
    /// The team that will manage it; the viewer's personal one if it is left out.
    team_id: Option<ID>,
}

/// The new organization.
#[derive(SimpleObject)]
struct CreateOrganizationPayload {
    /// It.
    organization: Organization,
}

/// A new name for an organization.
#[derive(InputObject)]
struct UpdateOrganizationInput {
    /// Which.
    id: ID,
    /// Display name.
    name: String,
    /// The version that the client has seen.
    expected_version: i32,
}

/// The changed organization.
#[derive(SimpleObject)]
struct UpdateOrganizationPayload {
    /// It.
    organization: Organization,
}

/// An organization to remove.
#[derive(InputObject)]
struct DeleteOrganizationInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteOrganizationPayload {
    /// Its id.
    deleted_id: ID,
}

#[derive(Default)]
pub(super) struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Makes an organization; whoever makes it administers it. Requires `team.organization.create`.
    #[graphql(directive = requires::apply("team.organization.create".into(), "teamId".into()))]
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        input: CreateOrganizationInput,
    ) -> Result<CreateOrganizationPayload> {
        let team_id = input.team_id.map(|id| input::id::<TeamId>("teamId", &id)).transpose()?;
        let slug = input.slug.unwrap_or_else(|| input::slug_of(&input.name));
        let mut problems = Problems::default();
        let name = problems.take("name", DisplayName::parse(&input.name));
        let slug = problems.take("slug", OrganizationSlug::parse(&slug));
        let (name, slug) = problems.or(name.zip(slug))?;
        let row = organization::create(app(ctx), op(ctx), organization::Create { team_id, slug, name }).await?;
        Ok(CreateOrganizationPayload { organization: Organization(row) })
    }

    /// Renames an organization. Requires `organization.update`.
    #[graphql(directive = requires::apply("organization.update".into(), "id".into()))]
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        input: UpdateOrganizationInput,
    ) -> Result<UpdateOrganizationPayload> {
        let id = input::id::<OrganizationId>("id", &input.id)?;
        let name = DisplayName::parse(&input.name).map_err(|problem| problem.within("name"))?;
        let row = organization::update(op(ctx), id, name, input.expected_version).await?;
        Ok(UpdateOrganizationPayload { organization: Organization(row) })
    }

    /// Removes an organization without projects. Requires `organization.delete`.
    #[graphql(directive = requires::apply("organization.delete".into(), "id".into()))]
    async fn delete_organization(
        &self,
        ctx: &Context<'_>,
        input: DeleteOrganizationInput,
    ) -> Result<DeleteOrganizationPayload> {
        organization::delete(op(ctx), input::id::<OrganizationId>("id", &input.id)?).await?;
        Ok(DeleteOrganizationPayload { deleted_id: input.id })
    }
}
