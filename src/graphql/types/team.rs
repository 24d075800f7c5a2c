//! Teams.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::{BindingId, TransferId, UserId};
use entities::team::Model;
use entities::{team_member, values};

use super::User;
use super::access::RoleBinding;
use super::invitation::{Invitation, OrganizationTransfer, invitations};
use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use crate::authz::cap;
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::store;

/// What somebody is within a team.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::TeamRole")]
pub(in crate::graphql) enum TeamRole {
    /// Manages the team.
    Owner,
    /// Belongs to it.
    Member,
}

/// Somebody who is in a team.
pub(in crate::graphql) struct TeamMember(pub(in crate::graphql) team_member::Model);

/// Somebody who is in a team.
#[Object]
impl TeamMember {
    /// Who.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.user_id).await?.map(|row| User((*row).clone())))
    }

    /// What they are in it.
    async fn role(&self) -> TeamRole {
        self.0.role.into()
    }

    /// Since when.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// A team of people.
#[derive(Clone)]
pub(in crate::graphql) struct Team(pub(in crate::graphql) Model);

/// A team of people.
#[Object]
impl Team {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is the team of one person, for ever.
    async fn personal(&self) -> bool {
        self.0.personal_user_id.is_some()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Grows with every edit; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Who is in it. Requires `team.view`.
    #[graphql(directive = requires::apply("team.view".into(), "id".into()))]
    async fn members(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<TeamMember>> {
        let page = page::<UserId>(first, after, last, before, false)?;
        let permit = op(ctx).permit::<cap::TeamView>(self.0.id).await?;
        let rows = store::team_member::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.user_id, TeamMember))
    }

    /// Who holds which role at the team itself. Requires `team.view`.
    #[graphql(directive = requires::apply("team.view".into(), "id".into()))]
    async fn bindings(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<RoleBinding>> {
        let page = page::<BindingId>(first, after, last, before, false)?;
        let permit = op(ctx).permit::<cap::TeamView>(self.0.id).await?;
        let rows = store::binding::list(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, RoleBinding))
    }

    /// Invitations here that wait for an answer, or have expired. Requires `team.view`.
    #[graphql(directive = requires::apply("team.view".into(), "id".into()))]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Invitation>> {
        invitations::<cap::TeamView>(ctx, self.0.id.into(), (first, after, last, before)).await
    }

    /// Organizations that are offered to it. Requires `team.organization.create`.
    #[graphql(directive = requires::apply("team.organization.create".into(), "id".into()))]
    async fn offered_organizations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<OrganizationTransfer>> {
        let page = page::<TransferId>(first, after, last, before, false)?;
        let permit = op(ctx).permit::<cap::TeamOrganizationCreate>(self.0.id).await?;
        let rows = store::transfer::to_team(op(ctx).store(), &permit, &page).await?;
        Ok(connection(rows, |row| row.id, OrganizationTransfer))
    }

    /// Whether the viewer holds each of these capabilities here.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.id.into(), capabilities).await
    }

    /// Every capability of a team that the viewer holds here.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.id.into()).await
    }
}
