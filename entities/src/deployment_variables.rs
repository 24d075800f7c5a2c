//! The variables that a deployment was accepted with, sealed: it starts with the same whenever it starts.

use sea_orm::entity::prelude::*;

use crate::ids::DeploymentId;

/// The variables that a deployment was accepted with, sealed.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment_variables")]
pub struct Model {
    /// The deployment.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deployment_id: DeploymentId,
    /// List of name, value and whether it is a secret, sealed with the master key.
    pub sealed: Vec<u8>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
