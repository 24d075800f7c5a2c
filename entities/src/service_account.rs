//! A user that is a program and belongs to a scope.

use sea_orm::entity::prelude::*;

use crate::{ids::UserId, values::ScopeKind};

/// A user that is a program and belongs to a scope.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "service_accounts")]
pub struct Model {
    /// The user that it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The kind of scope that it belongs to.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
