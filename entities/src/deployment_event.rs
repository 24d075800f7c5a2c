//! Something that happened to a deployment: it came to a state, or something happened to one of its instances.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{ActionId, DeploymentEventId, DeploymentId, UserId},
    values::{Cause, DeploymentEventKind, DeploymentState},
};

/// Something that happened to a deployment: it came to a state, or something happened to one of its instances.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment_events")]
pub struct Model {
    /// Key; grows with time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeploymentEventId,
    /// To which.
    pub deployment_id: DeploymentId,
    /// What it tells.
    pub kind: DeploymentEventKind,
    /// The state that it came to; of an instance's event, the one that it was in.
    pub state: DeploymentState,
    /// To which instance it happened, from 1.
    pub instance: Option<i32>,
    /// When.
    pub at: DateTimeUtc,
    /// The action that brought it there.
    pub action_id: Option<ActionId>,
    /// Who wanted it; nobody when it happened by itself.
    pub actor_id: Option<UserId>,
    /// Why it happened.
    pub cause: Cause,
    /// A reason that was given, or why it failed.
    pub detail: Option<String>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
