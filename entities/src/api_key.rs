//! A key that stands for its holder, or for less.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{ApiKeyId, UserId},
    values::ScopeKind,
};

/// A key that stands for its holder, or for less.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Its holder.
    pub user_id: UserId,
    /// What people call it.
    pub name: String,
    /// Digest of the secret; the secret itself is kept nowhere.
    #[sea_orm(unique)]
    pub hash: String,
    /// Names of the capabilities that it carries at most; none for all of its holder's.
    pub capabilities: Option<Json>,
    /// The kind of scope on and below which it counts; none for everywhere.
    pub scope_kind: Option<ScopeKind>,
    /// Key of that scope.
    pub scope_id: Option<Uuid>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
    /// Counts until then.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was last used, to a minute.
    pub last_used_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
