//! The audit log as JSON lines, for whoever keeps it elsewhere. It is read page by page while it is sent, and whether the
//! actor may read it is asked for each page: an export that began may not outlive the right to it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};
use serde::{Deserialize, Serialize};

use entities::audit_entry::Model;
use entities::ids::{AuditEntryId, Id, UserId};
use entities::user;
use entities::values::AuditOutcome;

use super::{answer, request};
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::op::{Actor, Op, scope_name};
use crate::service::audit::{self, Wanted};
use crate::service::{App, resolve};
use crate::store::audit::Filter;
use crate::store::page::Page;
use crate::store::{self, facts};

/// Entries that are in memory at once.
const PAGE: u64 = 500;

/// What can be asked for; all but the scope may be left out.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Query {
    scope: Option<String>,
    after: Option<String>,
    actor: Option<String>,
    operation: Option<String>,
    outcome: Option<String>,
    subject: Option<String>,
    since: Option<String>,
    until: Option<String>,
    request_id: Option<String>,
}

/// An entry, as GraphQL's `AuditEntry` has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: String,
    at: String,
    actor: Option<Who<'a>>,
    actor_id: Option<String>,
    operation: &'a str,
    outcome: &'static str,
    scope: String,
    subject: Option<&'a str>,
    epoch: i64,
    request_id: &'a str,
    bindings: Vec<String>,
    details: &'a serde_json::Value,
}

#[derive(Serialize)]
struct Who<'a> {
    id: String,
    email: &'a str,
    name: &'a str,
}

/// `GET /audit.jsonl?scope=…`, the oldest first.
#[handler]
pub(super) async fn export(app: Data<&Arc<App>>, request: &Request) -> Response {
    match begin(app.0.clone(), request).await {
        Ok(body) => {
            let response = body.with_content_type("application/x-ndjson");
            response.with_header("cache-control", "no-store").into_response()
        }
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

/// Everything that can be refused is refused before the first byte.
async fn begin(app: Arc<App>, request: &Request) -> Result<Body> {
    let op = request::operation(&app, request).await?;
    op.user()?;
    let query: Query = request.params().map_err(|_| {
        let known = "scope, after, actor, operation, outcome, subject, since, until and requestId";
        Error::invalid("query", "unknown", format!("a parameter is not known or stands twice; there are {known}"))
    })?;
    let scope = query.scope.clone().ok_or_else(|| {
        Error::invalid("scope", "required", "`scope` is missing: an id, a path, or `console` for everything")
    })?;
    let after = query.after.as_deref().map(cursor).transpose()?;
    let filter = query.wanted()?.parse()?;
    let log = Export { app, actor: op.actor(), request_id: request::id(request), scope, filter };
    let (first, next) = log.page(after).await?;
    let rest = stream::try_unfold((log, next), |(log, next)| async move {
        let Some(last) = next else { return Ok(None) };
        let (text, next) = log.page(Some(last)).await.map_err(|error| cut(&error))?;
        Ok(Some((text, (log, next))))
    });
    Ok(Body::from_bytes_stream(stream::once(async { Ok::<_, std::io::Error>(first) }).chain(rest)))
}

fn cursor(text: &str) -> Result<AuditEntryId> {
    let wrong = |_| Error::invalid("after", "not_an_id", format!("{} is no id of an entry", quote(text)));
    text.parse().map_err(wrong)
}

/// Nothing can be said any more but that this is not the end: the connection breaks.
fn cut(error: &Error) -> std::io::Error {
    tracing::warn!(?error, "an export of the audit log was cut off");
    std::io::Error::other("the export was cut off")
}

impl Query {
    fn wanted(self) -> Result<Wanted> {
        Ok(Wanted {
            outcome: self.outcome.as_deref().map(outcome).transpose()?,
            since: self.since.as_deref().map(|text| time("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| time("until", text)).transpose()?,
            actor: self.actor,
            operation: self.operation,
            subject: self.subject,
            request_id: self.request_id,
        })
    }
}

fn outcome(text: &str) -> Result<AuditOutcome> {
    let all = [AuditOutcome::Allowed, AuditOutcome::Refused];
    all.into_iter().find(|outcome| word(*outcome) == text).ok_or_else(|| {
        Error::invalid("outcome", "unknown", format!("{} is neither `ALLOWED` nor `REFUSED`", quote(text)))
    })
}

fn word(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Allowed => "ALLOWED",
        AuditOutcome::Refused => "REFUSED",
    }
}

fn time(field: &str, text: &str) -> Result<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|_| {
        Error::invalid(field, "not_a_time", format!("{} is no time such as `2030-12-31T18:00:00Z`", quote(text)))
    })
}

struct Export {
    app: Arc<App>,
    actor: Actor,
    request_id: String,
    scope: String,
    filter: Filter,
}

impl Export {
    /// The lines behind an entry, and where they end if there are more.
    async fn page(&self, after: Option<AuditEntryId>) -> Result<(Vec<u8>, Option<AuditEntryId>)> {
        // An operation of its own, which reads anew what the actor may do.
        let op = Op::new(self.actor, self.request_id.clone(), self.app.store.clone(), self.app.standings.clone());
        let scope = resolve::scope(&op, &self.scope).await?;
        let log = audit::open(&op, scope).await?;
        let after = after.map(Id::uuid);
        let page = Page { limit: PAGE, after, before: None, from_end: false, newest_first: false };
        let found = log.page(&op, &self.filter, &page).await?;
        let actors: Vec<UserId> = found.rows.iter().filter_map(|row| row.actor_id).collect();
        let users = store::user::by_ids(op.store(), &actors).await?;
        let users: HashMap<UserId, user::Model> = users.into_iter().map(|row| (row.id, row)).collect();
        let mut text = Vec::new();
        for row in &found.rows {
            let user = row.actor_id.and_then(|id| users.get(&id));
            serde_json::to_writer(&mut text, &line(row, user)).map_err(|e| Error::Internal(e.to_string()))?;
            text.push(b'\n');
        }
        let last = found.rows.last().map(|row| row.id);
        Ok((text, last.filter(|_| found.has_next)))
    }
}

fn line<'a>(row: &'a Model, user: Option<&'a user::Model>) -> Line<'a> {
    Line {
        id: row.id.to_string(),
        at: row.at.to_rfc3339(),
        actor: user.map(|user| Who { id: user.id.to_string(), email: &user.email, name: &user.name }),
        actor_id: row.actor_id.map(|id| id.to_string()),
        operation: &row.operation,
        outcome: word(row.outcome),
        scope: scope_name(facts::scope(row.scope_kind, row.scope_id)),
        subject: row.subject.as_deref(),
        epoch: row.epoch,
        request_id: &row.request_id,
        bindings: audit::bindings(row),
        details: &row.details,
    }
}
