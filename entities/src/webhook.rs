//! An address that is told of what happens in a project.

use sea_orm::entity::prelude::*;

use crate::ids::{EnvironmentId, ProjectId, UserId, WebhookId};

/// An address that is told of what happens in a project.
#[derive(Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookId,
    /// Of which project.
    pub project_id: ProjectId,
    /// The one environment that it is told of; all of them if there is none.
    pub environment_id: Option<EnvironmentId>,
    /// What people call it.
    pub name: String,
    /// The address.
    #[sea_orm(column_type = "Text")]
    pub url: String,
    /// The words of the events that it is told of; all of them if there are none.
    pub events: Json,
    /// What deliveries are signed with.
    pub sealed_secret: Vec<u8>,
    /// What they were signed with before the secret was rotated.
    pub sealed_previous_secret: Option<Vec<u8>>,
    /// Until when they are signed with that as well.
    pub previous_until: Option<DateTimeUtc>,
    /// Who made or changed it last: it is told of nothing that they may not see.
    pub acts_as: UserId,
    /// Whether anything is sent.
    pub active: bool,
    /// Deliveries that died one after the other.
    pub dead_in_a_row: i32,
    /// Why it was switched off.
    #[sea_orm(column_type = "Text", nullable)]
    pub problem: Option<String>,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

/// Neither the secrets nor the address, which may have one in it.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).field("project_id", &self.project_id).finish_non_exhaustive()
    }
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
