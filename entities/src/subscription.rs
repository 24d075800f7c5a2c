//! What somebody wants to be told of a project by mail.

use sea_orm::entity::prelude::*;

use crate::ids::{ProjectId, UserId};

/// What somebody wants to be told of a project by mail.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Of which project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// The words of the events.
    pub events: Json,
    /// Whether they are told when a deployment fails that they have started.
    pub own_failures: bool,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
