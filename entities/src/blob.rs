//! Content that is present, per project: tenants never share it.

use sea_orm::entity::prelude::*;

use crate::ids::ProjectId;

/// Content that is present, per project: tenants never share it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "blobs")]
pub struct Model {
    /// The project.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// BLAKE3 of the content, in hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// Size of the content.
    pub size_bytes: i64,
    /// When it arrived.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
