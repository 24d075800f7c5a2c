//! Entries of the audit log.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object};
use chrono::{DateTime, Utc};

use entities::audit_entry::Model;
use entities::ids::AuditEntryId;
use entities::values;

use super::User;
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::service::{audit, resolve};
use crate::store;

/// How an attempt ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::AuditOutcome")]
pub(in crate::graphql) enum AuditOutcome {
    /// It was done.
    Allowed,
    /// It was refused.
    Refused,
}

/// Which entries are wanted: those to which everything applies that is given.
#[derive(InputObject, Default)]
pub(in crate::graphql) struct AuditFilter {
    /// By this user: an e-mail address or an id.
    actor: Option<String>,
    /// About this operation, e.g. `access.grant`, or about all that begin so, e.g. `access.`.
    operation: Option<String>,
    /// That ended so.
    outcome: Option<AuditOutcome>,
    /// That concern the object with this id.
    subject: Option<ID>,
    /// From then on.
    since: Option<DateTime<Utc>>,
    /// Before then.
    until: Option<DateTime<Utc>>,
    /// That came with this request.
    request_id: Option<String>,
}

/// An attempt to change something: who, what, and what allowed or refused it. Entries are never changed or removed.
pub(in crate::graphql) struct AuditEntry(pub(in crate::graphql) Model);

/// An attempt to change something: who, what, and what allowed or refused it. Entries are never changed or removed.
#[Object]
impl AuditEntry {
    /// Global id; a later entry has a greater one.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who; none for nobody signed in, for the system itself, and for an account that is gone.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let Some(id) = self.0.actor_id else { return Ok(None) };
        Ok(loaders(ctx).users.one(id).await?.map(|row| User((*row).clone())))
    }

    /// Id of who it was, also when the account is gone.
    async fn actor_id(&self) -> Option<ID> {
        self.0.actor_id.map(|id| ID(id.to_string()))
    }

    /// What was attempted, e.g. `access.grant`.
    async fn operation(&self) -> &str {
        &self.0.operation
    }

    /// How it ended.
    async fn outcome(&self) -> AuditOutcome {
        self.0.outcome.into()
    }

    /// Id of the scope that it concerns, also when that is gone; `console` for the whole console.
    async fn scope(&self) -> ID {
        ID(scope_name(store::facts::scope(self.0.scope_kind, self.0.scope_id)))
    }

    /// Id of the object that it concerns.
    async fn subject(&self) -> Option<ID> {
        self.0.subject.clone().map(ID)
    }

    /// The policy epoch that the decision saw: how often anybody's authority had changed by then.
    async fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// Id of the request, or of the action, that it came with.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Ids of the role bindings that allowed it, the nearest first. None for what was refused, and for what takes no
    /// capability, such as signing in.
    async fn bindings(&self) -> Vec<ID> {
        audit::bindings(&self.0).into_iter().map(ID).collect()
    }

    /// What else was kept. Of what was refused for a capability: `capability`, `reason` as `accessDecision` says it, and
    /// `binding`, the nearest that does not give it. Never a secret.
    async fn details(&self) -> Json<serde_json::Value> {
        Json(self.0.details.clone())
    }
}

type Arguments = (Option<i32>, Option<String>, Option<i32>, Option<String>);

/// The log of a scope, for those who hold `audit.view` there.
pub(in crate::graphql) async fn log(
    ctx: &Context<'_>,
    scope: &str,
    (first, after, last, before): Arguments,
    filter: AuditFilter,
) -> Result<Listed<AuditEntry>> {
    let page = page::<AuditEntryId>(first, after, last, before, true)?;
    let wanted = audit::Wanted {
        actor: filter.actor,
        operation: filter.operation,
        outcome: filter.outcome.map(Into::into),
        subject: filter.subject.map(|id| id.0),
        since: filter.since,
        until: filter.until,
        request_id: filter.request_id,
    };
    let op = op(ctx);
    let scope = resolve::scope(op, scope).await?;
    let rows = audit::open(op, scope).await?.page(op, &wanted.parse()?, &page).await?;
    Ok(connection(rows, |row| row.id, AuditEntry))
}
