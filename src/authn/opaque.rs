//! Opaque secrets that programs hold and send: refresh tokens and keys. Only a hash of them is stored; it must not know what
//! they open.

use std::fmt;
use std::marker::PhantomData;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use subtle::ConstantTimeEq as _;

use crate::sys::random;

/// What a secret is for.
pub trait Purpose {
    /// Secret scanners find a leaked one by its prefix.
    const PREFIX: &'static str;
}

/// Going on with a session.
#[derive(Clone, Copy)]
pub struct Refresh;

impl Purpose for Refresh {
    const PREFIX: &'static str = "rrt_";
}

/// Standing for a user or a service account.
#[derive(Clone, Copy)]
pub struct Key;

impl Purpose for Key {
    const PREFIX: &'static str = "reeve_key_";
}

/// Having a deployment made.
#[derive(Clone, Copy)]
pub struct Hook;

impl Purpose for Hook {
    const PREFIX: &'static str = "reeve_hook_";
}

/// The last part of a deploy hook's address.
pub type HookSecret = Secret<Hook>;

/// Exchanged once for the next one.
pub type RefreshToken = Secret<Refresh>;

/// Sent in place of an access token.
pub type KeySecret = Secret<Key>;

/// A secret of 256 bits. With so many, a fast hash is as good as a slow one: there is nothing to guess.
#[derive(Clone)]
pub struct Secret<P>(String, PhantomData<fn() -> P>);

impl<P: Purpose> Secret<P> {
    /// A new secret.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{}{}", P::PREFIX, random::token()), PhantomData)
    }

    /// What a client sent, if it has the form of such a secret; whether it was ever given out is not known here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secret = BASE64URL_NOPAD.decode(text.strip_prefix(P::PREFIX)?.as_bytes()).ok()?;
        (secret.len() == 32).then(|| Self(text.to_owned(), PhantomData))
    }

    /// Whether a text claims to be such a secret.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(P::PREFIX)
    }

    /// The secret itself, for the client only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up: BLAKE3 of the secret, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(blake3::hash(self.0.as_bytes()).as_bytes())
    }

    /// Whether this is the secret whose hash was stored, in a time that tells nothing about the hash.
    #[must_use]
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

impl<P> fmt::Debug for Secret<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_alone() {
        let (token, other) = (RefreshToken::generate(), RefreshToken::generate());
        let parsed = RefreshToken::parse(token.reveal()).map(|token| token.hash());
        assert_eq!(parsed, Some(token.hash()));
        assert!(token.matches(&token.hash()) && !other.matches(&token.hash()));
        assert!(!token.matches("") && !token.matches(token.reveal()));
        assert_eq!(format!("{token:?}"), "Secret(redacted)");
    }

    #[test]
    fn other_forms_are_no_secrets() {
        let good = RefreshToken::generate();
        for bad in ["", "rrt_", "rrt_short", &good.reveal()[4..], &format!("{}A", good.reveal()), "rat_x"] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
        assert!(KeySecret::parse(good.reveal()).is_none(), "one purpose is not another");
        assert!(KeySecret::is_meant_by(KeySecret::generate().reveal()) && !KeySecret::is_meant_by(good.reveal()));
    }
}
