//! Invitations and offers: what waits for somebody's answer.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::InvitationId;
use entities::{invitation, transfer};

use super::access::Arguments;
use super::{Team, User};
use crate::authz::{Held, Scope};
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::store;

/// An invitation that waits for somebody to accept it.
pub(in crate::graphql) struct Invitation(pub(in crate::graphql) invitation::Model);

/// An invitation that waits for somebody to accept it.
#[Object]
impl Invitation {
    /// Global id; `acceptInvitation` takes it.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The address that it is for.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// The role that comes with it; for a team `owner` or `member`.
    async fn role(&self) -> &str {
        &self.0.role
    }

    /// Id of the scope that it leads to.
    async fn scope(&self) -> ID {
        ID(scope_name(store::invitation::scope(&self.0)))
    }

    /// Path of the scope that it leads to, or the name of the team.
    async fn destination(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let path = loaders(ctx).paths.one(store::invitation::scope(&self.0)).await?;
        Ok(path.map(|path| (*path).clone()))
    }

    /// Who invited.
    async fn invited_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.invited_by).await?.map(|row| User((*row).clone())))
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Cannot be accepted from then on.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }
}

/// The invitations to a scope, for those who hold `C` there.
pub(super) async fn invitations<C: Held>(
    ctx: &Context<'_>,
    scope: Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<Invitation>> {
    let page = page::<InvitationId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<C>(scope).await?;
    let rows = store::invitation::list(op(ctx).store(), &permit, &page).await?;
    Ok(connection(rows, |row| row.id, Invitation))
}

/// An organization that is offered to another team.
pub(in crate::graphql) struct OrganizationTransfer(pub(in crate::graphql) transfer::Model);

/// An organization that is offered to another team.
#[Object]
impl OrganizationTransfer {
    /// Global id; `acceptTransfer` takes it.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the organization.
    async fn organization_id(&self) -> ID {
        ID(self.0.organization_id.to_string())
    }

    /// Path of the organization.
    async fn organization_path(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let path = loaders(ctx).paths.one(self.0.organization_id.into()).await?;
        Ok(path.map(|path| (*path).clone()))
    }

    /// Id of the team that it is offered to.
    async fn team_id(&self) -> ID {
        ID(self.0.team_id.to_string())
    }

    /// The team that it is offered to, if the viewer may view that.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        Ok(loaders(ctx).teams.one(self.0.team_id).await?.map(|row| Team((*row).clone())))
    }

    /// Who offers it.
    async fn offered_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.offered_by).await?.map(|row| User((*row).clone())))
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}
