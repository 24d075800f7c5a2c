//! What deliveries to webhooks are signed with, as the specification of Standard Webhooks has it; it must not know what they
//! say, nor where they go.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::sys::random;

/// What a receiver knows the secret by.
const PREFIX: &str = "whsec_";

/// A symmetric secret of 256 bits.
pub struct SigningSecret([u8; 32]);

impl SigningSecret {
    /// A new secret.
    #[must_use]
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// A secret as it was revealed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The secret itself, for the receiver only.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The signature of what is sent under this id at this time, in Unix seconds: `v1,` and base64 of HMAC-SHA256 over
    /// `id.timestamp.body`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(redacted)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_specification_says() {
        let secret = SigningSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        assert_eq!(secret.reveal(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        // From `openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f -binary | base64`.
        let signature = "v1,clO19c1OJklwmimAu7qChCCLRoGZwJr3DftmJ9oLtyY=";
        assert_eq!(secret.sign("evt_1", 1_700_000_000, b"{\"type\":\"ping\"}"), signature);
        assert_ne!(secret.sign("evt_2", 1_700_000_000, b"{\"type\":\"ping\"}"), signature);
        assert_ne!(secret.sign("evt_1", 1_700_000_001, b"{\"type\":\"ping\"}"), signature);
        assert_ne!(SigningSecret::generate().reveal(), SigningSecret::generate().reveal());
        for bad in ["", "whsec_", "whsec_AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="] {
            assert!(SigningSecret::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{secret:?}"), "SigningSecret(redacted)");
    }
}
