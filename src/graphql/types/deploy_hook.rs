//! Deploy hooks, without their secrets.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::deploy_hook::Model;

use super::User;
use crate::error::Result;
use crate::graphql::context::loaders;

/// An address that deploys when it is called.
pub(in crate::graphql) struct DeployHook(pub(in crate::graphql) Model);

/// An address that deploys when it is called.
#[Object]
impl DeployHook {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The branch that it deploys, unless a call names a commit.
    async fn branch(&self) -> &str {
        &self.0.branch
    }

    /// In whose name it deploys: who made or rotated it last. It deploys as long as they may.
    async fn acts_as(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.acts_as).await?.map(|row| User((*row).clone())))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it was last called.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }
}
