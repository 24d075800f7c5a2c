//! How passwords are kept and compared: Argon2id with the parameters that OWASP's Password Storage Cheat Sheet gives; it
//! must not know accounts.
//!
//! Every function here takes 20 to 50 ms of one core and 19 MiB of memory. Call them through `spawn_blocking`, and bound
//! how many run at once.

use std::sync::OnceLock;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};

use crate::{domain::password::Password, sys::random};

/// KiB of memory, passes, and lanes.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashing failed, for want of memory; nothing about the password is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashError;

/// The hash to store, a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`) with a salt of its own.
///
/// # Errors
/// When there is not enough memory.
pub fn hash(password: &Password) -> Result<String, HashError> {
    hash_text(password.reveal())
}

/// Whether this is the password of the account whose hash is given. Without an account, or with a hash that cannot be
/// read, it compares with a hash that nothing matches, so that the time taken does not tell which accounts exist.
#[must_use]
pub fn verify_or_dummy(hash: Option<&str>, password: &str) -> bool {
    static DUMMY: OnceLock<Option<String>> = OnceLock::new();
    // Made on the first call whether it is needed or not, for that call must not stand out either.
    let dummy = DUMMY.get_or_init(|| hash_text(&random::token()).ok());
    let known = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let exists = known.is_some();
    let Some(hash) = known.or_else(|| PasswordHash::new(dummy.as_deref()?).ok()) else { return false };
    let matches = hasher().is_ok_and(|hasher| hasher.verify_password(password.as_bytes(), &hash).is_ok());
    matches & exists
}

fn hash_text(text: &str) -> Result<String, HashError> {
    let salt = random::bytes::<16>();
    let hash = hasher()?.hash_password_with_salt(text.as_bytes(), &salt).map_err(|_| HashError)?;
    Ok(hash.to_string())
}

fn hasher() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|_| HashError)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn only_the_password_itself_matches() {
        let password = Password::parse("a battery of staples", "ada@example.com").unwrap();
        let stored = hash(&password).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash(&password).unwrap());
        assert!(verify_or_dummy(Some(&stored), "a battery of staples"));
        assert!(!verify_or_dummy(Some(&stored), "a battery of stapleS"));
        assert!(!verify_or_dummy(Some(&stored), ""));
        assert!(!verify_or_dummy(Some("no hash"), "a battery of staples"));
        assert!(!verify_or_dummy(None, "a battery of staples"));
    }

    #[test]
    fn a_missing_account_takes_as_long_as_a_wrong_password() {
        let stored = hash_text("a battery of staples").unwrap();
        let fastest = |hash: Option<&str>| {
            let time = |_| {
                let start = clock::instant();
                assert!(!verify_or_dummy(hash, "wrong"));
                start.elapsed()
            };
            (0..7).map(time).min().unwrap().as_secs_f64()
        };
        let ratio = fastest(None) / fastest(Some(&stored));
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
    }
}
