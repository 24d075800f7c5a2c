//! An account with an authority that issues certificates, its key sealed.

use sea_orm::entity::prelude::*;

/// An account with an authority that issues certificates.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "acme_accounts")]
pub struct Model {
    /// The authority, by the URL of its directory.
    #[sea_orm(primary_key, auto_increment = false)]
    pub directory: String,
    /// The account and its key, sealed with the master key.
    pub sealed_credentials: Vec<u8>,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
