//! A custom domain of an environment: a claim, and what DNS said of it.

use sea_orm::entity::prelude::*;

use crate::ids::{DomainId, EnvironmentId, UserId};

/// A custom domain of an environment.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "domains")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DomainId,
    /// The environment whose link it stands for.
    pub environment_id: EnvironmentId,
    /// The name in ASCII and lower case; unique within the environment, and among those that are owned.
    pub name: String,
    /// What the ownership record has to hold.
    pub token: String,
    /// Ownership is proved; one environment at most has a name so.
    pub owned: bool,
    /// The name leads to this edge.
    pub delegated: bool,
    /// Checks in a row that missed something that is held to be so.
    pub misses: i32,
    /// What the last check found, in words.
    pub finding: String,
    /// Whether plain requests are sent on to HTTPS once there is a certificate.
    pub redirect_to_https: bool,
    /// When it was first proved and led here.
    pub verified_at: Option<DateTimeUtc>,
    /// Since when it is owned and delegated as it is.
    pub state_changed_at: DateTimeUtc,
    /// When DNS was last asked.
    pub checked_at: Option<DateTimeUtc>,
    /// When DNS is asked again.
    pub next_check_at: DateTimeUtc,
    /// Who added it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
