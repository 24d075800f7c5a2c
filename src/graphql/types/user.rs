//! Users.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::{ApiKeyId, EligibleRoleId, InvitationId, NoticeId, OrganizationId, ProjectId, TeamId};
use entities::notice;
use entities::user::Model;
use entities::values::UserKind;

use super::invitation::Invitation;
use super::policy::EligibleRole;
use super::service_account::ApiKey;
use super::{Organization, Project, Team};
use crate::authz::cap;
use crate::error::{Error, Result};
use crate::graphql::context::{loaders, op};
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

/// Something that a user is told.
pub(in crate::graphql) struct Notice(notice::Model);

/// Something that a user is told.
#[Object]
impl Notice {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// In a few words.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// In full.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
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

    /// Whether it is a program: a service account.
    async fn bot(&self) -> bool {
        self.0.kind == UserKind::Bot
    }

    /// The team of this one person, which owns what they make for themselves. Only on the viewer.
    async fn personal_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        self.must_be_viewer(ctx)?;
        let Some(row) = store::team::personal(op(ctx).store(), self.0.id).await? else { return Ok(None) };
        if op(ctx).oneself().is_ok() {
            return Ok(Some(Team(row)));
        }
        Ok(loaders(ctx).teams.one(row.id).await?.map(|row| Team((*row).clone())))
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
        // A narrowed key knows those alone that it may view.
        let carried = match op(ctx).oneself() {
            Ok(_) => None,
            Err(_) => Some(op(ctx).visible::<cap::TeamView>().await?),
        };
        let rows = store::team::of_user(op(ctx).store(), self.0.id, carried.as_ref(), &page).await?;
        Ok(connection(rows, |row| row.id, Team))
    }

    /// Invitations to the viewer's address. Only on the viewer.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Invitation>> {
        self.must_be_viewer(ctx)?;
        op(ctx).oneself()?;
        let page = page::<InvitationId>(first, after, last, before, false)?;
        let rows = store::invitation::for_user(op(ctx).store(), &self.0, &page).await?;
        Ok(connection(rows, |row| row.id, Invitation))
    }

    /// The viewer's own keys, without their secrets. Only on the viewer.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<ApiKey>> {
        self.must_be_viewer(ctx)?;
        let page = page::<ApiKeyId>(first, after, last, before, false)?;
        let rows = store::api_key::of_user(op(ctx).store(), op(ctx).oneself()?, &page).await?;
        Ok(connection(rows, |row| row.id, ApiKey))
    }

    /// What the viewer was told, the newest first. Only on the viewer.
    async fn notices(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Notice>> {
        self.must_be_viewer(ctx)?;
        let page = page::<NoticeId>(first, after, last, before, true)?;
        let rows = store::notice::of_user(op(ctx).store(), op(ctx).oneself()?, &page).await?;
        Ok(connection(rows, |row| row.id, Notice))
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
