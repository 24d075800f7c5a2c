//! The Ed25519 keys that sign tokens, and their rotation; it must not know what the tokens say, nor where sealed keys are
//! stored.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::SecretKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};

use super::master_key::{MasterKey, SealError};
use crate::sys::random;

/// How long a key verifies after it was retired: the 15 minutes of the longest-lived token, the leeway, and the time in
/// which another replica may still sign with it.
const VERIFIES_AFTER_RETIREMENT: TimeDelta = TimeDelta::minutes(17);

/// RFC 8410, 7: the PKCS #8 frame around the 32 bytes of an Ed25519 private key.
const PKCS8_FRAME: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// One key pair. Its id is derived from the public key, so an id can never name two keys.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    secret: SecretKey,
    public: [u8; 32],
    created_at: DateTime<Utc>,
    retired_at: Option<DateTime<Utc>>,
}

impl SigningKey {
    /// A new key.
    #[must_use]
    pub fn generate(now: DateTime<Utc>) -> Self {
        Self::from_secret(random::bytes(), now, None)
    }

    fn from_secret(secret: SecretKey, created_at: DateTime<Utc>, retired_at: Option<DateTime<Utc>>) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        let id = blake3::hash(&public);
        let kid = BASE64URL_NOPAD.encode(id.as_bytes().split_at(16).0);
        Self { kid, secret, public, created_at, retired_at }
    }

    /// The key's id, as it stands in tokens and in the JWKS.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// Since when it signs no more.
    #[must_use]
    pub fn retired_at(&self) -> Option<DateTime<Utc>> {
        self.retired_at
    }

    /// Stops signing with it; it verifies until its last token has expired. A key that leaked must not be retired but
    /// removed, which ends every token that it signed.
    pub fn retire(&mut self, now: DateTime<Utc>) {
        self.retired_at.get_or_insert(now);
    }

    /// The private key for storage.
    ///
    /// # Errors
    /// As `MasterKey::seal`.
    pub fn seal(&self, master: &MasterKey) -> Result<Vec<u8>, SealError> {
        master.seal(&self.secret, &purpose(&self.kid))
    }

    /// Reads a stored key back.
    ///
    /// # Errors
    /// When it is not the key of this id, or was sealed by another master key.
    pub fn open(
        master: &MasterKey,
        kid: &str,
        sealed: &[u8],
        created_at: DateTime<Utc>,
        retired_at: Option<DateTime<Utc>>,
    ) -> Result<Self, SealError> {
        let secret = master.open(sealed, &purpose(kid))?.try_into().map_err(|_| SealError)?;
        let key = Self::from_secret(secret, created_at, retired_at);
        if key.kid == kid { Ok(key) } else { Err(SealError) }
    }

    pub(super) fn encoding(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&[PKCS8_FRAME.as_slice(), &self.secret].concat())
    }

    pub(super) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_ed_der(&self.public)
    }

    fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.retired_at.is_none_or(|retired_at| now < retired_at + VERIFIES_AFTER_RETIREMENT)
    }
}

/// What the private half of the key with this id is sealed for.
#[must_use]
pub fn purpose(kid: &str) -> String {
    format!("signing-key/{kid}")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, created_at, retired_at, .. } = self;
        let mut shown = f.debug_struct("SigningKey");
        shown.field("kid", kid).field("created_at", created_at).field("retired_at", retired_at).finish_non_exhaustive()
    }
}

/// All keys that count, and the name under which they sign. It never changes: a rotation makes a new ring.
#[derive(Clone, Debug)]
pub struct KeyRing {
    issuer: String,
    signing: SigningKey,
    keys: Vec<SigningKey>,
}

impl KeyRing {
    /// The newest key that is not retired signs. `None` when there is none.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: Vec<SigningKey>) -> Option<Self> {
        let active = keys.iter().filter(|key| key.retired_at.is_none());
        let signing = active.max_by_key(|key| (key.created_at, &key.kid))?.clone();
        Some(Self { issuer: issuer.into(), signing, keys })
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn signs_with(&self) -> &str {
        &self.signing.kid
    }

    /// The public keys that verify now, as a JSON Web Key Set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let keys = self.keys.iter().filter(|key| key.verifies(now)).map(|key| {
            let x = BASE64URL_NOPAD.encode(&key.public);
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key.kid, "alg": "EdDSA", "use": "sig"})
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub(super) fn verifying(&self, kid: &str, now: DateTime<Utc>) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid && key.verifies(now))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn a_sealed_key_opens_under_its_own_id_only() {
        let master = MasterKey::from_base64(&data_encoding::BASE64.encode(&[1; 32])).unwrap();
        let now = clock::now();
        let (key, other) = (SigningKey::generate(now), SigningKey::generate(now));
        let sealed = key.seal(&master).unwrap();
        let opened = SigningKey::open(&master, key.kid(), &sealed, now, None).unwrap();
        assert_eq!((opened.kid(), opened.secret), (key.kid(), key.secret));
        assert_eq!(SigningKey::open(&master, other.kid(), &sealed, now, None).err(), Some(SealError));
        let secret = data_encoding::HEXLOWER.encode(&key.secret);
        assert!(!format!("{key:?}").contains(&secret[..8]) && !format!("{key:?}").contains("secret"));
    }

    #[test]
    fn the_newest_active_key_signs_and_retired_ones_verify_for_a_while() {
        let now = clock::now();
        let (mut old, new) = (SigningKey::generate(now), SigningKey::generate(now + TimeDelta::seconds(1)));
        let ring = KeyRing::new("i", vec![new.clone(), old.clone()]).unwrap();
        assert_eq!(ring.signs_with(), new.kid());
        old.retire(now);
        old.retire(now + TimeDelta::hours(1));
        assert!(KeyRing::new("i", vec![old.clone()]).is_none());
        let ring = KeyRing::new("i", vec![old.clone(), new]).unwrap();
        let later = now + VERIFIES_AFTER_RETIREMENT;
        assert!(ring.verifying(old.kid(), later - TimeDelta::milliseconds(1)).is_some());
        assert!(ring.verifying(old.kid(), later).is_none());
        assert_eq!(ring.jwks(now)["keys"].as_array().map(Vec::len), Some(2));
        assert_eq!(ring.jwks(later)["keys"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn the_key_set_has_the_public_parts_and_nothing_else() {
        let key = SigningKey::from_secret([9; 32], clock::now(), None);
        let jwks = KeyRing::new("i", vec![key.clone()]).unwrap().jwks(clock::now());
        let entry = jwks["keys"][0].as_object().unwrap();
        let mut names: Vec<_> = entry.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(entry["x"], BASE64URL_NOPAD.encode(&key.public));
    }
}
