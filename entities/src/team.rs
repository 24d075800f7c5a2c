//! A team of people.

use sea_orm::entity::prelude::*;

use crate::ids::{TeamId, UserId};

/// A team of people.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TeamId,
    /// Display name.
    pub name: String,
    /// The one member of a personal team.
    #[sea_orm(unique)]
    pub personal_user_id: Option<UserId>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
