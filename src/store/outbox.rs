//! What others are told of: one delivery for every webhook and every person that wants to know, written with the change itself,
//! so that none is lost and none tells of what has not happened. Who may know is judged when it is sent.

use std::collections::BTreeSet;

use sea_orm::sea_query::{ExprTrait, LockType};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};
use serde_json::{Value, json};

use entities::ids::{DeliveryId, EnvironmentId, EventId, UserId, WebhookId};
use entities::values::{ActionKind, DeliveryState, DeploymentState, EventKind, UserKind};
use entities::{
    delivery, deployment, deployment_event, domain, environment, organization, project, subscription, user, webhook,
};

use super::source::Connected;
use super::{Write, sql};
use crate::error::Result;
use crate::sys::{clock, ids};

/// Something that happened in an environment.
struct Happened {
    event: EventKind,
    environment: EnvironmentId,
    actor: Option<UserId>,
    /// What it happened to, and how.
    about: Value,
}

/// What somebody is told of who waits for this state, if it is the end of something; `action` is what brought it about.
fn kind(state: DeploymentState, action: Option<ActionKind>) -> Option<EventKind> {
    match (state, action) {
        (DeploymentState::Active, Some(ActionKind::Rollback)) => Some(EventKind::DeploymentRolledBack),
        (DeploymentState::Active, _) | (DeploymentState::Ready, Some(ActionKind::Redeploy)) => {
            Some(EventKind::DeploymentSucceeded)
        }
        (DeploymentState::Ready, Some(ActionKind::Revive)) => Some(EventKind::DeploymentRevived),
        (DeploymentState::Failed, _) => Some(EventKind::DeploymentFailed),
        (DeploymentState::Retired, _) => Some(EventKind::DeploymentRetired),
        (DeploymentState::Cancelled, _) => Some(EventKind::DeploymentCancelled),
        (DeploymentState::Skipped, _) => Some(EventKind::DeploymentSkipped),
        (DeploymentState::Deleted, _) => Some(EventKind::DeploymentDeleted),
        (
            DeploymentState::Draft
            | DeploymentState::Queued
            | DeploymentState::Building
            | DeploymentState::Starting
            | DeploymentState::Ready
            | DeploymentState::Reviving,
            _,
        ) => None,
    }
}

/// Tells that a deployment came to a state.
pub(super) async fn of_deployment(
    connection: &impl ConnectionTrait,
    event: &deployment_event::Model,
    action: Option<ActionKind>,
) -> Result<()> {
    let Some(kind) = kind(event.state, action) else { return Ok(()) };
    let row = deployment::Entity::find_by_id(event.deployment_id).one(connection).await.map_err(sql)?;
    let Some(row) = row else { return Ok(()) };
    let about = json!({
        "deployment": {
            "id": row.id.to_string(),
            "number": row.number,
            "state": event.state.word().to_uppercase(),
            "message": row.message,
        },
        "cause": event.cause.word(),
        "reason": event.detail,
    });
    tell(connection, Happened { event: kind, environment: row.environment_id, actor: event.actor_id, about }).await
}

/// Tells that a domain was proved, or is no more; nothing when it is neither.
pub(super) async fn of_domain(write: &Write, before: &domain::Model, after: &domain::Model) -> Result<()> {
    let serves = |row: &domain::Model| row.owned && row.delegated;
    let event = match (serves(before), serves(after)) {
        (false, true) => EventKind::DomainVerified,
        (true, false) => EventKind::DomainLost,
        (true, true) | (false, false) => return Ok(()),
    };
    let about = json!({
        "domain": { "id": after.id.to_string(), "name": after.name },
        "reason": after.finding,
    });
    tell(write.connection(), Happened { event, environment: after.environment_id, actor: None, about }).await
}

async fn tell(connection: &impl ConnectionTrait, happened: Happened) -> Result<()> {
    let row = environment::Entity::find_by_id(happened.environment).one(connection).await.map_err(sql)?;
    let Some(environment) = row else { return Ok(()) };
    let webhooks = webhooks(connection, &environment, happened.event).await?;
    let people = people(connection, &environment, &happened).await?;
    if webhooks.is_empty() && people.is_empty() {
        return Ok(());
    }
    let content = content(connection, &environment, &happened).await?;
    let event_id = ids::new::<EventId>();
    let of = |webhook_id: Option<WebhookId>, user_id: Option<UserId>| delivery::Model {
        event_id,
        webhook_id,
        user_id,
        environment_id: Some(environment.id),
        ..new(happened.event, content.clone())
    };
    let to_webhooks = webhooks.into_iter().map(|id| of(Some(id), None));
    let rows = to_webhooks.chain(people.into_iter().map(|id| of(None, Some(id))));
    let rows: Vec<_> = rows.map(IntoActiveModel::into_active_model).collect();
    // As many as fit into one statement of either database.
    for some in rows.chunks(500) {
        delivery::Entity::insert_many(some.to_vec()).exec_without_returning(connection).await.map_err(sql)?;
    }
    Ok(())
}

/// A delivery to nobody yet, of something that happens now.
pub(super) fn new(event: EventKind, content: Value) -> delivery::Model {
    delivery::Model {
        id: ids::new::<DeliveryId>(),
        event_id: ids::new::<EventId>(),
        event,
        webhook_id: None,
        user_id: None,
        recipient: None,
        environment_id: None,
        content,
        state: DeliveryState::Waiting,
        attempts: 0,
        problem: None,
        created_at: clock::now(),
        finished_at: None,
        due_ms: 0,
        lease_owner: None,
    }
}

/// Whether a list of words names this event.
fn names(words: &Value, event: EventKind) -> bool {
    words.as_array().is_some_and(|words| words.iter().any(|it| it.as_str() == Some(event.word())))
}

async fn webhooks(
    connection: &impl ConnectionTrait,
    environment: &environment::Model,
    event: EventKind,
) -> Result<Vec<WebhookId>> {
    use webhook::{Column, Entity};
    let here = Column::EnvironmentId.is_null().or(Column::EnvironmentId.eq(environment.id));
    let mut select = Entity::find()
        .filter(Column::ProjectId.eq(environment.project_id))
        .filter(Column::Active.eq(true))
        .filter(here);
    if connection.get_database_backend() == DbBackend::Postgres {
        // One that is removed in this moment would take the change with it that it is told of.
        select = select.lock(LockType::KeyShare);
    }
    let rows = select.all(connection).await.map_err(sql)?;
    let wanted = |row: &webhook::Model| row.events == json!([]) || names(&row.events, event);
    Ok(rows.into_iter().filter(wanted).map(|row| row.id).collect())
}

/// Who asked to be told by mail, and whoever started what failed, unless they asked not to be.
async fn people(
    connection: &impl ConnectionTrait,
    environment: &environment::Model,
    happened: &Happened,
) -> Result<Vec<UserId>> {
    use subscription::{Column, Entity};
    let select = Entity::find().filter(Column::ProjectId.eq(environment.project_id));
    let rows = select.all(connection).await.map_err(sql)?;
    let mut wanting: BTreeSet<UserId> =
        rows.iter().filter(|row| names(&row.events, happened.event)).map(|row| row.user_id).collect();
    if happened.event == EventKind::DeploymentFailed
        && let Some(actor) = happened.actor
        && !rows.iter().any(|row| row.user_id == actor && !row.own_failures)
    {
        wanting.insert(actor);
    }
    if wanting.is_empty() {
        return Ok(Vec::new());
    }
    let select = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::Id.is_in(wanting.into_iter().map(|id| id.0)))
        // Nobody reads the mail of a program.
        .filter(user::Column::Kind.eq(UserKind::Person));
    select.into_tuple().all(connection).await.map_err(sql)
}

/// What is told, but for links, which say where this installation is reached when it is sent.
async fn content(
    connection: &impl ConnectionTrait,
    environment: &environment::Model,
    happened: &Happened,
) -> Result<Value> {
    let project = project::Entity::find_by_id(environment.project_id).one(connection).await.map_err(sql)?;
    let project = project.ok_or_else(super::gone("project"))?;
    let organization = organization::Entity::find_by_id(project.organization_id).one(connection).await.map_err(sql)?;
    let organization = organization.ok_or_else(super::gone("organization"))?;
    let actor = match happened.actor {
        Some(id) => user::Entity::find_by_id(id).one(connection).await.map_err(sql)?,
        None => None,
    };
    let mut content = json!({
        "organization": { "id": organization.id.to_string(), "path": organization.slug },
        "project": { "id": project.id.to_string(), "path": format!("{}/{}", organization.slug, project.slug) },
        "environment": {
            "id": environment.id.to_string(),
            "path": format!("{}/{}/{}", organization.slug, project.slug, environment.slug),
            "name": environment.name,
            "production": environment.production,
        },
        "actor": actor.map(|row| json!({ "id": row.id.to_string(), "name": row.name })),
    });
    if let (Some(content), Value::Object(about)) = (content.as_object_mut(), &happened.about) {
        content.extend(about.clone());
    }
    Ok(content)
}
