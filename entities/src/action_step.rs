//! A step of a durable action that has been begun.

use sea_orm::entity::prelude::*;

use crate::ids::ActionId;

/// A step of a durable action that has been begun.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "action_steps")]
pub struct Model {
    /// The action.
    #[sea_orm(primary_key, auto_increment = false)]
    pub action_id: ActionId,
    /// Its place, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// Its name.
    pub name: String,
    /// When it was first begun.
    pub started_at: DateTimeUtc,
    /// When it was done.
    pub finished_at: Option<DateTimeUtc>,
    /// When it was undone.
    pub undone_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
