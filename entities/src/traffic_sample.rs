//! The requests to one deployment during one minute, as one replica's edge counted them.

use sea_orm::entity::prelude::*;

use crate::ids::DeploymentId;

/// The requests to one deployment during one minute, as one replica's edge counted them.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "traffic_samples")]
pub struct Model {
    /// To which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deployment_id: DeploymentId,
    /// When the minute began, in minutes since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub minute: i64,
    /// Who counted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub replica: String,
    /// What was counted, as JSON.
    pub traffic: Json,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
