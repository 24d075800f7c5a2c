//! Users.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::{EligibleRoleId, OrganizationId, ProjectId, TeamId};
use entities::user::Model;

use super::policy::EligibleRole;
use super::{Organization, Project, Team};
use crate::authz::cap;
use crate::error::{Error, Result};
use crate::graphql::context::op;
use crate::graphql::page::{Listed, connection, page};
use crate::store;

/// A person or a bot.
#[derive(Clone)]
pub(in crate::graphql) struct User(pub(in crate::graphql) Model);

impl User {
    /// Lists of what somebody may see are for themselves alone.
    fn must_be_viewer(&self, ctx: &Context<'_>) -> Result<()> {
        if op(ctx).user()? == self.0.id { Ok(()) } else { Err(Error::not_found("list for another user than yourself")) }
    }
}

/// A person or a bot.
#[Object]
impl User {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// E-mail address.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The team of this one person, which owns what they make for themselves. Only on the viewer.
    async fn personal_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        self.must_be_viewer(ctx)?;
        Ok(store::team::personal(op(ctx).store(), self.0.id).await?.map(Team))
    }

    /// Teams that the viewer is a member of. Only on the viewer.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Team>> {
        self.must_be_viewer(ctx)?;
        let page = page::<TeamId>(first, after, last, before, false)?;
        let rows = store::team::of_user(op(ctx).store(), self.0.id, &page).await?;
        Ok(connection(rows, |row| row.id, Team))
    }

    /// Organizations that the viewer may view. Only on the viewer.
    async fn organizations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Organization>> {
        self.must_be_viewer(ctx)?;
        let page = page::<OrganizationId>(first, after, last, before, false)?;
        let visible = op(ctx).visible::<cap::OrganizationView>().await?;
        let rows = store::organization::list(op(ctx).store(), &visible, &page).await?;
        Ok(connection(rows, |row| row.id, Organization))
    }

    /// Roles that the viewer may activate for a while. Only on the viewer.
    async fn eligible_roles(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<EligibleRole>> {
        self.must_be_viewer(ctx)?;
        let page = page::<EligibleRoleId>(first, after, last, before, false)?;
        let rows = store::eligible_role::of_user(op(ctx).store(), self.0.id, &page).await?;
        Ok(connection(rows, |row| row.id, EligibleRole))
    }

    /// Projects that the viewer may view, also those in organizations that the viewer may not. Only on the viewer.
    async fn projects(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Project>> {
        self.must_be_viewer(ctx)?;
        let page = page::<ProjectId>(first, after, last, before, false)?;
        let visible = op(ctx).visible::<cap::ProjectView>().await?;
        let rows = store::project::list(op(ctx).store(), &visible, None, &page).await?;
        Ok(connection(rows, |row| row.id, Project))
    }
}
