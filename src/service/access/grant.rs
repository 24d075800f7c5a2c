//! Giving and taking bindings.

use entities::binding::Model;
use entities::ids::{BindingId, Id, TeamId};
use entities::values::SubjectKind;

use super::rails::Rail;
use super::standing::Affected;
use super::{Gift, Grant, Subject, role};
use crate::authz::{self, Packs, Scope, cap, missing_to_give};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, Write, facts, population};
use crate::sys::{clock, ids};

impl Subject {
    /// The two columns.
    pub(crate) fn columns(self) -> (SubjectKind, uuid::Uuid) {
        match self {
            Self::User(id) => (SubjectKind::User, id.uuid()),
            Self::Team(id) => (SubjectKind::Team, id.uuid()),
        }
    }
}

pub(super) async fn affected_by_grant(write: &Write, input: &Grant) -> Result<Affected> {
    let users = population::people(write, [input.subject.columns()]).await?;
    Ok(Affected { users, scopes: population::landing(write, &[input.scope]).await? })
}

pub(super) async fn affected_by_revoke(write: &Write, id: BindingId) -> Result<Affected> {
    let Some(row) = store::binding::find(write, id).await? else { return Ok(Affected::default()) };
    affected_by(write, &[row]).await
}

/// Whom these bindings reach, and where.
pub(super) async fn affected_by(write: &Write, rows: &[Model]) -> Result<Affected> {
    let users = population::people(write, rows.iter().map(|row| (row.subject_kind, row.subject_id))).await?;
    let scopes: Vec<Scope> = rows.iter().map(|row| facts::scope(row.scope_kind, row.scope_id)).collect();
    Ok(Affected { users, scopes: population::landing(write, &scopes).await? })
}

pub(super) async fn grant(op: &Op, write: &mut Write, rails: &mut Vec<Rail>, input: Grant) -> Result<Model> {
    if input.not_before.zip(input.not_after).is_some_and(|(from, until)| from >= until) {
        return Err(Error::invalid("notAfter", "too_early", "`notAfter` has to be later than `notBefore`"));
    }
    let permit = op.permit_in::<cap::AccessManage>(write, input.scope).await?;
    let packs = store::role::packs(write).await?;
    let gift = resolve(write, &packs, &input).await?;
    subject_exists(op, write, &input).await?;
    let beyond = beyond(op, write, &packs, gift, input.scope).await?;
    rails.extend(beyond);
    let (role, capability) = match gift {
        authz::Grant::Role(index) => (Some(packs.key(index).to_owned()), None),
        authz::Grant::Capability(capability) => (None, Some(capability.name().to_owned())),
    };
    let (subject_kind, subject_id) = input.subject.columns();
    let row = Model {
        id: ids::new::<BindingId>(),
        subject_kind,
        subject_id,
        role,
        capability,
        scope_kind: facts::scope_kind(input.scope),
        scope_id: input.scope.uuid(),
        on_behalf_of: input.on_behalf_of,
        not_before: input.not_before,
        not_after: input.not_after,
        reason: input.reason.clone(),
        eligible_role_id: input.eligible_role,
        created_by: Some(op.user()?),
        created_at: clock::now(),
    };
    let row = store::binding::create(write, &permit, row).await?;
    tell(write, &packs, &row);
    Ok(row)
}

/// What the actor lacks to give this here (rule 8).
pub(super) async fn beyond(
    op: &Op,
    write: &Write,
    packs: &Packs,
    gift: authz::Grant,
    scope: Scope,
) -> Result<Option<Rail>> {
    let facts = op.facts_about_gift(write, packs, scope).await?;
    let missing = missing_to_give(&facts, packs, gift, scope);
    Ok((!missing.is_empty()).then(|| Rail::Beyond { gift: packs.name(gift).to_owned(), scope, missing }))
}

async fn resolve(write: &Write, packs: &Packs, input: &Grant) -> Result<authz::Grant> {
    match &input.gift {
        Gift::Role(name) => Ok(authz::Grant::Role(role::find(write, packs, name, input.scope).await?)),
        Gift::Capability(capability) => Ok(authz::Grant::Capability(*capability)),
    }
}

async fn subject_exists(op: &Op, write: &mut Write, input: &Grant) -> Result<()> {
    match input.subject {
        Subject::User(id) => {
            store::user::find(write, id).await?.ok_or_else(|| Error::not_found("user"))?;
        }
        Subject::Team(id) => {
            op.permit_in::<cap::TeamView>(write, id).await?;
        }
    }
    match (input.on_behalf_of, input.subject) {
        (None, _) => Ok(()),
        (Some(_), Subject::Team(_)) => {
            Err(Error::invalid("onBehalfOf", "not_a_user", "only what a user is given can be on behalf of a team"))
        }
        (Some(team), Subject::User(_)) => op.permit_in::<cap::TeamView>(write, team).await.map(|_| ()),
    }
}

pub(super) async fn revoke(op: &Op, write: &mut Write, id: BindingId) -> Result<Model> {
    write.entry().subject = Some(id.to_string());
    let permit = op.permit_in::<cap::AccessManage>(write, id).await?;
    let packs = store::role::packs(write).await?;
    let row = store::binding::get(write, &permit, id).await?;
    store::binding::delete(write, &permit, id).await?;
    tell(write, &packs, &row);
    Ok(row)
}

/// What an entry tells of a binding.
pub(super) fn describe(packs: &Packs, row: &Model) -> serde_json::Value {
    let subject = match row.subject_kind {
        SubjectKind::User => entities::ids::UserId(row.subject_id).to_string(),
        SubjectKind::Team => TeamId(row.subject_id).to_string(),
    };
    let role = row.role.as_deref().map(|key| packs.role(key).map_or(key, |index| packs.name(index.into())));
    serde_json::json!({
        "binding": row.id.to_string(),
        "subject": subject,
        "role": role,
        "capability": row.capability,
        "onBehalfOf": row.on_behalf_of.map(|team| team.to_string()),
        "notBefore": row.not_before,
        "notAfter": row.not_after,
        "reason": row.reason,
    })
}

fn tell(write: &mut Write, packs: &Packs, row: &Model) {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = describe(packs, row);
}
