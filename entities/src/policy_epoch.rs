//! The generation of everything that authority derives from; one row.

use sea_orm::entity::prelude::*;

/// The generation of everything that authority derives from; one row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policy_epochs")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// Grows with every change.
    pub epoch: i64,
    /// Grows with every change of a role.
    pub roles: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
