//! Webhooks: addresses that are told of what happens in a project. Whoever makes or changes one answers for it: it is told of
//! nothing that they may not see themselves, now and whenever something is sent. That is judged by all that they are, so no
//! key does it which is narrowed to some of that.

use chrono::TimeDelta;

use entities::delivery;
use entities::ids::{DeliveryId, EnvironmentId, ProjectId, WebhookId};
use entities::values::EventKind;
use entities::webhook::Model;

use super::{App, vault};
use crate::authn::signing::SigningSecret;
use crate::authz::{Permit, cap};
use crate::domain::name::DisplayName;
use crate::domain::{Invalid, quote};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::post::Endpoint;
use crate::store::delivery::Seen;
use crate::store::{self, Write};
use crate::sys::{clock, ids};

/// So long after a rotation, deliveries are signed with the secret before as well.
const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// What a webhook is told of, and where it is.
pub struct Settings {
    /// What people call it.
    pub name: DisplayName,
    /// Where it is.
    pub url: String,
    /// The one environment that it is told of.
    pub environment_id: Option<EnvironmentId>,
    /// The events that it is told of; all of them if there are none.
    pub events: Vec<EventKind>,
}

/// What is to be changed of a webhook; the rest stays as it is.
#[derive(Default)]
pub struct Change {
    /// What people call it.
    pub name: Option<DisplayName>,
    /// Where it is.
    pub url: Option<String>,
    /// The one environment that it is told of, or all of them.
    pub environment_id: Option<Option<EnvironmentId>>,
    /// The events that it is told of; all of them if there are none.
    pub events: Option<Vec<EventKind>>,
    /// Whether anything is sent.
    pub active: Option<bool>,
}

/// A webhook and its secret, which is shown once.
pub struct Made {
    /// The webhook.
    pub row: Model,
    /// What deliveries are signed with.
    pub secret: String,
}

/// Makes a webhook.
///
/// # Errors
/// `InvalidInput` for an address to which nothing is sent; `FailedPrecondition` when there are too many, and by a key that is
/// narrowed; `Forbidden`, `NotFound` by `project.update`, and by `deployment.view` on its environment.
pub async fn create(app: &App, op: &Op, project_id: ProjectId, settings: Settings) -> Result<Made> {
    let (write, permit) = op.change::<cap::ProjectUpdate>("webhook.create", project_id).await?;
    let url = endpoint(app, &settings.url)?;
    let mut write = may_watch(op, write, settings.environment_id).await?;
    let (id, secret) = (ids::new::<WebhookId>(), SigningSecret::generate());
    let row = Model {
        id,
        project_id,
        environment_id: settings.environment_id,
        name: settings.name.as_str().to_owned(),
        url: url.as_str().to_owned(),
        events: words(&settings.events),
        sealed_secret: seal(app, id, &secret)?,
        sealed_previous_secret: None,
        previous_until: None,
        acts_as: op.oneself()?,
        active: true,
        dead_in_a_row: 0,
        problem: None,
        created_at: clock::now(),
    };
    let row = store::webhook::create(&mut write, &permit, row).await?;
    tell(&mut write, &row);
    write.commit().await?;
    Ok(Made { row, secret: secret.reveal() })
}

/// Changes a webhook and has it sent for whoever does it. One that is switched on begins anew.
///
/// # Errors
/// As [`create`].
pub async fn update(app: &App, op: &Op, id: WebhookId, change: Change) -> Result<Model> {
    let (write, permit, row) = own(op, "webhook.update", id).await?;
    let url = endpoint(app, change.url.as_ref().unwrap_or(&row.url))?;
    let environment_id = change.environment_id.unwrap_or(row.environment_id);
    let mut write = may_watch(op, write, environment_id).await?;
    let row = Model {
        name: change.name.map_or_else(|| row.name.clone(), |name| name.as_str().to_owned()),
        url: url.as_str().to_owned(),
        environment_id,
        events: change.events.map_or_else(|| row.events.clone(), |events| words(&events)),
        acts_as: op.oneself()?,
        active: change.active.unwrap_or(row.active),
        ..row
    };
    let row = store::webhook::update(&mut write, &permit, row).await?;
    tell(&mut write, &row);
    write.commit().await?;
    Ok(row)
}

/// Gives a webhook another secret; deliveries are signed with the one before as well for a day. It is sent for whoever does
/// it from now on.
///
/// # Errors
/// `Forbidden`, `NotFound` by `project.update`.
pub async fn rotate(app: &App, op: &Op, id: WebhookId) -> Result<Made> {
    let (write, permit, row) = own(op, "webhook.rotate", id).await?;
    let mut write = may_watch(op, write, row.environment_id).await?;
    let secret = SigningSecret::generate();
    let (sealed, until) = (seal(app, id, &secret)?, clock::now() + OVERLAP);
    let row = store::webhook::rotate(&mut write, &permit, &row, sealed, until, op.oneself()?).await?;
    tell(&mut write, &row);
    write.commit().await?;
    Ok(Made { row, secret: secret.reveal() })
}

/// Removes a webhook with its deliveries.
///
/// # Errors
/// `Forbidden`, `NotFound` by `project.update`.
pub async fn delete(op: &Op, id: WebhookId) -> Result<()> {
    let (mut write, permit, _) = own(op, "webhook.delete", id).await?;
    let row = store::webhook::delete(&mut write, &permit, id).await?;
    tell(&mut write, &row);
    write.commit().await
}

/// Sends a webhook something to try it, once.
///
/// # Errors
/// `FailedPrecondition` when it is switched off; `RateLimited`; `Forbidden`, `NotFound` by `project.update`.
pub async fn test(app: &App, op: &Op, id: WebhookId) -> Result<delivery::Model> {
    let (mut write, permit, row) = own(op, "webhook.test", id).await?;
    on(app, &row)?;
    let delivery = store::delivery::ping(&mut write, &permit, id).await?;
    tell(&mut write, &row);
    write.commit().await?;
    app.to_send.notify_one();
    Ok(delivery)
}

/// Has something sent once more that has come to its end, be it delivered or dead.
///
/// # Errors
/// `Conflict` when it is on its way; as [`test()`].
pub async fn resend(app: &App, op: &Op, id: DeliveryId) -> Result<delivery::Model> {
    let (mut write, permit) = op.change::<cap::ProjectUpdate>("webhook.resend", id).await?;
    let seen = seen(op).await?;
    let row = match store::delivery::get(&write, &permit, &seen, id).await {
        Ok(row) => row,
        Err(error) => {
            write.refuse(op.store()).await?;
            return Err(error);
        }
    };
    let webhook = row.webhook_id.ok_or_else(|| Error::not_found("delivery"))?;
    let webhook = store::webhook::get(&write, &permit, webhook).await?;
    on(app, &webhook)?;
    let row = store::delivery::again(&mut write, &row).await?;
    tell(&mut write, &webhook);
    write.commit().await?;
    app.to_send.notify_one();
    Ok(row)
}

/// What an actor may see of what is told.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn seen(op: &Op) -> Result<Seen> {
    Ok(Seen { deployments: op.visible().await?, domains: op.visible().await? })
}

/// The events that webhooks and people can be told of, by their words.
const EVENTS: [EventKind; 10] = [
    EventKind::DeploymentSucceeded,
    EventKind::DeploymentFailed,
    EventKind::DeploymentRolledBack,
    EventKind::DeploymentRetired,
    EventKind::DeploymentRevived,
    EventKind::DeploymentCancelled,
    EventKind::DeploymentSkipped,
    EventKind::DeploymentDeleted,
    EventKind::DomainVerified,
    EventKind::DomainLost,
];

/// The event that a word names.
///
/// # Errors
/// When it names none that one can be told of.
pub fn event(word: &str) -> Result<EventKind, Invalid> {
    EVENTS.into_iter().find(|event| event.word() == word).ok_or_else(|| {
        let known: Vec<&str> = EVENTS.iter().map(|event| event.word()).collect();
        Invalid::new("unknown", format!("{} is no event, choose of {}", quote(word), known.join(", ")))
    })
}

pub(super) fn words(events: &[EventKind]) -> serde_json::Value {
    events.iter().map(|event| serde_json::Value::from(event.word())).collect()
}

/// A webhook to change. Of one for an environment that the actor may not view they are not told.
async fn own(op: &Op, operation: &'static str, id: WebhookId) -> Result<(Write, Permit<cap::ProjectUpdate>, Model)> {
    let (mut write, permit) = op.change::<cap::ProjectUpdate>(operation, id).await?;
    let row = store::webhook::get(&write, &permit, id).await?;
    if let Some(environment) = row.environment_id
        && let Err(error) = op.permit_in::<cap::EnvironmentView>(&mut write, environment).await
    {
        write.refuse(op.store()).await?;
        return Err(match error {
            Error::NotFound { .. } | Error::Forbidden { .. } => Error::not_found("webhook"),
            other => other,
        });
    }
    Ok((write, permit, row))
}

/// Nobody has others told of what they may not see themselves.
async fn may_watch(op: &Op, mut write: Write, environment: Option<EnvironmentId>) -> Result<Write> {
    let Some(id) = environment else { return Ok(write) };
    let judged = async {
        op.permit_in::<cap::EnvironmentView>(&mut write, id).await?;
        op.permit_in::<cap::DeploymentView>(&mut write, id).await.map(|_| ())
    };
    match judged.await {
        Ok(()) => Ok(write),
        Err(error) => {
            write.refuse(op.store()).await?;
            Err(error)
        }
    }
}

/// Whether there is any use in sending, and whether that was not asked for too often.
fn on(app: &App, row: &Model) -> Result<()> {
    if !row.active {
        let message = "the webhook is switched off; switch it on first".to_owned();
        return Err(Error::FailedPrecondition { reason: "WEBHOOK_OFF", message });
    }
    app.limits.hook(&row.id.to_string())
}

fn endpoint(app: &App, url: &str) -> Result<Endpoint> {
    let parsed = Endpoint::parse(url, app.config.outbox.private_addresses);
    parsed.map_err(|problem| Error::InvalidInput(vec![problem.within("url")]))
}

fn seal(app: &App, id: WebhookId, secret: &SigningSecret) -> Result<Vec<u8>> {
    app.master.seal(secret.reveal().as_bytes(), &vault::of_webhook(id)).map_err(vault::closed)
}

/// Of the address only the host: the rest may be a secret.
fn tell(write: &mut Write, row: &Model) {
    let host = Endpoint::parse(&row.url, true).map_or_else(|_| String::new(), |it| it.host().to_owned());
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({
        "name": row.name,
        "host": host,
        "environment": row.environment_id.map(|id| id.to_string()),
        "events": row.events,
        "active": row.active,
    });
}
