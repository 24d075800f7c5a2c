//! The files of a deployment, apart from its row because they are long and seldom wanted.

use sea_orm::entity::prelude::*;

use crate::ids::DeploymentId;

/// The files of a deployment.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "manifests")]
pub struct Model {
    /// The deployment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deployment_id: DeploymentId,
    /// List of path, digest, size and mode.
    pub entries: Json,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
