//! An entry of the audit log; append-only.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{AuditEntryId, UserId},
    values::{AuditOutcome, ScopeKind},
};

/// An entry of the audit log; append-only.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    /// When.
    pub at: DateTimeUtc,
    /// Who; none for nobody signed in, or the system itself.
    pub actor_id: Option<UserId>,
    /// What was attempted, e.g. `deployment.rollback`.
    pub operation: String,
    /// Done or refused.
    pub outcome: AuditOutcome,
    /// The kind of scope it concerns.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// The organization that the scope is, or belonged to at that time.
    pub organization_id: Option<Uuid>,
    /// The project that the scope is, or belonged to at that time.
    pub project_id: Option<Uuid>,
    /// Id of the object it concerns, with prefix.
    pub subject: Option<String>,
    /// The policy epoch that the decision saw.
    pub epoch: i64,
    /// The request that it came with.
    pub request_id: String,
    /// Ids of the bindings that allowed it, the nearest first.
    pub bindings: Option<Json>,
    /// What else is worth keeping; never a secret.
    pub details: Json,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
