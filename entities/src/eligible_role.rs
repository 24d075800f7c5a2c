//! A role that its holder may activate for a while, with a reason.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{EligibleRoleId, UserId},
    values::{ScopeKind, SubjectKind},
};

/// A role that its holder may activate for a while, with a reason.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "eligible_roles")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EligibleRoleId,
    /// User or team.
    pub subject_kind: SubjectKind,
    /// Key of the user or team.
    pub subject_id: Uuid,
    /// The role, as a binding names it.
    pub role: String,
    /// The kind of scope it would be bound on.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// The longest time that one activation lasts, in seconds.
    pub max_seconds: i32,
    /// Who approved it beforehand.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
