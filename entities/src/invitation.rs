//! An invitation that waits for somebody to accept it.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{InvitationId, UserId},
    values::ScopeKind,
};

/// An invitation that waits for somebody to accept it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    /// The address that it is for, lower case.
    pub email: String,
    /// The role that comes with it, as a binding names it.
    pub role: String,
    /// The kind of scope that it leads to.
    pub scope_kind: ScopeKind,
    /// Key of the scope; nil for the console.
    pub scope_id: Uuid,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
    /// Cannot be accepted from then on.
    pub expires_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
