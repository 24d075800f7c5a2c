//! What the edge does for an environment beside serving it, and who is let through to it: the password, which costs much to
//! check and little to know again, and the bounds on one client.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use tokio::sync::Semaphore;

use entities::ids::EnvironmentId;

use super::{App, blocking};
use crate::authn::passwords;
use crate::authn::rate_limit::Limiter;
use crate::authz::cap;
use crate::domain::edge_settings::{EdgeSettings, Redirect, check_redirects};
use crate::domain::password::Password;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::edge_settings;
use crate::sys::random;

const MINUTE: Duration = Duration::from_secs(60);
/// Passwords that one client may try in a minute.
const TRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Credentials that are known again. There is one password, but any user name goes with it.
const KNOWN: usize = 1024;

/// What may be changed; none leaves it as it is.
#[derive(Debug, Default)]
pub struct Update {
    /// In the order in which they are tried.
    pub redirects: Option<Vec<Redirect>>,
    /// A new password, or none from now on.
    pub password: Option<Option<Password>>,
    /// HTML by status.
    pub error_pages: Option<BTreeMap<u16, String>>,
    /// A bound, or none from now on.
    pub requests_per_minute: Option<Option<NonZeroU32>>,
    /// Whether answers are compressed.
    pub compression: Option<bool>,
}

/// The settings of an environment, and their version.
///
/// # Errors
/// `Forbidden`, `NotFound` by `edge.manage`.
pub async fn settings(op: &Op, id: EnvironmentId) -> Result<(EdgeSettings, i32)> {
    let permit = op.permit::<cap::EdgeManage>(id).await?;
    edge_settings::get(op.store(), &permit).await
}

/// Changes the settings of an environment.
///
/// # Errors
/// `Conflict` when they are no longer at `expected_version`; `Forbidden`, `NotFound` by `edge.manage`.
pub async fn update(
    app: &App,
    op: &Op,
    id: EnvironmentId,
    update: Update,
    expected_version: i32,
) -> Result<(EdgeSettings, i32)> {
    if let Some(redirects) = &update.redirects {
        check_redirects(redirects)?;
    }
    op.permit_to_begin::<cap::EdgeManage>("edge.update", id).await?;
    let password_hash = match update.password {
        None => None,
        Some(None) => Some(None),
        Some(Some(password)) => Some(Some(hashed(app, password).await?)),
    };
    let (mut write, permit) = op.change::<cap::EdgeManage>("edge.update", id).await?;
    let (before, _) = edge_settings::get(&write, &permit).await?;
    let settings = EdgeSettings {
        redirects: update.redirects.unwrap_or(before.redirects),
        password_hash: password_hash.unwrap_or(before.password_hash),
        error_pages: update.error_pages.unwrap_or(before.error_pages),
        requests_per_minute: update.requests_per_minute.unwrap_or(before.requests_per_minute),
        compression: update.compression.unwrap_or(before.compression),
    };
    let version = edge_settings::set(&mut write, &permit, &settings, expected_version).await?;
    write.entry().details = serde_json::json!({
        "redirects": settings.redirects.len(),
        "passwordProtected": settings.password_hash.is_some(),
        "errorPages": settings.error_pages.keys().collect::<Vec<_>>(),
        "requestsPerMinute": settings.requests_per_minute,
        "compression": settings.compression,
    });
    write.commit().await?;
    app.ring();
    Ok((settings, version))
}

async fn hashed(app: &App, password: Password) -> Result<String> {
    let _turn = app.limits.hashing.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
    blocking(move || passwords::hash(&password)).await?.map_err(|_| Error::Internal("hashing failed".into()))
}

/// Stands before the hosts of one environment. It lives as long as the settings that it was made of.
pub struct Gate {
    limit: Option<Limiter>,
    lock: Option<Lock>,
}

struct Lock {
    hash: Arc<str>,
    tries: Limiter,
    /// Keyed digests of credentials that are right: the key is nobody's, so the time of a look-up tells nothing.
    key: [u8; 32],
    known: Mutex<HashSet<[u8; 32]>>,
    turns: Semaphore,
}

/// Why somebody is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Without the password.
    Locked,
    /// Too often; the seconds to wait.
    TooOften(u64),
}

impl Gate {
    /// None when the settings let everybody through.
    #[must_use]
    pub fn of(settings: &EdgeSettings) -> Option<Self> {
        let limit = settings.requests_per_minute.and_then(|requests| Limiter::per(MINUTE, requests));
        let lock = settings.password_hash.as_deref().and_then(|hash| {
            Some(Lock {
                hash: hash.into(),
                tries: Limiter::per(MINUTE, TRIES)?,
                key: random::bytes(),
                known: Mutex::default(),
                turns: Semaphore::new(2),
            })
        });
        (limit.is_some() || lock.is_some()).then_some(Self { limit, lock })
    }

    /// Whether a password is needed.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Counts one request, and says whether it comes through if that can be told at once. None: [`Gate::check`] has to be
    /// asked.
    #[must_use]
    pub fn admits(&self, client: IpAddr, authorization: Option<&[u8]>) -> Option<Result<(), Closed>> {
        if let Some(limit) = &self.limit
            && let Err(seconds) = limit.check(&network(client))
        {
            return Some(Err(Closed::TooOften(seconds)));
        }
        let Some(lock) = &self.lock else { return Some(Ok(())) };
        let Some(authorization) = authorization else { return Some(Err(Closed::Locked)) };
        lock.knows(authorization).then_some(Ok(()))
    }

    /// Checks a password, which takes a while, and a bounded number of times for one client.
    ///
    /// # Errors
    /// Why whoever asks is not let through.
    pub async fn check(&self, client: IpAddr, authorization: &[u8]) -> Result<(), Closed> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let password = password(authorization).ok_or(Closed::Locked)?;
        lock.tries.check(&network(client)).map_err(Closed::TooOften)?;
        let Ok(_turn) = lock.turns.acquire().await else { return Err(Closed::Locked) };
        let hash = lock.hash.clone();
        let right = blocking(move || passwords::verify_or_dummy(Some(&hash), &password)).await;
        if !matches!(right, Ok(true)) {
            return Err(Closed::Locked);
        }
        lock.remember(authorization);
        Ok(())
    }
}

impl Lock {
    fn digest(&self, authorization: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, authorization).as_bytes()
    }

    fn knows(&self, authorization: &[u8]) -> bool {
        let digest = self.digest(authorization);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest)
    }

    fn remember(&self, authorization: &[u8]) {
        let digest = self.digest(authorization);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(digest);
    }
}

/// What one client is counted by: an address, or the network that a customer gets of the longer ones.
fn network(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x}", address.to_bits() >> 64),
    }
}

/// The password of HTTP's basic scheme (RFC 7617); the user name is anybody's.
fn password(authorization: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(authorization).ok()?;
    let (scheme, credentials) = text.split_once(' ')?;
    let credentials =
        scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(credentials.trim().as_bytes()).ok())??;
    let (_, password) = std::str::from_utf8(&credentials).ok()?.split_once(':')?;
    Some(password.to_owned())
}
