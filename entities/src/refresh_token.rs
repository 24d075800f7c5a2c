//! A refresh token, as its hash.

use sea_orm::entity::prelude::*;

use crate::ids::SessionId;

/// A refresh token, as its hash.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    /// Hash of the token, in hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
    /// Its family.
    pub session_id: SessionId,
    /// When it was handed out.
    pub created_at: DateTimeUtc,
    /// When it was exchanged; a second exchange ends the family.
    pub used_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
