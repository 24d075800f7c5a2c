//! A deployment that was asked of a repository, and how far it has come.

use sea_orm::entity::prelude::*;

use crate::ids::{DeploymentId, EnvironmentId, GitConnectionId, GitRequestId, UserId};
use crate::values::{GitOrigin, GitRefKind, GitRequestState};

/// A deployment that was asked of a repository.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "git_requests")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GitRequestId,
    /// Where it is to run.
    pub environment_id: EnvironmentId,
    /// The repository.
    pub connection_id: GitConnectionId,
    /// Branch, tag or commit.
    pub ref_kind: GitRefKind,
    /// Its name.
    pub ref_name: String,
    /// What asked for it.
    pub origin: GitOrigin,
    /// In whose name.
    pub acts_as: UserId,
    /// Where it stands.
    pub state: GitRequestState,
    /// Why it came to nothing.
    pub failure: Option<String>,
    /// The commit that was found.
    pub commit_id: Option<String>,
    /// The deployment that was made of it.
    pub deployment_id: Option<DeploymentId>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// When it ended.
    pub finished_at: Option<DateTimeUtc>,
    /// Who works on it.
    pub lease_owner: Option<String>,
    /// Until when, in Unix milliseconds.
    pub lease_until_ms: i64,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
