//! Whether a webhook comes from where its secret is known; it must not know what it says.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How a sender proves that it knows the secret.
pub enum Proof<'a> {
    /// HMAC-SHA256 of the body in hexadecimal, behind `sha256=`: GitHub, Gitea and others.
    Signature(&'a str),
    /// The secret itself: GitLab.
    Token(&'a str),
}

impl Proof<'_> {
    /// Whether it proves that; in a time that tells nothing about the secret.
    #[must_use]
    pub fn holds(&self, secret: &str, body: &[u8]) -> bool {
        match self {
            Self::Token(token) => token.as_bytes().ct_eq(secret.as_bytes()).into(),
            Self::Signature(text) => {
                let Some(Ok(claimed)) = text.strip_prefix("sha256=").map(|hex| HEXLOWER.decode(hex.as_bytes())) else {
                    return false;
                };
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
                mac.update(body);
                mac.verify_slice(&claimed).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_can_sign() {
        // The example of GitHub's documentation.
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(Proof::Signature(good).holds(secret, body));
        assert!(!Proof::Signature(good).holds(secret, b"Hello, World?") && !Proof::Signature(good).holds("", body));
        for bad in ["", "sha256=", &good[7..], &good[..70], "sha1=757107ea", &good.to_uppercase()] {
            assert!(!Proof::Signature(bad).holds(secret, body), "{bad}");
        }
        assert!(Proof::Token(secret).holds(secret, body) && !Proof::Token("").holds(secret, body));
    }
}
