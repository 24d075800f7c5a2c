//! A person or a bot.

use sea_orm::entity::prelude::*;

use crate::{ids::UserId, values::UserKind};

/// A person or a bot.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Lower-case address, unique.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Person or bot.
    pub kind: UserKind,
    /// Argon2id in PHC form; none for a bot.
    pub password_hash: Option<String>,
    /// Since when the account is suspended.
    pub suspended_at: Option<DateTimeUtc>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
