//! Webhooks without their secrets, what they were told, and what people are told by mail.

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::{DeliveryId, ProjectId, WebhookId};
use entities::webhook::Model;
use entities::{delivery, delivery_attempt, subscription, values};

use super::{Environment, User};
use crate::authz::cap;
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::service::webhook;
use crate::store;

/// `first`, `after`, `last` and `before` of a list.
type Paging = (Option<i32>, Option<String>, Option<i32>, Option<String>);

/// An address that is told of what happens in a project.
pub(in crate::graphql) struct Webhook(pub(in crate::graphql) Model);

/// The webhooks of a project.
pub(super) async fn webhooks(ctx: &Context<'_>, project: ProjectId, paging: Paging) -> Result<Listed<Webhook>> {
    let (first, after, last, before) = paging;
    let page = page::<WebhookId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::ProjectUpdate>(project).await?;
    let seen = op(ctx).visible::<cap::EnvironmentView>().await?;
    let rows = store::webhook::list(op(ctx).store(), &permit, &seen, &page).await?;
    Ok(connection(rows, |row| row.id, Webhook))
}

/// An address that is told of what happens in a project, as far as whoever answers for it may see that.
#[Object]
impl Webhook {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it is.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// The one environment that it is told of, if it is not told of all.
    async fn environment(&self, ctx: &Context<'_>) -> Result<Option<Environment>> {
        let Some(id) = self.0.environment_id else { return Ok(None) };
        Ok(loaders(ctx).environments.one(id).await?.map(|row| Environment((*row).clone())))
    }

    /// The events that it is told of, such as `deployment.failed`; all of them if there are none.
    async fn events(&self) -> Vec<String> {
        words(&self.0.events)
    }

    /// Who made or changed it last and answers for it: it is told of nothing that they may not see when it is sent.
    async fn acts_as(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.acts_as).await?.map(|row| User((*row).clone())))
    }

    /// Whether anything is sent.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Why it was switched off, if it was not by somebody.
    async fn problem(&self) -> Option<&str> {
        self.0.problem.as_deref()
    }

    /// Until when deliveries are signed with the secret before the last rotation as well.
    async fn previous_secret_until(&self) -> Option<DateTime<Utc>> {
        self.0.previous_until
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// What it was told, or is to be told, the newest first, of that which the viewer may view. It is kept for 30 days.
    /// Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<WebhookDelivery>> {
        let page = page::<DeliveryId>(first, after, last, before, true)?;
        let permit = op(ctx).permit::<cap::ProjectUpdate>(self.0.project_id).await?;
        let seen = webhook::seen(op(ctx)).await?;
        let rows = store::delivery::list(op(ctx).store(), &permit, &seen, self.0.id, &page).await?;
        let ids: Vec<DeliveryId> = rows.rows.iter().map(|row| row.id).collect();
        let mut attempts: HashMap<DeliveryId, Vec<delivery_attempt::Model>> = HashMap::new();
        for attempt in store::delivery::attempts(op(ctx).store(), &ids).await? {
            attempts.entry(attempt.delivery_id).or_default().push(attempt);
        }
        let with = |row: delivery::Model| {
            let attempts = attempts.get(&row.id).cloned().unwrap_or_default();
            WebhookDelivery { row, attempts }
        };
        Ok(connection(rows, |row| row.id, with))
    }
}

/// Where a delivery stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::DeliveryState")]
pub(in crate::graphql) enum WebhookDeliveryState {
    /// It is to be sent, for the first time or again.
    Waiting,
    /// It was taken: the answer had a status from 200 to 299.
    Delivered,
    /// It was not taken, however often it was tried; `resendDelivery` sends it once more.
    Dead,
    /// Whoever answers for the webhook may not see what it tells.
    Withheld,
}

/// Something that a webhook is told.
pub(in crate::graphql) struct WebhookDelivery {
    row: delivery::Model,
    attempts: Vec<delivery_attempt::Model>,
}

impl WebhookDelivery {
    /// With what was tried so far.
    pub(in crate::graphql) async fn of(ctx: &Context<'_>, row: delivery::Model) -> Result<Self> {
        let attempts = store::delivery::attempts(op(ctx).store(), &[row.id]).await?;
        Ok(Self { row, attempts })
    }
}

/// Something that a webhook is told.
#[Object]
impl WebhookDelivery {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }

    /// The id of what happened, sent as `webhook-id`: the same in every attempt, and for every webhook that is told of it.
    async fn event_id(&self) -> String {
        self.row.event_id.to_string()
    }

    /// What happened, such as `deployment.failed`.
    async fn event(&self) -> &str {
        self.row.event.word()
    }

    /// Where it stands.
    async fn state(&self) -> WebhookDeliveryState {
        self.row.state.into()
    }

    /// Why it was not delivered.
    async fn problem(&self) -> Option<&str> {
        self.row.problem.as_deref()
    }

    /// When it happened.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it came to its end.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.row.finished_at
    }

    /// When it is tried next; null when it has come to its end, or is being sent.
    async fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        let waits = self.row.state == values::DeliveryState::Waiting && self.row.lease_owner.is_none();
        let at = if self.row.due_ms == 0 { Some(self.row.created_at) } else { None };
        at.or_else(|| DateTime::from_timestamp_millis(self.row.due_ms)).filter(|_| waits)
    }

    /// Every attempt that has come to its end, the oldest first.
    async fn attempts(&self) -> Vec<WebhookAttempt> {
        let attempt = |row: &delivery_attempt::Model| WebhookAttempt {
            at: row.at,
            duration_ms: row.duration_ms,
            status_code: row.status_code,
            answer: row.answer.clone(),
        };
        self.attempts.iter().map(attempt).collect()
    }
}

/// An attempt to deliver.
#[derive(SimpleObject)]
pub(in crate::graphql) struct WebhookAttempt {
    /// When it began.
    at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    duration_ms: i32,
    /// The HTTP status that was answered; null where there was no answer.
    status_code: Option<i32>,
    /// The beginning of the answer, or why there was none.
    answer: String,
}

/// What somebody is told of a project by mail.
#[derive(SimpleObject)]
pub(in crate::graphql) struct Notifications {
    /// The events, such as `deployment.failed`.
    events: Vec<String>,
    /// Whether they are told when a deployment fails that they have started.
    own_failures: bool,
}

impl Notifications {
    /// What was chosen, or what holds for whoever has not chosen.
    pub(in crate::graphql) fn of(row: Option<subscription::Model>) -> Self {
        row.map_or_else(
            || Self { events: Vec::new(), own_failures: true },
            |row| Self { events: words(&row.events), own_failures: row.own_failures },
        )
    }
}

/// What the viewer is told of a project by mail.
pub(super) async fn notifications(ctx: &Context<'_>, project: ProjectId) -> Result<Notifications> {
    let permit = op(ctx).permit::<cap::ProjectView>(project).await?;
    let row = store::subscription::get(op(ctx).store(), &permit, op(ctx).user()?).await?;
    Ok(Notifications::of(row))
}

fn words(list: &serde_json::Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}
