//! A variable of a project or an environment, its value sealed.

use sea_orm::entity::prelude::*;

use crate::ids::{EnvironmentId, ProjectId, UserId, VariableId};
use crate::values::CountsFor;

/// A variable of a project or an environment, its value sealed.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "variables")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VariableId,
    /// The project that it is set on, or that its environment belongs to.
    pub project_id: ProjectId,
    /// The environment that it is set on; none for one of the project.
    pub environment_id: Option<EnvironmentId>,
    /// Key of what it is set on: the environment, or else the project.
    pub scope_id: Uuid,
    /// Its name.
    pub name: String,
    /// For which environments it counts; any, if it is set on one.
    pub counts_for: CountsFor,
    /// Whether its value is shown to nobody who does not ask for it apart.
    pub secret: bool,
    /// Its value, sealed with the master key.
    pub sealed: Vec<u8>,
    /// Who set it last.
    pub updated_by: UserId,
    /// When it was set last.
    pub updated_at: DateTimeUtc,
    /// Grows with every time that it is set.
    pub version: i32,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
