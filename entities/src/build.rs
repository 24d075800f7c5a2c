//! What has made the files of a deployment of what was uploaded, and which files. A deployment of the same version has the same.

use sea_orm::entity::prelude::*;

use crate::ids::DeploymentId;

/// A build.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "builds")]
pub struct Model {
    /// The deployment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deployment_id: DeploymentId,
    /// When it was begun first.
    pub started_at: DateTimeUtc,
    /// When it had ended.
    pub finished_at: Option<DateTimeUtc>,
    /// What its command ended with, if it ended by itself.
    pub exit_code: Option<i32>,
    /// List of path, digest, size and mode of what it has left, if it went well.
    pub entries: Option<Json>,
    /// Number of these files.
    pub file_count: i32,
    /// Sum of their sizes.
    pub size_bytes: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
