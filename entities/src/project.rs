//! A project of an organization.

use sea_orm::entity::prelude::*;

use crate::ids::{OrganizationId, ProjectId};

/// A project of an organization.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProjectId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its name in links, unique within the organization.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// As many deployments of each environment, beside the active one, keep running although nobody visits them.
    pub keep_running: i32,
    /// After so many minutes without a visit the others are retired.
    pub retire_after_minutes: i32,
    /// As many deployments of each environment are kept; older ones that do not run are deleted.
    pub keep_deployments: i32,
    /// Whether a visit of a retired deployment's link starts it again.
    pub revive_on_visit: bool,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
