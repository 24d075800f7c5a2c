//! An assertion about access that every change of access has to keep true.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{OrganizationId, PolicyTestId, UserId},
    values::{ScopeKind, SubjectKind},
};

/// An assertion about access that every change of access has to keep true.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policy_tests")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PolicyTestId,
    /// The organization that asserts it.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// User or team.
    pub subject_kind: SubjectKind,
    /// Key of the user or team.
    pub subject_id: Uuid,
    /// The subject is everybody who is not in the team.
    pub outside: bool,
    /// What the subject must not hold.
    pub capability: String,
    /// On which environments: `any`, `production` or `nonproduction`.
    pub environments: String,
    /// The kind of scope on which, and below which, it must not be held.
    pub scope_kind: ScopeKind,
    /// Key of the scope.
    pub scope_id: Uuid,
    /// Who wrote it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
