//! Custom domains of an environment: claims, which anybody may make, and what DNS says of them, which alone counts. A name is
//! served for one environment at most: for the one whose proof is there. A claim of somebody else's blocks nobody, and nobody
//! learns of it who has not proved that the name is theirs.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use entities::domain::Model;
use entities::ids::{DomainId, EnvironmentId};

use super::App;
use crate::audit::Entry;
use crate::authz::{Scope, cap};
use crate::dns::Seen;
use crate::domain::custom_domain::{CustomDomain, Standing, State, in_words};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::domain::Checked;
use crate::store::{self, Write, facts};
use crate::sys::{clock, ids, random};

/// Domains of one environment.
const MOST: u64 = 100;
/// A claim that is not proved after this time is looked at less often.
const PATIENCE: TimeDelta = TimeDelta::days(7);
/// So much less often.
const LESS_OFTEN: u32 = 12;
/// What was missed is looked at again so much sooner.
const SOONER: u32 = 10;

/// A new claim.
pub struct Add {
    /// The environment that it is to lead to.
    pub environment_id: EnvironmentId,
    /// The name.
    pub name: CustomDomain,
    /// Whether plain requests are sent on to HTTPS once there is a certificate.
    pub redirect_to_https: bool,
}

/// Claims a domain. It counts for nothing until its proof is found.
///
/// # Errors
/// `Conflict` when the environment has it already; `FailedPrecondition` when it has too many; `Forbidden`, `NotFound` by
/// `domain.create`.
pub async fn add(app: &App, op: &Op, input: Add) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::DomainCreate>("domain.create", input.environment_id).await?;
    if store::domain::count(&write, &permit).await? >= MOST {
        let message = format!("an environment has at most {MOST} domains; remove one first");
        return Err(Error::FailedPrecondition { reason: "TOO_MANY_DOMAINS", message });
    }
    let now = clock::now();
    let row = Model {
        id: ids::new::<DomainId>(),
        environment_id: input.environment_id,
        name: input.name.as_str().to_owned(),
        token: random::token(),
        owned: false,
        delegated: false,
        misses: 0,
        finding: "DNS has not been asked yet".to_owned(),
        redirect_to_https: input.redirect_to_https,
        verified_at: None,
        state_changed_at: now,
        checked_at: None,
        next_check_at: now,
        created_by: op.user()?,
        created_at: now,
    };
    let row = store::domain::create(&mut write, &permit, row).await?;
    tell(&mut write, &row);
    write.commit().await?;
    app.claimed.notify_one();
    Ok(row)
}

/// Says whether plain requests are sent on to HTTPS.
///
/// # Errors
/// `Forbidden`, `NotFound` by `domain.update`.
pub async fn update(app: &App, op: &Op, id: DomainId, redirect_to_https: bool) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::DomainUpdate>("domain.update", id).await?;
    let row = store::domain::set_redirect(&mut write, &permit, id, redirect_to_https).await?;
    tell(&mut write, &row);
    write.commit().await?;
    app.ring();
    Ok(row)
}

/// Asks DNS now.
///
/// # Errors
/// `Conflict` when it is being checked in this moment; `Forbidden`, `NotFound` by `domain.update`.
pub async fn verify(app: &App, op: &Op, id: DomainId) -> Result<Model> {
    let permit = op.permit_to_begin::<cap::DomainUpdate>("domain.verify", id).await?;
    let row = store::domain::get(op.store(), &permit, id).await?;
    // Asked before the change begins, which holds locks.
    let seen = app.dns.look(&row.name, &row.token).await;
    let (mut write, permit) = op.change::<cap::DomainUpdate>("domain.verify", id).await?;
    let row = store::domain::get(&write, &permit, id).await?;
    let row = settle(app, &mut write, &row, &seen).await?;
    write.commit().await?;
    app.ring();
    Ok(row)
}

/// Gives a domain up.
///
/// # Errors
/// `Forbidden`, `NotFound` by `domain.delete`.
pub async fn remove(app: &App, op: &Op, id: DomainId) -> Result<()> {
    let (mut write, permit) = op.change::<cap::DomainDelete>("domain.delete", id).await?;
    let row = store::domain::get(&write, &permit, id).await?;
    store::domain::remove(&mut write, &permit, id).await?;
    tell(&mut write, &row);
    write.commit().await?;
    app.ring();
    Ok(())
}

/// Asks DNS about a domain whose time has come. What changes is told in the audit log, the rest is only noted.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn check(app: &App, row: &Model) -> Result<()> {
    let seen = app.dns.look(&row.name, &row.token).await;
    let standing = held(row).after(&seen.proof, &seen.delegation);
    if (standing.owned, standing.delegated) == (row.owned, row.delegated) {
        let finding = in_words(&seen.proof, &seen.delegation);
        return store::domain::note(&app.store, row, checked(app, row, standing, finding)).await;
    }
    let mut write = app.store.write(Entry::new("domain.check", None, "-".to_owned())).await?;
    let Some(row) = store::domain::find(&write, row.id).await? else { return Ok(()) };
    place(&mut write, row.environment_id).await?;
    let row = settle(app, &mut write, &row, &seen).await?;
    write.commit().await?;
    let state = format!("{:?}", state(&row));
    tracing::info!(domain = row.name, owned = row.owned, delegated = row.delegated, state, "a domain has changed");
    app.ring();
    Ok(())
}

/// Where a domain stands.
#[must_use]
pub fn state(row: &Model) -> State {
    State::of(row.owned, row.delegated, row.verified_at.is_some())
}

/// Keeps what follows from what was seen. Of two who claim a name the one has it who had it first, as long as its proof is
/// there.
async fn settle(app: &App, write: &mut Write, row: &Model, seen: &Seen) -> Result<Model> {
    let mut standing = held(row).after(&seen.proof, &seen.delegation);
    let mut finding = in_words(&seen.proof, &seen.delegation);
    let mut given_way = None;
    if standing.owned
        && !row.owned
        && let Some(other) = store::domain::owner(write, &row.name).await?
    {
        if seen.texts.contains(&other.token) {
            standing.owned = false;
            finding = "the proof is there, and so is that of another environment, which has the domain; remove its \
                       record, and check again"
                .to_owned();
        } else {
            let lost = Standing { owned: false, misses: 0, ..held(&other) };
            let finding = "the proof is gone, and another environment has given its own".to_owned();
            given_way = Some(store::domain::settle(write, &other, checked(app, &other, lost, finding)).await?);
        }
    }
    let row = store::domain::settle(write, row, checked(app, row, standing, finding)).await?;
    tell(write, &row);
    if let Some(other) = given_way {
        let request = write.entry().request_id.clone();
        write.next_entry(Entry::new("domain.check", None, request));
        place(write, other.environment_id).await?;
        tell(write, &other);
    }
    Ok(row)
}

fn held(row: &Model) -> Standing {
    Standing { owned: row.owned, delegated: row.delegated, misses: row.misses }
}

fn checked(app: &App, row: &Model, standing: Standing, finding: String) -> Checked {
    let at = clock::now();
    Checked { standing, finding, at, next: at + pause(app.config.domain_check, row, standing, at) }
}

/// How long until DNS is asked again.
fn pause(usual: Duration, row: &Model, standing: Standing, now: DateTime<Utc>) -> Duration {
    if standing.misses > 0 {
        usual / SOONER
    } else if !standing.owned && row.state_changed_at + PATIENCE < now {
        usual * LESS_OFTEN
    } else {
        usual
    }
}

fn tell(write: &mut Write, row: &Model) {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "name": row.name, "owned": row.owned, "delegated": row.delegated });
}

async fn place(write: &mut Write, environment: EnvironmentId) -> Result<()> {
    let scope = Scope::from(environment);
    let known = facts::of_scopes(write, &[scope]).await?;
    write.concerns(scope, &known);
    Ok(())
}
