//! A delivery of a webhook that was taken, so that it is not taken twice.

use sea_orm::entity::prelude::*;

use crate::ids::GitConnectionId;

/// A delivery that was taken, so that it is not taken twice.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "git_deliveries")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: GitConnectionId,
    /// Its name, of the sender's choosing.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery: String,
    /// When it came.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
