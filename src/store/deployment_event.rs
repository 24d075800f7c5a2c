//! What happened to deployments: one row for every state that one came to, written with the state itself, and one for
//! everything that happened to their instances.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::deployment_event::{Column, Entity, Model};
use entities::ids::{DeploymentEventId, DeploymentId};
use entities::values::{Cause, DeploymentState, EventKind};

use super::action::Lease;
use super::source::Connected;
use super::{Source, Store, Write, page, sql};
use crate::authz::{Permit, cap};
use crate::error::Result;
use crate::sys::{clock, ids};

/// An event that has nothing to do with an action.
fn bare(deployment: DeploymentId, state: DeploymentState) -> Model {
    Model {
        id: ids::new::<DeploymentEventId>(),
        deployment_id: deployment,
        kind: EventKind::State,
        state,
        instance: None,
        at: clock::now(),
        action_id: None,
        actor_id: None,
        cause: Cause::User,
        detail: None,
    }
}

/// Keeps that a change brought a deployment to a state.
pub(super) async fn of_write(
    write: &mut Write,
    deployment: DeploymentId,
    state: DeploymentState,
    cause: Cause,
) -> Result<()> {
    let actor_id = write.entry().actor;
    append(write.connection(), Model { actor_id, cause, ..bare(deployment, state) }).await
}

/// Keeps that an action brought a deployment to a state.
pub(super) async fn of_lease(
    connection: &impl ConnectionTrait,
    lease: &Lease,
    deployment: DeploymentId,
    state: DeploymentState,
    detail: Option<&str>,
) -> Result<()> {
    let action = lease.action();
    let event = Model {
        action_id: Some(action.id),
        actor_id: (action.cause == Cause::User).then_some(action.created_by),
        cause: action.cause,
        detail: detail.map(str::to_owned),
        ..bare(deployment, state)
    };
    append(connection, event).await
}

/// Something that happened to an instance of a deployment.
#[derive(Debug, Clone)]
pub struct OfInstance {
    /// What.
    pub kind: EventKind,
    /// To which one, from 1.
    pub instance: u32,
    /// How, in words.
    pub detail: Option<String>,
}

/// Keeps what happened to an instance by itself, while its deployment was in this state.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_instance(
    store: &Store,
    deployment: DeploymentId,
    state: DeploymentState,
    event: OfInstance,
) -> Result<()> {
    let OfInstance { kind, instance, detail } = event;
    let instance = i32::try_from(instance).ok();
    append(&store.db, Model { kind, instance, cause: Cause::Upkeep, detail, ..bare(deployment, state) }).await
}

/// Keeps that an action has put a new program in the place of an instance; once, however often it is told.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn restarted(store: &Store, lease: &Lease, state: DeploymentState, instance: u32) -> Result<()> {
    let (action, instance) = (lease.action(), i32::try_from(instance).ok());
    let told = Entity::find().filter(Column::ActionId.eq(action.id)).filter(Column::Instance.eq(instance));
    if told.one(&store.db).await.map_err(sql)?.is_some() {
        return Ok(());
    }
    let event = Model {
        kind: EventKind::Restarted,
        instance,
        action_id: Some(action.id),
        actor_id: (action.cause == Cause::User).then_some(action.created_by),
        cause: action.cause,
        ..bare(action.deployment_id, state)
    };
    append(&store.db, event).await
}

async fn append(connection: &impl ConnectionTrait, event: Model) -> Result<()> {
    Entity::insert(event.into_active_model()).exec_without_returning(connection).await.map_err(sql)?;
    Ok(())
}

/// A page of what happened to a deployment of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when there is no such deployment.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::DeploymentView>,
    deployment: DeploymentId,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let row = super::deployment::get(source, permit, deployment).await?;
    page::read(source, Entity::find().filter(Column::DeploymentId.eq(row.id)), Column::Id, page).await
}
