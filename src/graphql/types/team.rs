//! Teams.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::team::Model;

use super::permission::{ViewerCapability, viewer_can, viewer_capabilities};
use crate::error::Result;

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

    /// Whether the viewer holds each of these capabilities here.
    async fn viewer_can(&self, ctx: &Context<'_>, capabilities: Vec<String>) -> Result<Vec<ViewerCapability>> {
        viewer_can(ctx, self.0.id.into(), capabilities).await
    }

    /// Every capability of a team that the viewer holds here.
    async fn viewer_capabilities(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        viewer_capabilities(ctx, self.0.id.into()).await
    }
}
