//! Keys, which stand for their holder or for less. A key for oneself is made in a session. A key of a service account lets
//! whoever has it act as the account, so its maker has to hold everything that the account holds.

use chrono::{DateTime, TimeDelta, Utc};

use entities::api_key::Model;
use entities::ids::{ApiKeyId, Id, UserId};
use entities::values::SubjectKind;

use super::App;
use crate::authn::opaque::KeySecret;
use crate::authz::{Capability, Mask, Narrowing, Scope, cap, missing_to_join};
use crate::error::{Error, Result};
use crate::op::{Actor, Op, Target, scope_name};
use crate::store::{self, Write, api_key, facts};
use crate::sys::{clock, ids};

/// A new key.
pub struct Create {
    /// What people call it.
    pub name: String,
    /// What it carries at most; everything of its holder's when nothing is said.
    pub capabilities: Option<Vec<Capability>>,
    /// The scope on and below which it counts; everywhere when none is said.
    pub scope: Option<Scope>,
    /// Until when it counts.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key and its secret, which is shown once.
pub struct Made {
    /// The key.
    pub row: Model,
    /// What is sent with every request.
    pub secret: String,
}

/// Makes a key of the actor's own.
///
/// # Errors
/// `Unauthenticated`; `FailedPrecondition` by a key; `NotFound` for a scope that the actor may not view.
pub async fn create_own(op: &Op, input: Create) -> Result<Made> {
    let (user, _) = op.session()?;
    check(op, &input).await?;
    let mut write = op.write("api_key.create").await?;
    let (row, secret) = row(user, user, &input)?;
    let row = api_key::create_own(&mut write, row).await?;
    finish(write, row, secret).await
}

/// Makes a key of a service account.
///
/// # Errors
/// As [`create_own`]; `Forbidden`, `NotFound` by `service_account.manage`; `Forbidden` by the first capability that the account
/// holds and the actor does not.
pub async fn create_for(op: &Op, account: UserId, input: Create) -> Result<Made> {
    let (user, _) = op.session()?;
    check(op, &input).await?;
    let target = Target::ServiceAccount(account);
    let (mut write, permit) = op.change::<cap::ServiceAccountManage>("api_key.create", target).await?;
    if let Some(capability) = beyond(op, &write, account).await? {
        write.refuse(op.store()).await?;
        return Err(Error::Forbidden { capability, resource: scope_name(permit.scope()) });
    }
    let (row, secret) = row(account, user, &input)?;
    let row = api_key::create(&mut write, &permit, row).await?;
    finish(write, row, secret).await
}

/// Ends a key: one's own, or one of a service account.
///
/// # Errors
/// `FailedPrecondition` by a key; `NotFound` when it is neither.
pub async fn revoke(op: &Op, id: ApiKeyId) -> Result<()> {
    let (user, _) = op.session()?;
    let gone = || Error::not_found("key");
    let row = api_key::find(op.store(), id).await?;
    let own = row.as_ref().is_some_and(|row| row.user_id == user);
    let mut write = if own {
        let mut write = op.write("api_key.revoke").await?;
        api_key::revoke_own(&mut write, id).await?;
        write
    } else {
        let (mut write, permit) = op.change::<cap::ServiceAccountManage>("api_key.revoke", id).await?;
        let holder = row.as_ref().map(|row| row.user_id).ok_or_else(gone)?;
        api_key::revoke(&mut write, &permit, holder, id).await?;
        write
    };
    let row = row.ok_or_else(gone)?;
    write.entry().subject = Some(id.to_string());
    write.entry().details = serde_json::json!({ "name": row.name, "holder": row.user_id.to_string() });
    write.commit().await
}

/// Whether a text claims to be a key.
pub fn is_meant_by(text: &str) -> bool {
    KeySecret::is_meant_by(text)
}

/// Who a key speaks for, and how much of what they hold. It is looked up every time, so that revoking counts at once; what is
/// wrong with a key that is not good is not told.
///
/// # Errors
/// `Unauthenticated` when the key is not good.
pub async fn authenticate(app: &App, text: &str) -> Result<Actor> {
    let refused = || Error::Unauthenticated("the key is not valid".to_owned());
    let secret = KeySecret::parse(text).ok_or_else(refused)?;
    let now = clock::now();
    let row = api_key::live(&app.store, &secret.hash(), now).await?;
    let row = row.filter(|row| secret.matches(&row.hash)).ok_or_else(refused)?;
    if row.last_used_at.is_none_or(|last| last <= now - TimeDelta::minutes(1)) {
        api_key::note_use(&app.store, row.id, now).await?;
    }
    Ok(Actor::Key { id: row.user_id, key: row.id, narrowing: narrowing(&row)? })
}

/// What a key carries at most; everything when there is none.
fn narrowing(row: &Model) -> Result<Option<Narrowing>> {
    let scope = api_key::scope(row);
    let carried = capabilities(row)?;
    if carried.is_none() && scope.is_none() {
        return Ok(None);
    }
    let mask = carried.map_or(Mask::ALL, |names| names.iter().filter_map(|name| Capability::parse(name)).collect());
    Ok(Some(Narrowing { capabilities: mask, scope }))
}

/// The names of what a key carries at most; none when that is everything.
///
/// # Errors
/// `Internal` when the row is damaged.
pub fn capabilities(row: &Model) -> Result<Option<Vec<String>>> {
    let read = row.capabilities.clone().map(serde_json::from_value).transpose();
    read.map_err(|e| Error::Internal(format!("the capabilities of key {}: {e}", row.id)))
}

async fn check(op: &Op, input: &Create) -> Result<()> {
    if input.expires_at.is_some_and(|at| at <= clock::now()) {
        return Err(Error::invalid("expiresAt", "too_early", "`expiresAt` has to be later than now"));
    }
    if input.capabilities.as_ref().is_some_and(Vec::is_empty) {
        let text = "name at least one capability, or leave `capabilities` out";
        return Err(Error::invalid("capabilities", "empty", text));
    }
    let Some(scope) = input.scope else { return Ok(()) };
    let held = op.masks(&[scope]).await?;
    let seen = held.get(&scope).is_some_and(|mask| mask.contains(scope.view()));
    if seen { Ok(()) } else { Err(Error::not_found(scope.level().name())) }
}

/// The first capability that the account holds, now or later or by what it may activate, and the actor does not (rule 8).
async fn beyond(op: &Op, write: &Write, account: UserId) -> Result<Option<Capability>> {
    let packs = store::role::packs(write).await?;
    let bindings = facts::open_to(write, &packs, SubjectKind::User, account.uuid()).await?;
    let scopes: Vec<Scope> = bindings.iter().map(|binding| binding.scope).collect();
    let facts = op.facts_about_gifts(write, &packs, &scopes).await?;
    Ok(missing_to_join(&facts, &packs, &bindings).first().map(|(capability, _)| *capability))
}

fn row(holder: UserId, maker: UserId, input: &Create) -> Result<(Model, KeySecret)> {
    let secret = KeySecret::generate();
    let names = input.capabilities.as_ref().map(|list| list.iter().map(|each| each.name()).collect::<Vec<_>>());
    let scope = input.scope.filter(|scope| *scope != Scope::Console);
    let row = Model {
        id: ids::new::<ApiKeyId>(),
        user_id: holder,
        name: input.name.clone(),
        hash: secret.hash(),
        capabilities: names.map(serde_json::to_value).transpose().map_err(|e| Error::Internal(e.to_string()))?,
        scope_kind: scope.map(facts::scope_kind),
        scope_id: scope.map(Scope::uuid),
        created_by: maker,
        created_at: clock::now(),
        expires_at: input.expires_at,
        last_used_at: None,
    };
    Ok((row, secret))
}

async fn finish(mut write: Write, row: Model, secret: KeySecret) -> Result<Made> {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({
        "name": row.name,
        "holder": row.user_id.to_string(),
        "capabilities": row.capabilities,
        "scope": api_key::scope(&row).map(scope_name),
        "expiresAt": row.expires_at,
    });
    write.commit().await?;
    Ok(Made { row, secret: secret.reveal().to_owned() })
}
