//! What the edge does for an environment beside serving it.

use sea_orm::entity::prelude::*;

use crate::ids::EnvironmentId;

/// What the edge does for an environment beside serving it; no row while nothing was set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "edge_settings")]
pub struct Model {
    /// The environment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub environment_id: EnvironmentId,
    /// The settings as JSON.
    pub settings: Json,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
