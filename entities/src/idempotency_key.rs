//! An answer kept for the retry of a mutation.

use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// An answer kept for the retry of a mutation.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose key it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The key that the client chose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Digest of the request.
    pub request_digest: String,
    /// The answer; none while the first request runs.
    pub response: Option<String>,
    /// When it came.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
