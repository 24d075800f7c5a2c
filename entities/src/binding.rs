//! Subject x role (or single capability) x scope.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{BindingId, EligibleRoleId, TeamId, UserId},
    values::{ScopeKind, SubjectKind},
};

/// Subject x role (or single capability) x scope.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bindings")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BindingId,
    /// User or team.
    pub subject_kind: SubjectKind,
    /// Key of the user or team.
    pub subject_id: Uuid,
    /// Full name of the role, e.g. `ownstak/admin`.
    pub role: Option<String>,
    /// A single capability instead of a role.
    pub capability: Option<String>,
    /// The kind of scope it sits on.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// Counts only while the user is in this team and the team manages the organization.
    pub on_behalf_of: Option<TeamId>,
    /// Counts from then on.
    pub not_before: Option<DateTimeUtc>,
    /// Counts until then.
    pub not_after: Option<DateTimeUtc>,
    /// Why it was made, when somebody had to say so.
    pub reason: Option<String>,
    /// The eligible role that was activated.
    pub eligible_role_id: Option<EligibleRoleId>,
    /// Who made it; none for the system itself.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
