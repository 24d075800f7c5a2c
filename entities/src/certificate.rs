//! The certificate of a custom domain, its private key sealed, and the attempts to get or renew it.

use sea_orm::entity::prelude::*;

use crate::ids::DomainId;

/// The certificate of a custom domain, or the attempts to get one.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "certificates")]
pub struct Model {
    /// The domain.
    #[sea_orm(primary_key, auto_increment = false)]
    pub domain_id: DomainId,
    /// The certificate and those that vouch for it, in PEM.
    pub chain: Option<String>,
    /// Its private key, sealed with the master key.
    pub sealed_key: Option<Vec<u8>>,
    /// When it was obtained.
    pub issued_at: Option<DateTimeUtc>,
    /// Until when it is good.
    pub expires_at: Option<DateTimeUtc>,
    /// When it is next asked for, or renewed.
    pub next_try_at: DateTimeUtc,
    /// Attempts in a row that failed.
    pub failures: i32,
    /// Why the last one failed, in words.
    pub failure: Option<String>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
