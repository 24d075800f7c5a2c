//! Who holds which role where: granting and revoking. Nobody gives more than they hold, and no organization is left
//! without somebody who manages its access.

use chrono::{DateTime, Utc};

use entities::binding::Model;
use entities::ids::{BindingId, Id, TeamId, UserId};
use entities::values::SubjectKind;

use super::App;
use crate::audit::Entry;
use crate::authz::{Capability, Packs, Scope, cap, missing_to_give};
use crate::domain::email::EmailAddress;
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::op::{Op, scope_name};
use crate::store::{self, Store, Write, facts};
use crate::sys::{clock, ids};

/// Who a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One user.
    User(UserId),
    /// Every member of a team.
    Team(TeamId),
}

/// A role for somebody on a scope.
pub struct Grant {
    /// Who.
    pub subject: Subject,
    /// Full name of the role, e.g. `ownstak/editor`.
    pub role: String,
    /// Where.
    pub scope: Scope,
    /// From when it counts.
    pub not_before: Option<DateTime<Utc>>,
    /// Until when it counts.
    pub not_after: Option<DateTime<Utc>>,
}

/// Gives a role.
///
/// # Errors
/// `Forbidden` by `access.manage`, and by the first capability that the role would give and the actor does not hold;
/// `NotFound`; `InvalidInput` for a role that no pack knows.
pub async fn grant(app: &App, op: &Op, input: Grant) -> Result<Model> {
    let unknown = || {
        let known: Vec<&str> = app.packs.roles().map(|(_, name)| name).collect();
        let text = format!("there is no role {}; there are {}", quote(&input.role), known.join(", "));
        Error::invalid("role", "unknown", text)
    };
    let role = app.packs.role(&input.role).ok_or_else(unknown)?;
    if input.not_before.zip(input.not_after).is_some_and(|(from, until)| from >= until) {
        return Err(Error::invalid("notAfter", "too_early", "`notAfter` has to be later than `notBefore`"));
    }
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.grant", input.scope).await?;
    let (subject_kind, subject_id) = match input.subject {
        Subject::User(id) => {
            store::user::find(&write, id).await?.ok_or_else(|| Error::not_found("user"))?;
            (SubjectKind::User, id.uuid())
        }
        Subject::Team(id) => {
            op.permit::<cap::TeamView>(id).await?;
            (SubjectKind::Team, id.uuid())
        }
    };
    let facts = op.facts_in(&write, input.scope).await?;
    if let Some((capability, _)) = missing_to_give(&facts, &app.packs, role, input.scope).into_iter().next() {
        let lacking = capability.name();
        write.entry().details =
            serde_json::json!({ "role": input.role, "capability": lacking, "reason": "GRANTS_MORE_THAN_HELD" });
        write.refuse(op.store()).await?;
        return Err(Error::Forbidden { capability, resource: scope_name(input.scope) });
    }
    let row = Model {
        id: ids::new::<BindingId>(),
        subject_kind,
        subject_id,
        role: Some(input.role),
        capability: None,
        scope_kind: facts::scope_kind(input.scope),
        scope_id: input.scope.uuid(),
        on_behalf_of: None,
        not_before: input.not_before,
        not_after: input.not_after,
        reason: None,
        eligible_role_id: None,
        created_by: Some(op.user()?),
        created_at: clock::now(),
    };
    let row = store::binding::create(&mut write, &permit, row).await?;
    write.entry().details = serde_json::json!({ "binding": row.id.to_string(), "role": row.role });
    write.commit().await?;
    Ok(row)
}

/// Takes a role away.
///
/// # Errors
/// `Forbidden`, `NotFound` by `access.manage` where the binding sits; `FailedPrecondition` when nobody would be left who
/// manages the access of the organization.
pub async fn revoke(op: &Op, id: BindingId) -> Result<Model> {
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.revoke", id).await?;
    let row = store::binding::get(&write, &permit, id).await?;
    store::binding::delete(&mut write, &permit, id).await?;
    let scope = permit.scope();
    if matches!(scope, Scope::Organization(_)) && !somebody_manages(op, &write, scope).await? {
        return Err(Error::FailedPrecondition {
            reason: "LAST_ACCESS_MANAGER",
            message:
                "nobody would be left who manages the access of this organization; give somebody else the role first"
                    .to_owned(),
        });
    }
    write.entry().details = serde_json::json!({ "role": row.role, "subject": row.subject_id.to_string() });
    write.commit().await?;
    Ok(row)
}

/// Whether anybody who is bound at the scope holds `access.manage` there, as the program decides it.
async fn somebody_manages(op: &Op, write: &Write, scope: Scope) -> Result<bool> {
    let mut candidates = Vec::new();
    for row in store::binding::at(write, scope).await? {
        match row.subject_kind {
            SubjectKind::User => candidates.push(UserId(row.subject_id)),
            SubjectKind::Team => candidates.extend(store::team::members(write, TeamId(row.subject_id)).await?),
        }
    }
    for user in candidates {
        if op.holds_in(write, user, Capability::AccessManage, scope).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives somebody a role on the console, for whoever has the database in hand: how the first administrator comes to be.
///
/// # Errors
/// `NotFound` for an address without an account, `InvalidInput` for a role that no pack knows.
pub async fn bootstrap(store: &Store, packs: &Packs, email: &EmailAddress, role: &str, entry: Entry) -> Result<()> {
    if packs.role(role).is_none() {
        return Err(Error::invalid("role", "unknown", format!("there is no role {}", quote(role))));
    }
    let user = store::user::find_by_email(store, email).await?;
    let user = user.ok_or_else(|| Error::not_found(format!("account with the address {}", quote(email.as_str()))))?;
    let mut write = store.write_access(entry).await?;
    write.entry().subject = Some(user.id.to_string());
    write.entry().details = serde_json::json!({ "role": role });
    store::binding::create_for_maker(&mut write, user.id, role, Scope::Console).await?;
    write.commit().await
}
