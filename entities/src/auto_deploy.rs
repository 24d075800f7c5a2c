//! An environment that follows a branch.

use sea_orm::entity::prelude::*;

use crate::ids::{EnvironmentId, GitConnectionId, UserId};

/// An environment that follows a branch.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "auto_deploys")]
pub struct Model {
    /// The environment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub environment_id: EnvironmentId,
    /// The repository.
    pub connection_id: GitConnectionId,
    /// The branch.
    pub branch: String,
    /// Who set it, and in whose name it deploys.
    pub set_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
