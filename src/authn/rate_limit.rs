//! How often somebody may try something, such as signing in to one account or from one address; it must not know what is
//! limited, and it counts for this process only.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DashMapStateStore};

use crate::sys::clock;

/// Keys share this many counters by a secret hash, so that a flood of invented keys cannot fill the memory: about 10 MB
/// at the very worst. Two honest keys that share one are merely counted together.
const COUNTERS: u64 = 1 << 18;
/// Checks after which counters that are full again are forgotten.
const TIDY_EVERY: u32 = 1 << 14;

/// A bound for each key.
#[derive(Debug)]
pub struct Limiter {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, SystemClock>,
    hasher: RandomState,
    checks: AtomicU32,
}

impl Limiter {
    /// So many checks at once for each key, and the same number again over each period. `None` when the period is so
    /// short that it bounds nothing.
    #[must_use]
    pub fn per(period: Duration, checks: NonZeroU32) -> Option<Self> {
        let quota = Quota::with_period(period / checks.get())?.allow_burst(checks);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), SystemClock);
        Some(Self { limiter, hasher: RandomState::new(), checks: AtomicU32::new(0) })
    }

    /// Counts one try.
    ///
    /// # Errors
    /// The seconds to wait, at least one, when there were too many; a refused try is not counted.
    pub fn check(&self, key: &str) -> Result<(), u64> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&(self.hasher.hash_one(key) % COUNTERS)).map_err(|refused| {
            let wait = refused.wait_time_from(SystemClock.now());
            wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct SystemClock;

impl Clock for SystemClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        clock::instant()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    fn limiter(period: Duration, checks: u32) -> Limiter {
        Limiter::per(period, NonZeroU32::new(checks).unwrap()).unwrap()
    }

    #[test]
    fn each_key_has_its_own_bound_and_is_told_how_long_to_wait() {
        let limiter = limiter(Duration::from_secs(90), 3);
        for _ in 0..3 {
            assert_eq!(limiter.check("ada"), Ok(()));
        }
        assert!((29..=30).contains(&limiter.check("ada").unwrap_err()));
        assert_eq!(limiter.check("ben"), Ok(()));
    }

    #[test]
    fn waiting_helps() {
        let limiter = limiter(Duration::from_millis(40), 1);
        assert_eq!(limiter.check("ada"), Ok(()));
        assert_eq!(limiter.check("ada"), Err(1));
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(limiter.check("ada"), Ok(()));
    }

    #[test]
    fn memory_is_bounded_whatever_the_keys() {
        let short = limiter(Duration::from_nanos(10), 1);
        let long = limiter(Duration::from_secs(3600), 1);
        for number in 0..TIDY_EVERY * 20 {
            let _ = (short.check(&number.to_string()), long.check(&number.to_string()));
        }
        assert!(short.limiter.len() <= 1);
        assert!(long.limiter.len() <= usize::try_from(COUNTERS).unwrap());
        assert!(Limiter::per(Duration::ZERO, NonZeroU32::MIN).is_none());
    }
}
