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
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Optimistic version.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
