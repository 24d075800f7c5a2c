//! The repository that a project is deployed from.

use sea_orm::entity::prelude::*;

use crate::ids::{GitConnectionId, ProjectId, UserId};

/// The repository that a project is deployed from.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "git_connections")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GitConnectionId,
    /// The project.
    #[sea_orm(unique)]
    pub project_id: ProjectId,
    /// Where it is.
    pub url: String,
    /// `user:token`, sealed; none where anybody may read.
    pub sealed_credential: Option<Vec<u8>>,
    /// What pushes are signed with, sealed.
    pub sealed_webhook_secret: Vec<u8>,
    /// Who connected it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
    /// When it was last tried.
    pub checked_at: Option<DateTimeUtc>,
    /// What was wrong then.
    pub problem: Option<String>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
