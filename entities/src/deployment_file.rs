//! One file of a deployment's manifest.

use sea_orm::entity::prelude::*;

use crate::ids::DeploymentId;

/// One file of a deployment's manifest.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment_files")]
pub struct Model {
    /// The deployment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deployment_id: DeploymentId,
    /// Path within the deployment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    /// BLAKE3 of the content, in hex.
    pub digest: String,
    /// Size of the content.
    pub size_bytes: i64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
