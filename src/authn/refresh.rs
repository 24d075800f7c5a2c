//! Refresh tokens: opaque secrets of which only a hash is stored; it must not know the sessions that they continue.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use subtle::ConstantTimeEq as _;

use crate::sys::random;

/// Secret scanners find a leaked token by its prefix.
const PREFIX: &str = "rrt_";

/// A secret of 256 bits. With so many, a fast hash is as good as a slow one: there is nothing to guess.
#[derive(Clone)]
pub struct RefreshToken(String);

impl RefreshToken {
    /// A new token.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{PREFIX}{}", random::token()))
    }

    /// What a client sent, if it has the form of a token; whether it was ever given out is not known here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secret = BASE64URL_NOPAD.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        (secret.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the client only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up: BLAKE3 of the token, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(blake3::hash(self.0.as_bytes()).as_bytes())
    }

    /// Whether this is the token whose hash was stored, in a time that tells nothing about the hash.
    #[must_use]
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let (token, other) = (RefreshToken::generate(), RefreshToken::generate());
        let parsed = RefreshToken::parse(token.reveal()).map(|token| token.hash());
        assert_eq!(parsed, Some(token.hash()));
        assert!(token.matches(&token.hash()) && !other.matches(&token.hash()));
        assert!(!token.matches("") && !token.matches(token.reveal()));
        assert_eq!(format!("{token:?}"), "RefreshToken(redacted)");
    }

    #[test]
    fn other_forms_are_no_tokens() {
        let good = RefreshToken::generate();
        for bad in ["", "rrt_", "rrt_short", &good.reveal()[4..], &format!("{}A", good.reveal()), "rat_x"] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }
}
