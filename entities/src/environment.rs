//! An environment of a project.

use sea_orm::entity::prelude::*;

use crate::ids::{DeploymentId, EnvironmentId, ProjectId};

/// An environment of a project.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "environments")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EnvironmentId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its name in links, unique within the project.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Whether it is a production environment.
    pub production: bool,
    /// Since when it is frozen against deployments.
    pub frozen_at: Option<DateTimeUtc>,
    /// What the environment's link points to.
    pub active_deployment_id: Option<DeploymentId>,
    /// The deployment that a rollback pinned.
    pub pinned_deployment_id: Option<DeploymentId>,
    /// Number of the next deployment.
    pub next_number: i32,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
