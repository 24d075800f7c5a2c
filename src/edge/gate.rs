//! Who is let through to the hosts of an environment: the password, which costs much to check and little to know again, and
//! the bounds on one client. It must not know what is behind it.

use std::{
    collections::HashSet,
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use data_encoding::BASE64;
use tokio::sync::Semaphore;

use crate::{
    authn::{passwords, rate_limit::Limiter},
    domain::edge_settings::EdgeSettings,
    sys::random,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Passwords that one client may try in a minute.
const TRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Credentials that are known again. There is one password, but any user name goes with it.
const KNOWN: usize = 1024;

/// Stands before the hosts of one environment. It lives as long as the settings that it was made of.
pub(super) struct Gate {
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
pub(super) enum Closed {
    /// Without the password.
    Locked,
    /// Too often; the seconds to wait.
    TooOften(u64),
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(redacted)")
    }
}

impl Gate {
    /// None when the settings let everybody through.
    pub(super) fn of(settings: &EdgeSettings) -> Option<Self> {
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

    /// Whether a password is needed, which the program behind must not see.
    pub(super) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Counts one request, and says whether it comes through if that can be told at once. None: [`Gate::check`] has to be
    /// asked.
    pub(super) fn admits(&self, client: IpAddr, authorization: Option<&[u8]>) -> Option<Result<(), Closed>> {
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
    pub(super) async fn check(&self, client: IpAddr, authorization: &[u8]) -> Result<(), Closed> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let password = password(authorization).ok_or(Closed::Locked)?;
        lock.tries.check(&network(client)).map_err(Closed::TooOften)?;
        let Ok(_turn) = lock.turns.acquire().await else { return Err(Closed::Locked) };
        let hash = lock.hash.clone();
        let right = tokio::task::spawn_blocking(move || passwords::verify_or_dummy(Some(&hash), &password)).await;
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
