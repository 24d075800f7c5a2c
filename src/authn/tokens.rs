//! Signed tokens that carry their own claims: access tokens for the API and upload tokens for one deployment's files; it
//! must not know whether the session or the user still exists.
//!
//! One algorithm, one issuer, one audience and one type for each kind, all compared: a token of one kind never passes as
//! another, and no header of a token chooses how it is checked.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::keys::KeyRing;
use crate::sys::random;

/// Short, since an access token is valid until it expires, whatever happens to its session.
/// An access token is good this long.
pub const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// Long enough for the largest file on a slow line to begin.
/// An upload token is good this long.
pub const UPLOAD_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Seconds that two replicas' clocks may differ.
const LEEWAY_SECONDS: i64 = 5;
/// Ours have about 500 bytes; more is not worth parsing.
const MAX_TOKEN_BYTES: usize = 4096;

const ACCESS: Kind = Kind { header: "at+jwt", audience: "reeve-api" };
const UPLOAD: Kind = Kind { header: "upload+jwt", audience: "reeve-upload" };

struct Kind {
    /// RFC 8725, 3.11: an explicit type, so that kinds cannot be confused.
    header: &'static str,
    audience: &'static str,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It was good once; a new one helps.
    Expired,
    /// It is none of ours, or not for this use.
    Invalid,
}

impl TokenError {
    /// What is wrong and what to do, for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired, refresh the session",
            Self::Invalid => "the token is not valid, sign in again",
        }
    }
}

/// Signing failed, which a working key never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignError;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who signed it.
    pub iss: String,
    /// What it is for.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    pub sid: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

/// What an upload token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadClaims {
    /// Who signed it.
    pub iss: String,
    /// What it is for.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The project whose files these are.
    pub project: String,
    /// The deployment whose files may be sent.
    pub deployment: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

/// A token with which this user calls the API for 15 minutes.
///
/// # Errors
/// When the key cannot sign.
pub fn issue_access(ring: &KeyRing, user: &str, session: &str, now: DateTime<Utc>) -> Result<String, SignError> {
    let claims = AccessClaims {
        iss: ring.issuer().to_owned(),
        aud: ACCESS.audience.to_owned(),
        sub: user.to_owned(),
        sid: session.to_owned(),
        iat: now.timestamp(),
        exp: (now + ACCESS_LIFETIME).timestamp(),
        jti: random::token(),
    };
    sign(ring, &ACCESS, &claims)
}

/// The claims of an access token. Whether its session was ended is for the caller to ask.
///
/// # Errors
/// `Expired` for one that was good, `Invalid` for everything else.
pub fn verify_access(ring: &KeyRing, token: &str, now: DateTime<Utc>) -> Result<AccessClaims, TokenError> {
    let claims: AccessClaims = verify(ring, &ACCESS, token, now)?;
    unexpired(claims.exp, now)?;
    Ok(claims)
}

/// A token with which the files of one deployment are sent within 10 minutes.
///
/// # Errors
/// When the key cannot sign.
pub fn issue_upload(
    ring: &KeyRing,
    user: &str,
    project: &str,
    deployment: &str,
    now: DateTime<Utc>,
) -> Result<String, SignError> {
    let claims = UploadClaims {
        iss: ring.issuer().to_owned(),
        aud: UPLOAD.audience.to_owned(),
        sub: user.to_owned(),
        project: project.to_owned(),
        deployment: deployment.to_owned(),
        iat: now.timestamp(),
        exp: (now + UPLOAD_LIFETIME).timestamp(),
        jti: random::token(),
    };
    sign(ring, &UPLOAD, &claims)
}

/// The claims of an upload token.
///
/// # Errors
/// `Expired` for one that was good, `Invalid` for everything else.
pub fn verify_upload(ring: &KeyRing, token: &str, now: DateTime<Utc>) -> Result<UploadClaims, TokenError> {
    let claims: UploadClaims = verify(ring, &UPLOAD, token, now)?;
    unexpired(claims.exp, now)?;
    Ok(claims)
}

fn sign(ring: &KeyRing, kind: &Kind, claims: &impl Serialize) -> Result<String, SignError> {
    let key = ring.signing();
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(kind.header.to_owned());
    header.kid = Some(key.kid().to_owned());
    encode(&header, claims, &key.encoding()).map_err(|_| SignError)
}

/// Everything but the expiry, which the library would judge by a clock of its own.
fn verify<C: DeserializeOwned>(ring: &KeyRing, kind: &Kind, token: &str, now: DateTime<Utc>) -> Result<C, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Invalid);
    }
    let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
    if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(kind.header) {
        return Err(TokenError::Invalid);
    }
    let key = header.kid.and_then(|kid| ring.verifying(&kid, now)).ok_or(TokenError::Invalid)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ring.issuer()]);
    validation.set_audience(&[kind.audience]);
    validation.validate_exp = false;
    decode(token, &key.decoding(), &validation).map(|data| data.claims).map_err(|_| TokenError::Invalid)
}

fn unexpired(exp: i64, now: DateTime<Utc>) -> Result<(), TokenError> {
    if now.timestamp() < exp.saturating_add(LEEWAY_SECONDS) { Ok(()) } else { Err(TokenError::Expired) }
}

#[cfg(test)]
mod tests;
