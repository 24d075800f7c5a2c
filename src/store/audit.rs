//! The audit log as it is read; it is written by `Write` alone. An entry belongs where its scope lay when it was written, so
//! that what happened is still found when the scope is gone or has moved.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, LikeExpr, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use entities::audit_entry::{Column, Entity, Model};
use entities::ids::UserId;
use entities::user;
use entities::values::AuditOutcome;

use super::{Source, page};
use crate::authz::{Permit, Scope, cap};
use crate::domain::email::EmailAddress;
use crate::error::Result;

/// Which entries are wanted: those to which everything applies that is given.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this user.
    pub actor: Option<Actor>,
    /// About this.
    pub operation: Option<Operation>,
    /// That ended so.
    pub outcome: Option<AuditOutcome>,
    /// That concern the object with this id.
    pub subject: Option<String>,
    /// From then on.
    pub since: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
    /// That came with this request.
    pub request_id: Option<String>,
}

/// How a user is named whose entries are wanted. Nobody is looked up: who has no account has no entries either.
#[derive(Debug, Clone)]
pub enum Actor {
    /// By id, also one that is gone.
    Id(UserId),
    /// By e-mail address.
    Email(EmailAddress),
}

/// What was attempted.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Just this, e.g. `access.grant`.
    Exactly(String),
    /// Everything that begins so, e.g. `access.`.
    Beginning(String),
}

/// An entry's time is in its id too, where an index finds it; only nearly, since a clock can be set back: milliseconds by which
/// the two may differ.
const NEARLY: i64 = 3_600_000;

/// A page of the entries of the scope that the permit speaks for and of everything below it. Of an organization's log, a
/// project or an environment in it may be asked for alone.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::AuditView>,
    within: Scope,
    filter: &Filter,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let select = Entity::find().filter(of(permit.scope())).filter(of(within)).filter(condition(filter));
    page::read(source, select, Column::Id, page).await
}

/// On the scope or below it.
fn of(scope: Scope) -> Condition {
    let key = scope.uuid();
    match scope {
        Scope::Console => Condition::all(),
        Scope::Team(_) | Scope::Environment(_) => Condition::all().add(Column::ScopeId.eq(key)),
        Scope::Organization(_) => Condition::all().add(Column::OrganizationId.eq(key)),
        Scope::Project(_) => Condition::all().add(Column::ProjectId.eq(key)),
    }
}

fn condition(filter: &Filter) -> Condition {
    let actor = filter.actor.as_ref().map(|actor| match actor {
        Actor::Id(id) => Column::ActorId.eq(*id),
        Actor::Email(email) => Column::ActorId.in_subquery(
            Query::select()
                .column(user::Column::Id)
                .from(user::Entity)
                .and_where(user::Column::Email.eq(email.as_str()))
                .take(),
        ),
    });
    let operation = filter.operation.as_ref().map(|operation| match operation {
        Operation::Exactly(name) => Column::Operation.eq(name.as_str()),
        Operation::Beginning(name) => {
            let literal = name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            Column::Operation.like(LikeExpr::new(format!("{literal}%")).escape('\\'))
        }
    });
    Condition::all()
        .add_option(actor)
        .add_option(operation)
        .add_option(filter.outcome.map(|outcome| Column::Outcome.eq(outcome)))
        .add_option(filter.subject.as_ref().map(|subject| Column::Subject.eq(subject.as_str())))
        .add_option(filter.request_id.as_ref().map(|id| Column::RequestId.eq(id.as_str())))
        .add_option(filter.since.map(|at| Column::At.gte(at)))
        .add_option(filter.since.map(|at| Column::Id.gte(id_at(at, -NEARLY))))
        .add_option(filter.until.map(|at| Column::At.lt(at)))
        .add_option(filter.until.map(|at| Column::Id.lt(id_at(at, NEARLY))))
}

/// The smallest id of so many milliseconds after a time (RFC 9562: the first 48 bits of version 7).
fn id_at(at: DateTime<Utc>, after: i64) -> Uuid {
    let millis = at.timestamp_millis().saturating_add(after).clamp(0, (1 << 48) - 1);
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
}
