//! Roles for emergencies: approved beforehand by somebody who could give them, activated by their holder with a reason and
//! for a while, told to those who manage access, and over by themselves.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use entities::binding;
use entities::eligible_role::Model;
use entities::ids::{BindingId, EligibleRoleId, UserId};

use super::change::place;
use super::grant::{beyond, describe};
use super::rails::Rail;
use super::standing::Affected;
use super::{Subject, role};
use crate::authz::{self, Capability, Packs, Scope, cap, explain};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::service::notice;
use crate::store::{self, Write, eligible_role, facts, population};
use crate::sys::{clock, ids};

/// The longest time that may be approved: a week.
pub const LONGEST_SECONDS: i32 = 7 * 24 * 3600;

/// A new eligible role.
#[derive(Debug, Clone)]
pub struct Create {
    /// Who may activate it.
    pub subject: Subject,
    /// The role, by its full name or id.
    pub role: String,
    /// Where.
    pub scope: Scope,
    /// The longest time that one activation lasts.
    pub max_seconds: i32,
}

/// An activation.
#[derive(Debug, Clone)]
pub struct Activate {
    /// What.
    pub id: EligibleRoleId,
    /// Why.
    pub reason: String,
    /// For how long; as long as is approved, if it is not said.
    pub seconds: Option<i32>,
}

/// Approves a role beforehand. It is weighed as if it were given now.
///
/// # Errors
/// As for giving the role; `InvalidInput` for a time that cannot be.
pub async fn create(op: &Op, input: Create) -> Result<Model> {
    if !(60..=LONGEST_SECONDS).contains(&input.max_seconds) {
        let text = format!("`maxSeconds` has to be from 60 to {LONGEST_SECONDS}");
        return Err(Error::invalid("maxSeconds", "out_of_range", text));
    }
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.create_eligible_role", input.scope).await?;
    let packs = store::role::packs(&write).await?;
    let index = role::find(&write, &packs, &input.role, input.scope).await?;
    match input.subject {
        Subject::User(id) => {
            store::user::find(&write, id).await?.ok_or_else(|| Error::not_found("user"))?;
        }
        Subject::Team(id) => {
            op.permit_in::<cap::TeamView>(&mut write, id).await?;
        }
    }
    if let Some(Rail::Beyond { missing, .. }) = beyond(op, &write, &packs, index.into(), input.scope).await?
        && let Some((capability, _)) = missing.into_iter().next()
    {
        write.refuse(op.store()).await?;
        return Err(Error::Forbidden { capability, resource: crate::op::scope_name(input.scope) });
    }
    let (subject_kind, subject_id) = input.subject.columns();
    let row = Model {
        id: ids::new::<EligibleRoleId>(),
        subject_kind,
        subject_id,
        role: packs.key(index).to_owned(),
        scope_kind: facts::scope_kind(input.scope),
        scope_id: input.scope.uuid(),
        max_seconds: input.max_seconds,
        created_by: op.user()?,
        created_at: clock::now(),
    };
    let row = eligible_role::create(&mut write, &permit, row).await?;
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "role": packs.name(index.into()), "maxSeconds": row.max_seconds });
    write.commit().await?;
    Ok(row)
}

/// Takes an approval back; what is active goes on until its end, or until it is revoked.
///
/// # Errors
/// `Forbidden`, `NotFound` by `access.manage` where it would be bound.
pub async fn delete(op: &Op, id: EligibleRoleId) -> Result<()> {
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.delete_eligible_role", id).await?;
    eligible_role::delete(&mut write, &permit, id).await?;
    write.commit().await
}

pub(super) async fn affected(op: &Op, write: &Write, id: EligibleRoleId) -> Result<Affected> {
    let user = op.user()?;
    let row = eligible_role::of_holder(write, user, id).await?;
    let scope = facts::scope(row.scope_kind, row.scope_id);
    Ok(Affected { users: BTreeSet::from([user]), scopes: population::landing(write, &[scope]).await? })
}

pub(super) async fn activate(op: &Op, write: &mut Write, input: Activate) -> Result<binding::Model> {
    // What it gives is the holder's everywhere, and so more than a narrowed key carries.
    let user = op.oneself()?;
    write.entry().subject = Some(input.id.to_string());
    let eligible = eligible_role::of_holder(write, user, input.id).await?;
    let scope = facts::scope(eligible.scope_kind, eligible.scope_id);
    place(write, scope).await?;
    let seconds = input.seconds.unwrap_or(eligible.max_seconds);
    if !(60..=eligible.max_seconds).contains(&seconds) {
        let text = format!("`durationSeconds` has to be from 60 to {}", eligible.max_seconds);
        return Err(Error::invalid("durationSeconds", "out_of_range", text));
    }
    let until = clock::now() + TimeDelta::seconds(seconds.into());
    let row = store::binding::activate(write, user, &eligible, &input.reason, until).await?;
    let packs = store::role::packs(write).await?;
    write.entry().details = describe(&packs, &row);
    announce(op, write, &packs, scope, &row).await?;
    Ok(row)
}

pub(super) async fn affected_by_end(op: &Op, write: &Write, id: BindingId) -> Result<Affected> {
    let row = eligible_role::activation(write, op.user()?, id).await?;
    super::grant::affected_by(write, &[row]).await
}

/// Ends an activation early, by whoever activated it.
pub(super) async fn end(op: &Op, write: &mut Write, id: BindingId) -> Result<binding::Model> {
    let row = eligible_role::activation(write, op.oneself()?, id).await?;
    write.entry().subject = Some(id.to_string());
    let scope = facts::scope(row.scope_kind, row.scope_id);
    place(write, scope).await?;
    store::binding::end_activation(write, &row).await?;
    let packs = store::role::packs(write).await?;
    write.entry().details = describe(&packs, &row);
    Ok(row)
}

/// Tells those who manage access on the scope.
async fn announce(op: &Op, write: &mut Write, packs: &Packs, scope: Scope, row: &binding::Model) -> Result<()> {
    let owners = managers(write, packs, scope).await?;
    let who = store::user::find(write, op.user()?).await?.map_or_else(String::new, |user| user.email);
    let path = store::path::of_scopes(write, &[scope]).await?.into_iter().next().map(|(_, path)| path);
    let place = path.unwrap_or_else(|| crate::op::scope_name(scope));
    let grant = row.role.as_deref().and_then(|key| packs.role(key));
    let name = grant.map_or("", |index| packs.name(authz::Grant::Role(index)));
    let subject = format!("{who} activated {name} on {place}");
    let until = row.not_after.map(|until| until.to_rfc3339()).unwrap_or_default();
    let reason = row.reason.as_deref().unwrap_or_default();
    let body = format!("Reason: {reason}\nUntil: {until}\nBinding: {}\nRevoke the binding to end it now.", row.id);
    notice::tell(write, owners, &subject, &body).await
}

/// Who manages the access on a scope.
async fn managers(write: &Write, packs: &Packs, scope: Scope) -> Result<Vec<UserId>> {
    let people = population::candidates(write, packs, scope).await?;
    let now = clock::now().timestamp_millis();
    let people = population::facts_of(write, packs, &people, &BTreeSet::from([scope]), now).await?;
    let manages = |facts| explain(facts, packs, Capability::AccessManage, scope).allowed;
    Ok(people.iter().filter(|(_, facts)| manages(facts)).map(|(user, _)| *user).collect())
}
