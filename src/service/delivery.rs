//! Sending what others are told of. Whoever it is sent for, the one who answers for a webhook or the one a mail is for, has to
//! be allowed to see it in that moment. What fails is tried again for about a day, and then kept for people to look at.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use entities::delivery::Model;
use entities::ids::{UserId, WebhookId};
use entities::values::{DeliveryState, EventKind};
use entities::webhook;

use super::{App, letter, notice, vault};
use crate::audit::Entry;
use crate::authn::signing::SigningSecret;
use crate::authz::cap;
use crate::error::{Error, Result};
use crate::mail::Letter;
use crate::op::{Actor, Op};
use crate::post::{self, Answer, Endpoint};
use crate::store::delivery::{Attempt, Next};
use crate::store::{self, facts};
use crate::sys::{clock, crash, random};

/// Attempts, after which a delivery is dead.
pub const MOST_ATTEMPTS: i32 = 8;
/// Each pause is so many times as long as the one before.
const LONGER: f64 = 4.2;
/// Deliveries that die one after the other until a webhook is switched off.
const MOST_DEAD: i32 = 10;
/// What the status means by which a receiver says that it wants nothing more.
const GONE: u16 = 410;
/// What has come to its end is kept for so long.
const KEPT: TimeDelta = TimeDelta::days(30);

/// What came of an attempt.
enum Outcome {
    /// It was taken.
    Taken(Answer),
    /// It was not; whether it never will be.
    Refused { status: Option<u16>, why: String, for_ever: bool },
    /// Nothing was sent, nor will be.
    Unsent(DeliveryState, &'static str),
}

/// Until when nobody else sends what was claimed.
#[must_use]
pub fn lease(app: &App) -> Duration {
    // DNS and a mail server have limits of their own.
    Duration::from_secs(app.config.outbox.timeout_seconds) + Duration::from_secs(60)
}

/// Sends what was claimed, once, and keeps what came of it.
///
/// # Errors
/// `Conflict` when somebody else sends it by now; `Unavailable` when the database does not answer. It is sent again then.
pub async fn send(app: &App, row: &Model) -> Result<()> {
    crash::point("delivery.claimed");
    let (at, begun) = (clock::now(), clock::instant());
    let webhook = match row.webhook_id {
        Some(id) => store::webhook::find(&app.store, id).await?,
        None => None,
    };
    let outcome = match &webhook {
        Some(webhook) => to_webhook(app, row, webhook).await?,
        None if row.webhook_id.is_some() => return Ok(()),
        None => by_mail(app, row).await?,
    };
    crash::point("delivery.sent");
    let duration_ms = i32::try_from(begun.elapsed().as_millis()).unwrap_or(i32::MAX);
    let attempt = |status: Option<u16>, answer: String| {
        Some(Attempt { at, duration_ms, status_code: status.map(i32::from), answer })
    };
    let (attempt, next, gone) = match outcome {
        Outcome::Taken(answer) => {
            let status = Some(answer.status).filter(|status| *status != 0);
            (attempt(status, answer.text), Next::End(DeliveryState::Delivered, None), false)
        }
        Outcome::Refused { status, why, for_ever } => {
            let last = for_ever || row.event == EventKind::Ping || row.attempts >= MOST_ATTEMPTS;
            let next = if last {
                let problem = status.map_or_else(|| why.clone(), |status| format!("the answer was {status}"));
                Next::End(DeliveryState::Dead, Some(problem))
            } else {
                Next::Again(clock::now() + pause(app.config.outbox.retry_seconds, row.attempts))
            };
            (attempt(status, why), next, status == Some(GONE))
        }
        Outcome::Unsent(state, why) => (None, Next::End(state, Some(why.to_owned())), false),
    };
    let sent = attempt.is_some();
    let ended = if let Next::End(state, _) = &next { Some(*state) } else { None };
    store::delivery::settle(&app.store, row, attempt, next).await?;
    match (webhook, ended) {
        (Some(webhook), Some(state)) if sent && row.event != EventKind::Ping => count(app, &webhook, state, gone).await,
        _ => Ok(()),
    }
}

/// How long until the next attempt, a fifth more or less, so that what failed together does not come back together.
fn pause(first: f64, attempts: i32) -> TimeDelta {
    let share = f64::from(u16::from_be_bytes(random::bytes())) / f64::from(u16::MAX);
    let seconds = first * LONGER.powi(attempts.max(1) - 1) * (0.8 + 0.4 * share);
    TimeDelta::from_std(Duration::from_secs_f64(seconds.clamp(0.0, 1e6))).unwrap_or(TimeDelta::days(1))
}

/// Whether somebody may see what is told, in this moment.
async fn may_know(app: &App, user: UserId, row: &Model) -> Result<bool> {
    let Some(environment) = row.environment_id else { return Ok(true) };
    let actor = Actor::Arranged { id: user };
    let op = Op::new(actor, row.id.to_string(), app.store.counting(), app.standings.clone());
    let judged = async {
        op.permit::<cap::EnvironmentView>(environment).await?;
        if matches!(row.event, EventKind::DomainVerified | EventKind::DomainLost) {
            op.permit::<cap::DomainView>(environment).await.map(|_| ())
        } else {
            op.permit::<cap::DeploymentView>(environment).await.map(|_| ())
        }
    };
    match judged.await {
        Ok(()) => Ok(true),
        Err(Error::Forbidden { .. } | Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn to_webhook(app: &App, row: &Model, webhook: &webhook::Model) -> Result<Outcome> {
    if !webhook.active {
        return Ok(Outcome::Unsent(DeliveryState::Dead, "the webhook was switched off"));
    }
    if !may_know(app, webhook.acts_as, row).await? {
        let why = "whoever answers for the webhook may not see this any more";
        return Ok(Outcome::Unsent(DeliveryState::Withheld, why));
    }
    let refused = |why: String| Ok(Outcome::Refused { status: None, why, for_ever: false });
    let outbox = &app.config.outbox;
    let endpoint = match Endpoint::parse(&webhook.url, outbox.private_addresses) {
        Ok(endpoint) => endpoint,
        // What was allowed when it was made may not be any more.
        Err(problem) => return refused(problem.message),
    };
    let found: Result<Vec<IpAddr>, String> = match endpoint.literal() {
        Some(address) => Ok(vec![address]),
        None => app.dns.reach(endpoint.host()).await,
    };
    let way = match found.and_then(|found| endpoint.reachable(found, outbox.private_addresses)) {
        Ok(way) => way,
        Err(why) => return refused(why),
    };
    let body = body(app, row);
    let timestamp = clock::now().timestamp();
    let headers = [
        ("webhook-id", row.event_id.to_string()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures(app, webhook, row, timestamp, &body)?),
    ];
    match post::send(&endpoint, way, &headers, body, Duration::from_secs(outbox.timeout_seconds)).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(Outcome::Taken(answer)),
        Ok(Answer { status, text }) => {
            Ok(Outcome::Refused { status: Some(status), why: text, for_ever: status == GONE })
        }
        Err(why) => refused(why),
    }
}

/// What a webhook is sent.
fn body(app: &App, row: &Model) -> Vec<u8> {
    let document = json!({
        "id": row.event_id.to_string(),
        "type": row.event.word(),
        "version": 1,
        "timestamp": row.created_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "data": data(app, row),
    });
    document.to_string().into_bytes()
}

/// What happened, with links as they are now.
pub(super) fn data(app: &App, row: &Model) -> Value {
    let mut data = row.content.clone();
    let path = data["environment"]["path"].as_str().map(str::to_owned);
    let number = data["deployment"]["number"].as_i64().and_then(|number| i32::try_from(number).ok());
    if let (Some(path), Some(data)) = (path, data.as_object_mut()) {
        let mut links = json!({ "environment": app.config.link(&path, None) });
        if number.is_some() {
            links["deployment"] = json!(app.config.link(&path, number));
        }
        data.insert("links".to_owned(), links);
    }
    data
}

/// By the secret, and for a while by the one before as well.
fn signatures(app: &App, webhook: &webhook::Model, row: &Model, timestamp: i64, body: &[u8]) -> Result<String> {
    let purpose = vault::of_webhook(webhook.id);
    let before = webhook.previous_until.is_some_and(|until| until > clock::now());
    let before = webhook.sealed_previous_secret.as_ref().filter(|_| before);
    let mut signatures = Vec::new();
    for sealed in [Some(&webhook.sealed_secret), before].into_iter().flatten() {
        let text = app.master.open(sealed, &purpose).map_err(vault::closed)?;
        let secret = String::from_utf8(text).ok().and_then(|text| SigningSecret::parse(&text));
        let secret = secret.ok_or_else(|| Error::Internal(format!("`{purpose}` is no secret")))?;
        signatures.push(secret.sign(&row.event_id.to_string(), timestamp, body));
    }
    Ok(signatures.join(" "))
}

async fn by_mail(app: &App, row: &Model) -> Result<Outcome> {
    let to = match (row.user_id, &row.recipient) {
        (Some(id), _) => {
            let known = may_know(app, id, row).await?;
            store::user::find(&app.store, id).await?.filter(|_| known).map(|user| user.email)
        }
        (None, recipient) => recipient.clone(),
    };
    let Some(to) = to else {
        return Ok(Outcome::Unsent(DeliveryState::Withheld, "whoever it is for may not see this any more"));
    };
    let (subject, text) = letter::write(app, row);
    let id = row.id.to_string();
    match app.mailer.send(&Letter { id: &id, to: &to, subject: &subject, body: &text }).await {
        Ok(text) => Ok(Outcome::Taken(Answer { status: 0, text })),
        Err(refused) => {
            tracing::warn!(delivery = id, why = refused.why, "a mail was not taken");
            Ok(Outcome::Refused { status: None, why: refused.why, for_ever: refused.for_ever })
        }
    }
}

/// Switches a webhook off that takes nothing any more, and tells whoever answers for it.
async fn count(app: &App, webhook: &webhook::Model, state: DeliveryState, gone: bool) -> Result<()> {
    let died = state == DeliveryState::Dead;
    if !died && webhook.dead_in_a_row == 0 {
        return Ok(());
    }
    let dead = store::webhook::count_dead(&app.store, webhook.id, died).await?;
    if gone {
        switch_off(app, webhook, "its receiver wants nothing more: the answer was 410").await
    } else if dead >= MOST_DEAD {
        switch_off(app, webhook, &format!("{MOST_DEAD} deliveries died one after the other")).await
    } else {
        Ok(())
    }
}

async fn switch_off(app: &App, webhook: &webhook::Model, why: &str) -> Result<()> {
    let mut write = app.store.write(Entry::new("webhook.switch_off", None, "-".to_owned())).await?;
    let scope = webhook.project_id.into();
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    if !store::webhook::switch_off(&mut write, webhook.id, why).await? {
        return Ok(());
    }
    let id: WebhookId = webhook.id;
    write.entry().subject = Some(id.to_string());
    write.entry().details = json!({ "name": webhook.name, "why": why });
    let subject = format!("the webhook `{}` is switched off", webhook.name);
    let body = format!("{why}; see what it answers, mend it, and switch it on again");
    notice::tell(&mut write, [webhook.acts_as], &subject, &body).await?;
    write.commit().await?;
    tracing::info!(webhook = %id, why, "a webhook is switched off");
    Ok(())
}

/// Forgets what came to its end long ago.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn forget(app: &App, now: DateTime<Utc>) -> Result<()> {
    let forgotten = store::delivery::forget(&app.store, now - KEPT).await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "deliveries of long ago are forgotten");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_spread_over_about_a_day() {
        let first = crate::config::Outbox::default().retry_seconds;
        let all: TimeDelta = (1..MOST_ATTEMPTS).map(|attempts| pause(first, attempts)).sum();
        assert!(all > TimeDelta::hours(19) && all < TimeDelta::hours(29), "{all}");
        let early = pause(first, 1);
        assert!(early >= TimeDelta::milliseconds(9_500) && early <= TimeDelta::milliseconds(14_500), "{early}");
    }
}
