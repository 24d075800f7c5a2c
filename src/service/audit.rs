//! Reading the audit log: who may, and what they may ask for.

use chrono::{DateTime, Datelike, Utc};

use entities::audit_entry::Model;
use entities::ids::UserId;
use entities::values::AuditOutcome;

use crate::authz::{Capability, Permit, Scope, cap};
use crate::domain::email::EmailAddress;
use crate::domain::{Invalid, quote};
use crate::error::{Error, Result};
use crate::op::{Op, scope_name};
use crate::store::audit::{self, Actor, Filter, Operation};
use crate::store::facts;
use crate::store::page::{Page, Rows};

/// Characters of a text in a filter: more than any id or name has.
const LONGEST: usize = 200;

/// A log, or the part of one, that the actor may read.
pub struct Log {
    permit: Permit<cap::AuditView>,
    within: Scope,
}

/// What is asked for, as clients write it. Entries have to fit everything that is given.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// E-mail address or id of a user.
    pub actor: Option<String>,
    /// An operation, or the beginning of some up to a dot.
    pub operation: Option<String>,
    /// How it ended.
    pub outcome: Option<AuditOutcome>,
    /// Id of an object.
    pub subject: Option<String>,
    /// From then on.
    pub since: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
    /// Id of a request.
    pub request_id: Option<String>,
}

/// The log of a scope and of everything below it. `audit.view` is judged on organizations and what is above them; a project
/// or an environment is a part of its organization's log, and takes `audit.view` there.
///
/// # Errors
/// `Forbidden`, `NotFound` by `audit.view`.
pub async fn open(op: &Op, scope: Scope) -> Result<Log> {
    let above = match scope {
        Scope::Console | Scope::Team(_) | Scope::Organization(_) => None,
        Scope::Project(_) | Scope::Environment(_) => Some(organization(op, scope).await?),
    };
    let Some(organization) = above else {
        return Ok(Log { permit: op.permit(scope).await?, within: scope });
    };
    match op.permit(organization).await {
        Ok(permit) => Ok(Log { permit, within: scope }),
        // Who may view the part is told what is missing, also when they may not view the organization.
        Err(Error::NotFound { .. } | Error::Forbidden { .. }) => {
            Err(Error::Forbidden { capability: Capability::AuditView, resource: scope_name(scope) })
        }
        Err(error) => Err(error),
    }
}

/// The organization of a project or an environment that the actor may view.
async fn organization(op: &Op, scope: Scope) -> Result<Scope> {
    let unseen = || Error::not_found(scope.level().name());
    let held = op.masks(&[scope]).await?;
    op.user()?;
    if !held.get(&scope).is_some_and(|mask| mask.contains(scope.view())) {
        return Err(unseen());
    }
    let known = facts::of_scopes(op.store(), &[scope]).await?;
    let mut above = scope;
    while !matches!(above, Scope::Organization(_)) {
        above = known.get(&above).and_then(|fact| fact.parent).ok_or_else(unseen)?;
    }
    Ok(above)
}

impl Log {
    /// A page of it.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn page(&self, op: &Op, filter: &Filter, page: &Page) -> Result<Rows<Model>> {
        audit::list(op.store(), &self.permit, self.within, filter, page).await
    }
}

/// Ids of the bindings that allowed an entry.
pub fn bindings(entry: &Model) -> Vec<String> {
    let listed = entry.bindings.as_ref().and_then(|bindings| bindings.as_array());
    listed.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

impl Wanted {
    /// Reads what clients write.
    ///
    /// # Errors
    /// `InvalidInput` with everything that is wrong with it.
    pub fn parse(self) -> Result<Filter> {
        let mut problems = Vec::new();
        let mut read = |field: &str, text: Option<String>| {
            let problem = plain(text.as_deref()?).map_err(|problem| problem.within(field));
            problem.map_err(|problem| problems.push(problem)).ok().and(text)
        };
        let actor = read("actor", self.actor);
        let operation = read("operation", self.operation);
        let subject = read("subject", self.subject);
        let request_id = read("requestId", self.request_id);
        let actor = actor.and_then(|text| user(&text).map_err(|problem| problems.push(problem.within("actor"))).ok());
        let operation = operation
            .and_then(|text| operations(text).map_err(|problem| problems.push(problem.within("operation"))).ok());
        for (field, at) in [("since", self.since), ("until", self.until)] {
            problems.extend(at.and_then(|at| imaginable(at).err()).map(|problem| problem.within(field)));
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let Self { outcome, since, until, .. } = self;
        Ok(Filter { actor, operation, outcome, subject, since, until, request_id })
    }
}

/// A text that can be in the log at all.
fn plain(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("empty", "it is empty; leave it out, or say what is wanted"));
    }
    if text.chars().count() > LONGEST {
        return Err(Invalid::new("too_long", format!("it is longer than {LONGEST} characters, and nothing here is")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("control_character", "it has a control character; leave it out"));
    }
    Ok(())
}

fn user(text: &str) -> Result<Actor, Invalid> {
    if let Ok(id) = text.parse::<UserId>() {
        return Ok(Actor::Id(id));
    }
    EmailAddress::parse(text).map(Actor::Email).map_err(|_| {
        Invalid::new("not_a_user", format!("{} is neither an e-mail address nor the id of a user", quote(text)))
    })
}

fn operations(text: String) -> Result<Operation, Invalid> {
    if text.contains(|c| !matches!(c, 'a'..='z' | '_' | '.')) {
        let text = format!(
            "{} is no operation such as `access.grant`, nor the beginning of some such as `access.`",
            quote(&text)
        );
        return Err(Invalid::new("not_an_operation", text));
    }
    Ok(if text.ends_with('.') { Operation::Beginning(text) } else { Operation::Exactly(text) })
}

/// A time that both databases can compare.
fn imaginable(at: DateTime<Utc>) -> Result<(), Invalid> {
    if (1970..=9999).contains(&at.year()) {
        return Ok(());
    }
    Err(Invalid::new("out_of_range", "the year has to be from 1970 to 9999"))
}
