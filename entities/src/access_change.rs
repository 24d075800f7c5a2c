//! What one change of authority gave and took.

use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// What one change of authority gave and took.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_changes")]
pub struct Model {
    /// The policy epoch that the change ended.
    #[sea_orm(primary_key, auto_increment = false)]
    pub epoch: i64,
    /// When.
    pub at: DateTimeUtc,
    /// Who changed it; none for the system itself.
    pub actor_id: Option<UserId>,
    /// What was done, e.g. `access.grant`.
    pub operation: String,
    /// Why, when somebody had to say so.
    pub reason: Option<String>,
    /// Who gained and lost what, where.
    pub differences: Json,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
