//! A role that an organization or the console made or imported.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{RoleId, UserId},
    values::ScopeKind,
};

/// A role that an organization or the console made or imported.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "roles")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RoleId,
    /// The kind of scope whose people may bind it: the console or an organization.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// The pack that it belongs to; `custom` for one that was made here.
    pub pack: String,
    /// Its name inside the pack.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives: `[{boundAt, capability, environments, reach}]`, in the words of the packs.
    pub rows: Json,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
