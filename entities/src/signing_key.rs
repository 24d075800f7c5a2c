//! A key that signs tokens, its private half sealed.

use sea_orm::entity::prelude::*;

/// A key that signs tokens, its private half sealed.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    /// Name of the key in tokens and in the published set.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    /// Private half, sealed with the master key.
    pub sealed_private_key: Vec<u8>,
    /// When it was made; the newest signs.
    pub created_at: DateTimeUtc,
    /// Since when it signs nothing new; it still verifies.
    pub retired_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
