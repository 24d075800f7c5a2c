//! When somebody last used a capability on a scope.

use sea_orm::entity::prelude::*;

use crate::{ids::UserId, values::ScopeKind};

/// When somebody last used a capability on a scope.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "capability_uses")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The kind of scope.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope_id: Uuid,
    /// The capability.
    #[sea_orm(primary_key, auto_increment = false)]
    pub capability: String,
    /// When it was last used, to a few seconds.
    pub last_used_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
