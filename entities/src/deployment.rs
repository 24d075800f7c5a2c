//! Code, assets and configuration at one point in time.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{DeploymentId, EnvironmentId, UserId},
    values::{DeploymentKind, DeploymentState},
};

/// Code, assets and configuration at one point in time.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployments")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeploymentId,
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its number within the environment, from 1.
    pub number: i32,
    /// Static files or a process.
    pub kind: DeploymentKind,
    /// Where it stands.
    pub state: DeploymentState,
    /// Configuration as JSON.
    pub configuration: Json,
    /// Digest of the whole manifest.
    pub manifest_digest: String,
    /// Number of files.
    pub file_count: i32,
    /// Sum of the file sizes.
    pub size_bytes: i64,
    /// What the one who made it says of it.
    pub message: Option<String>,
    /// Why it failed, for people.
    pub failure: Option<String>,
    /// The deployment whose files and configuration these are, when it was made of another.
    pub source_deployment_id: Option<DeploymentId>,
    /// When its link was visited last, to the minute.
    pub last_visited_at: Option<DateTimeUtc>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it came to its present state.
    pub state_changed_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
