//! What is on its way to webhooks, and to people by mail: a queue that survives a crash. Whoever sends something has it leased;
//! whoever dies before it is noted leaves it to be sent again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use entities::delivery::{Column, Entity, Model};
use entities::delivery_attempt;
use entities::ids::{DeliveryAttemptId, DeliveryId, WebhookId};
use entities::values::{DeliveryState, EventKind};

use super::source::Connected;
use super::{Source, Store, Write, outbox, page, sql, visible, webhook};
use crate::authz::{Permit, Scope, Visible, cap};
use crate::error::{Error, Result};
use crate::sys::{clock, ids};

/// Endpoints that one look finds.
const ENDPOINTS: u64 = 100;

/// Has a webhook of the permit's project tried.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn ping(write: &mut Write, permit: &Permit<cap::ProjectUpdate>, id: WebhookId) -> Result<Model> {
    let row = webhook::get(write, permit, id).await?;
    let content = serde_json::json!({ "webhook": { "id": row.id.to_string(), "name": row.name } });
    insert(write, Model { webhook_id: Some(row.id), ..outbox::new(EventKind::Ping, content) }).await
}

/// Has a mail sent to the address of somebody who is invited.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn invite(write: &mut Write, recipient: &str, content: serde_json::Value) -> Result<()> {
    let recipient = Some(recipient.to_owned());
    insert(write, Model { recipient, ..outbox::new(EventKind::Invitation, content) }).await.map(|_| ())
}

async fn insert(write: &mut Write, row: Model) -> Result<Model> {
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// What the actor may see of what is told: what everybody may know, deployments, and domains.
pub struct Seen {
    /// Where they may view deployments.
    pub deployments: Visible<cap::DeploymentView>,
    /// Where they may view domains.
    pub domains: Visible<cap::DomainView>,
}

impl Seen {
    fn condition(&self) -> Condition {
        let domains = [EventKind::DomainVerified, EventKind::DomainLost];
        let of_deployments = Condition::all()
            .add(Column::Event.is_not_in(domains))
            .add(Column::EnvironmentId.in_subquery(visible::environment_ids(&self.deployments)));
        let of_domains = Condition::all()
            .add(Column::Event.is_in(domains))
            .add(Column::EnvironmentId.in_subquery(visible::environment_ids(&self.domains)));
        Condition::any().add(Column::EnvironmentId.is_null()).add(of_deployments).add(of_domains)
    }
}

/// A page of what a webhook of the permit's project was told, of that which the actor may see.
///
/// # Errors
/// `NotFound` when there is no such webhook.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::ProjectUpdate>,
    seen: &Seen,
    id: WebhookId,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let row = webhook::get(source, permit, id).await?;
    let select = Entity::find().filter(Column::WebhookId.eq(row.id)).filter(seen.condition());
    page::read(source, select, Column::Id, page).await
}

/// A delivery to a webhook of the permit's project, if the actor may see what it tells.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get(
    source: &impl Source,
    permit: &Permit<cap::ProjectUpdate>,
    seen: &Seen,
    id: DeliveryId,
) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(seen.condition());
    let row = select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("delivery"))?;
    let webhook = row.webhook_id.ok_or_else(super::gone("delivery"))?;
    webhook::get(source, permit, webhook).await.map_err(|_| super::gone("delivery")())?;
    Ok(row)
}

/// Has a delivery that [`get`] returned sent once more, from the beginning.
///
/// # Errors
/// `Conflict` when it is on its way.
pub async fn again(write: &mut Write, row: &Model) -> Result<Model> {
    let update = Entity::update_many()
        .col_expr(Column::State, Expr::value(DeliveryState::Waiting))
        .col_expr(Column::Attempts, Expr::value(0))
        .col_expr(Column::Problem, Expr::value(None::<String>))
        .col_expr(Column::FinishedAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::DueMs, Expr::value(0_i64))
        .filter(Column::Id.eq(row.id))
        .filter(Column::State.ne(DeliveryState::Waiting));
    if update.exec(write.connection()).await.map_err(sql)?.rows_affected == 0 {
        return Err(Error::Conflict("it is on its way; wait until that has come to an end".to_owned()));
    }
    Entity::find_by_id(row.id).one(write.connection()).await.map_err(sql)?.ok_or_else(super::gone("delivery"))
}

/// The project on which a delivery is judged.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: DeliveryId) -> Result<Option<Scope>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    match row.and_then(|row| row.webhook_id) {
        Some(id) => webhook::scope_of(source, id).await,
        None => Ok(None),
    }
}

/// The attempts of these deliveries, the oldest first; the caller was given them by [`list`] or [`get`].
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn attempts(source: &impl Source, ids: &[DeliveryId]) -> Result<Vec<delivery_attempt::Model>> {
    use delivery_attempt::{Column, Entity};
    let select = Entity::find().filter(Column::DeliveryId.is_in(ids.iter().map(|id| id.0))).order_by_asc(Column::Id);
    select.all(source.connection()).await.map_err(sql)
}

/// Where something is to be sent: a webhook, or, if there is none, the mail; without those that are `busy`.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn endpoints_due(store: &Store, busy: &[Option<WebhookId>]) -> Result<Vec<Option<WebhookId>>> {
    let mut select = Entity::find()
        .select_only()
        .column(Column::WebhookId)
        .distinct()
        .filter(Column::State.eq(DeliveryState::Waiting))
        .filter(Column::DueMs.lte(clock::now().timestamp_millis()))
        .limit(ENDPOINTS);
    let webhooks: Vec<_> = busy.iter().flatten().map(|id| id.0).collect();
    if !webhooks.is_empty() {
        select = select.filter(Column::WebhookId.is_null().or(Column::WebhookId.is_not_in(webhooks)));
    }
    if busy.contains(&None) {
        select = select.filter(Column::WebhookId.is_not_null());
    }
    select.into_tuple().all(&store.db).await.map_err(sql)
}

/// Leases what is to be sent to one endpoint, the oldest first.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn claim(
    store: &Store,
    endpoint: Option<WebhookId>,
    owner: &str,
    lease: Duration,
    most: u64,
) -> Result<Vec<Model>> {
    let now = clock::now().timestamp_millis();
    let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
    let to = match endpoint {
        Some(id) => Column::WebhookId.eq(id),
        None => Column::WebhookId.is_null(),
    };
    let due = Entity::find()
        .filter(to)
        .filter(Column::State.eq(DeliveryState::Waiting))
        .filter(Column::DueMs.lte(now))
        .order_by_asc(Column::Id)
        .limit(most);
    let mut claimed = Vec::new();
    for row in due.all(&store.db).await.map_err(sql)? {
        let update = Entity::update_many()
            .col_expr(Column::DueMs, Expr::value(until))
            .col_expr(Column::LeaseOwner, Expr::value(owner))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(Column::Id.eq(row.id))
            .filter(Column::State.eq(DeliveryState::Waiting))
            .filter(Column::DueMs.eq(row.due_ms));
        if update.exec(&store.db).await.map_err(sql)?.rows_affected == 1 {
            claimed.push(Model { due_ms: until, attempts: row.attempts + 1, ..row });
        }
    }
    Ok(claimed)
}

/// Lets go of everything that this owner had leased before it ended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn release_all(store: &Store, owner: &str) -> Result<()> {
    let held = Condition::all().add(Column::LeaseOwner.eq(owner)).add(Column::State.eq(DeliveryState::Waiting));
    // Mostly there is none, and whoever writes is in the way of what a start goes on with.
    if Entity::find().filter(held.clone()).one(&store.db).await.map_err(sql)?.is_none() {
        return Ok(());
    }
    let update = Entity::update_many()
        .col_expr(Column::DueMs, Expr::value(0_i64))
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .filter(held);
    update.exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: i32,
    /// The HTTP status that was answered.
    pub status_code: Option<i32>,
    /// The beginning of the answer, or why there was none.
    pub answer: String,
}

/// Where a delivery stands after an attempt.
#[derive(Debug, Clone)]
pub enum Next {
    /// It is to be tried again, then.
    Again(DateTime<Utc>),
    /// It has come to its end: why, if it was not taken.
    End(DeliveryState, Option<String>),
}

/// Keeps what came of a delivery that was claimed.
///
/// # Errors
/// `Conflict` when somebody else sends it by now.
pub async fn settle(store: &Store, row: &Model, attempt: Option<Attempt>, next: Next) -> Result<()> {
    let tx = store.begin_write().await?;
    let mut update = Entity::update_many().col_expr(Column::LeaseOwner, Expr::value(None::<String>));
    update = match next {
        Next::Again(at) => update.col_expr(Column::DueMs, Expr::value(at.timestamp_millis())),
        Next::End(state, problem) => update
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::Problem, Expr::value(problem))
            .col_expr(Column::FinishedAt, Expr::value(clock::now())),
    };
    let update = update.filter(Column::Id.eq(row.id)).filter(Column::DueMs.eq(row.due_ms));
    let changed = update.filter(Column::State.eq(DeliveryState::Waiting)).exec(&tx).await.map_err(sql)?;
    if changed.rows_affected == 0 {
        return Err(Error::Conflict("another sender took over this delivery".to_owned()));
    }
    if let Some(attempt) = attempt {
        let attempt = delivery_attempt::Model {
            id: ids::new::<DeliveryAttemptId>(),
            delivery_id: row.id,
            at: attempt.at,
            duration_ms: attempt.duration_ms,
            status_code: attempt.status_code,
            answer: attempt.answer,
        };
        let insert = delivery_attempt::Entity::insert(attempt.into_active_model());
        insert.exec_without_returning(&tx).await.map_err(sql)?;
    }
    tx.commit().await.map_err(sql)
}

/// Forgets what came to its end before then.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn forget(store: &Store, before: DateTime<Utc>) -> Result<u64> {
    let delete = Entity::delete_many().filter(Column::FinishedAt.lt(before));
    Ok(delete.exec(&store.db).await.map_err(sql)?.rows_affected)
}
