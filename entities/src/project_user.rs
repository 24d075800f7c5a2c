//! The user of the machine that the programs of a project run as.

use sea_orm::entity::prelude::*;

use crate::ids::ProjectId;

/// The user of one project.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "project_users")]
pub struct Model {
    /// The project; the row goes with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: ProjectId,
    /// Number of the user and of its group; no two living projects have the same.
    pub number: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
