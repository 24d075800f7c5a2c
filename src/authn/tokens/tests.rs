//! Forgeries and confusions that a verifier of tokens must refuse; it must not repeat how tokens are made.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::{authn::keys::SigningKey, sys::clock};

fn ring(key: &SigningKey) -> KeyRing {
    KeyRing::new("https://reeve.example", vec![key.clone()]).unwrap()
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// A token with this header and these claims that the right key really signed.
fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding(), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn good(key: &SigningKey, now: DateTime<Utc>) -> (Value, Value) {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid()});
    let claims = json!({
        "iss": "https://reeve.example", "aud": "reeve-api", "sub": "usr_1", "sid": "ses_1",
        "iat": now.timestamp(), "exp": now.timestamp() + 900, "jti": "1",
    });
    (header, claims)
}

#[test]
fn an_access_token_says_who_and_lasts_fifteen_minutes() {
    let now = clock::now();
    let key = SigningKey::generate(now);
    let ring = ring(&key);
    let token = issue_access(&ring, "usr_1", "ses_1", now).unwrap();
    let claims = verify_access(&ring, &token, now).unwrap();
    assert_eq!((claims.sub.as_str(), claims.sid.as_str(), claims.exp - claims.iat), ("usr_1", "ses_1", 900));
    let at = |seconds| verify_access(&ring, &token, now + TimeDelta::seconds(seconds));
    assert!(at(904).is_ok());
    assert_eq!(at(905), Err(TokenError::Expired));
    assert_ne!(token, issue_access(&ring, "usr_1", "ses_1", now).unwrap());
    assert_eq!(decode_header(&token).unwrap().typ.as_deref(), Some("at+jwt"));
}

#[test]
fn an_upload_token_names_one_deployment_and_lasts_ten_minutes() {
    let now = clock::now();
    let ring = ring(&SigningKey::generate(now));
    let token = issue_upload(&ring, "usr_1", "prj_1", "dpl_1", now).unwrap();
    let claims = verify_upload(&ring, &token, now + TimeDelta::seconds(604)).unwrap();
    assert_eq!((claims.sub.as_str(), claims.project.as_str(), claims.deployment.as_str()), ("usr_1", "prj_1", "dpl_1"));
    assert_eq!(verify_upload(&ring, &token, now + TimeDelta::seconds(605)), Err(TokenError::Expired));
}

#[test]
fn one_kind_never_passes_as_the_other() {
    let now = clock::now();
    let key = SigningKey::generate(now);
    let ring = ring(&key);
    let access = issue_access(&ring, "usr_1", "ses_1", now).unwrap();
    let upload = issue_upload(&ring, "usr_1", "prj_1", "dpl_1", now).unwrap();
    assert_eq!(verify_upload(&ring, &access, now), Err(TokenError::Invalid));
    assert_eq!(verify_access(&ring, &upload, now), Err(TokenError::Invalid));
    let (header, mut claims) = good(&key, now);
    claims["aud"] = json!("reeve-upload");
    claims["project"] = json!("prj_1");
    claims["deployment"] = json!("dpl_1");
    let mixed = signed(&key, &header, &claims);
    assert_eq!(verify_access(&ring, &mixed, now), Err(TokenError::Invalid));
    assert_eq!(verify_upload(&ring, &mixed, now), Err(TokenError::Invalid));
}

#[test]
fn a_claim_or_header_that_differs_is_refused_though_the_signature_is_right() {
    let now = clock::now();
    let key = SigningKey::generate(now);
    let ring = ring(&key);
    let (header, claims) = good(&key, now);
    assert!(verify_access(&ring, &signed(&key, &header, &claims), now).is_ok());
    let changes = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("reeve-upload")),
        ("aud", json!(["reeve-api", "other"])),
        ("iss", json!(["https://reeve.example"])),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("sub", json!(null)),
        ("sid", json!(null)),
    ];
    for (name, value) in changes {
        let mut changed = claims.clone();
        changed[name] = value.clone();
        assert!(verify_access(&ring, &signed(&key, &header, &changed), now).is_err(), "{name} {value}");
        changed.as_object_mut().unwrap().remove(name);
        assert!(verify_access(&ring, &signed(&key, &header, &changed), now).is_err(), "without {name}");
    }
    for (name, value) in [("typ", json!("JWT")), ("typ", json!(null)), ("kid", json!("other")), ("kid", json!(null))] {
        let mut changed = header.clone();
        changed[name] = value.clone();
        let refused = verify_access(&ring, &signed(&key, &changed, &claims), now);
        assert_eq!(refused, Err(TokenError::Invalid), "{name} {value}");
    }
}

#[test]
fn no_token_chooses_its_own_algorithm() {
    let now = clock::now();
    let key = SigningKey::generate(now);
    let ring = ring(&key);
    let (mut header, claims) = good(&key, now);
    let right = signed(&key, &header, &claims);
    let signature = right.rsplit_once('.').unwrap().1;
    for alg in ["none", "None", "HS256", "RS256", "ES256"] {
        header["alg"] = json!(alg);
        for signature in ["", signature] {
            let token = format!("{}.{}.{signature}", part(&header), part(&claims));
            assert_eq!(verify_access(&ring, &token, now), Err(TokenError::Invalid), "{alg}");
        }
    }
    let jwks = ring.jwks(now);
    let x = jwks["keys"][0]["x"].as_str().unwrap();
    for secret in [BASE64URL_NOPAD.decode(x.as_bytes()).unwrap(), x.as_bytes().to_vec()] {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key.kid().to_owned());
        let token = encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verify_access(&ring, &token, now), Err(TokenError::Invalid));
    }
}

#[test]
fn forged_and_malformed_tokens_are_refused() {
    let now = clock::now();
    let (key, stranger) = (SigningKey::generate(now), SigningKey::generate(now));
    let ring = ring(&key);
    let (header, claims) = good(&key, now);
    let token = signed(&key, &header, &claims);
    let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
    let mut grander = claims.clone();
    grander["sub"] = json!("usr_2");
    let mut padded = claims.clone();
    padded["jti"] = json!("x".repeat(4096));
    for bad in [
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{token}.{signature}"),
        format!("{token}\n"),
        format!("{head}.{}.{signature}", part(&grander)),
        format!("{head}.{body}.{}", BASE64URL_NOPAD.encode(&[0; 64])),
        signed(&stranger, &header, &claims),
        signed(&key, &header, &padded),
        "x".repeat(1 << 20),
    ] {
        let shown: String = bad.chars().take(80).collect();
        assert_eq!(verify_access(&ring, &bad, now), Err(TokenError::Invalid), "{shown}");
    }
}

#[test]
fn a_retired_key_verifies_what_it_signed_until_that_expires() {
    let now = clock::now();
    let mut old = SigningKey::generate(now);
    let token = issue_access(&ring(&old), "usr_1", "ses_1", now).unwrap();
    old.retire(now);
    let rotated = KeyRing::new("https://reeve.example", vec![old, SigningKey::generate(now)]).unwrap();
    assert!(verify_access(&rotated, &token, now + TimeDelta::minutes(14)).is_ok());
    assert_eq!(verify_access(&rotated, &token, now + TimeDelta::minutes(16)), Err(TokenError::Expired));
    assert_eq!(verify_access(&rotated, &token, now + TimeDelta::minutes(18)), Err(TokenError::Invalid));
    let removed = KeyRing::new("https://reeve.example", vec![SigningKey::generate(now)]).unwrap();
    assert_eq!(verify_access(&removed, &token, now), Err(TokenError::Invalid));
}
