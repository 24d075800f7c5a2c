//! A durable deployment action, leased by the worker that runs it.

use sea_orm::entity::prelude::*;

use crate::{
    ids::{ActionId, DeploymentId, EnvironmentId, UserId},
    values::{ActionKind, ActionState, Cause},
};

/// A durable deployment action, leased by the worker that runs it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "actions")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActionId,
    /// The environment; one action at a time moves its link.
    pub environment_id: EnvironmentId,
    /// The deployment that it is about; one action at a time has it in hand.
    pub deployment_id: DeploymentId,
    /// What it does.
    pub kind: ActionKind,
    /// Where it stands.
    pub state: ActionState,
    /// The deployment that has to be the active one for this to happen; none expects nothing.
    pub expected_deployment_id: Option<DeploymentId>,
    /// The deployment that was active when the alias moved.
    pub previous_deployment_id: Option<DeploymentId>,
    /// Why somebody wants it.
    pub reason: Option<String>,
    /// Grows with every lease; runtime and edge refuse a lower one.
    pub fence: i64,
    /// The worker.
    pub lease_owner: Option<String>,
    /// Until when the worker has it, in milliseconds since 1970.
    pub lease_until_ms: i64,
    /// Why it failed, for people.
    pub error: Option<String>,
    /// Why it happens.
    pub cause: Cause,
    /// Since when somebody wants it to stop.
    pub cancel_requested_at: Option<DateTimeUtc>,
    /// Who wants it; who made the deployment, when nobody does.
    pub created_by: UserId,
    /// When it was accepted.
    pub created_at: DateTimeUtc,
    /// When it ended.
    pub finished_at: Option<DateTimeUtc>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
