//! An address that deploys when it is called.

use sea_orm::entity::prelude::*;

use crate::ids::{DeployHookId, EnvironmentId, GitConnectionId, UserId};

/// An address that deploys when it is called.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deploy_hooks")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeployHookId,
    /// Where it deploys.
    pub environment_id: EnvironmentId,
    /// The repository that it deploys from.
    pub connection_id: GitConnectionId,
    /// What people call it.
    pub name: String,
    /// The branch that it deploys, unless a commit is named.
    pub branch: String,
    /// Digest of its secret; the secret itself is kept nowhere.
    #[sea_orm(unique)]
    pub hash: String,
    /// Who made or rotated it last, and in whose name it deploys.
    pub acts_as: UserId,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was last called.
    pub last_used_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
