//! What happened to deployments: one row for every state that one came to, written with the state itself, and with it what
//! others are told of; and one for everything that happened to their instances.

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use entities::deployment;

use entities::deployment_event::{Column, Entity, Model};
use entities::ids::{DeploymentEventId, DeploymentId};
use entities::values::{ActionKind, Cause, DeploymentEventKind, DeploymentState};

use super::action::Lease;
use super::source::Connected;
use super::{Source, Store, Write, outbox, page, sql};
use crate::authz::{Held, Permit, cap};
use crate::error::Result;
use crate::sys::{clock, ids};

/// Switches that are looked at at a time.
const SWITCHES: u64 = 1000;

/// An event that has nothing to do with an action.
fn bare(deployment: DeploymentId, state: DeploymentState) -> Model {
    Model {
        id: ids::new::<DeploymentEventId>(),
        deployment_id: deployment,
        kind: DeploymentEventKind::State,
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
    append(write.connection(), Model { actor_id, cause, ..bare(deployment, state) }, None).await
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
    append(connection, event, Some(action.kind)).await
}

/// Something that happened to an instance of a deployment.
#[derive(Debug, Clone)]
pub struct OfInstance {
    /// What.
    pub kind: DeploymentEventKind,
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
    let event = Model { kind, instance, cause: Cause::Upkeep, detail, ..bare(deployment, state) };
    append_alone(&store.db, event).await
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
        kind: DeploymentEventKind::Restarted,
        instance,
        action_id: Some(action.id),
        actor_id: (action.cause == Cause::User).then_some(action.created_by),
        cause: action.cause,
        ..bare(action.deployment_id, state)
    };
    append_alone(&store.db, event).await
}

/// What happens to an instance alone is told to nobody outside.
async fn append_alone(connection: &impl ConnectionTrait, event: Model) -> Result<()> {
    Entity::insert(event.into_active_model()).exec_without_returning(connection).await.map_err(sql)?;
    Ok(())
}

async fn append(connection: &impl ConnectionTrait, event: Model, action: Option<ActionKind>) -> Result<()> {
    outbox::of_deployment(connection, &event, action).await?;
    append_alone(connection, event).await
}

/// Which deployments the link of the permit's environment was pointed to, one after the other, from this event on; without one,
/// the last.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn switches<C: Held>(
    source: &impl Source,
    permit: &Permit<C>,
    from: Option<DeploymentEventId>,
) -> Result<Vec<(DeploymentEventId, DeploymentId)>> {
    let deployments = Query::select()
        .column(deployment::Column::Id)
        .from(deployment::Entity)
        .and_where(deployment::Column::EnvironmentId.eq(permit.key()))
        .take();
    let select = Entity::find()
        .select_only()
        .columns([Column::Id, Column::DeploymentId])
        .filter(Column::DeploymentId.in_subquery(deployments))
        .filter(Column::Kind.eq(DeploymentEventKind::State))
        .filter(Column::State.eq(DeploymentState::Active));
    let select = match from {
        Some(from) => select.filter(Column::Id.gte(from)).order_by_asc(Column::Id).limit(SWITCHES),
        None => select.order_by_desc(Column::Id).limit(1),
    };
    select.into_tuple().all(source.connection()).await.map_err(sql)
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
