//! Tokens that nobody issued, or that were issued for something else.

use chrono::{TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use reeve::authn::tokens;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer};

const VIEWER: &str = "{ viewer { id } }";

/// The two parts of a token that can be read.
fn parts(token: &str) -> (Value, Value, String) {
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    (read(parts[0]), read(parts[1]), parts[2].to_owned())
}

fn joined(header: &Value, claims: &Value, signature: &str) -> String {
    let write = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}.{signature}", write(header), write(claims))
}

/// Signed in good order, by a key of the attacker's.
fn signed(header: &Value, claims: &Value) -> String {
    let message = joined(header, claims, "");
    let signature = attacker().sign(message.trim_end_matches('.').as_bytes());
    joined(header, claims, &BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

fn attacker() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

async fn refused(client: &Client, token: &str, what: &str) {
    let refusal = client.with_token(token).refusal(VIEWER, json!({})).await;
    assert_eq!(refusal.code, "UNAUTHENTICATED", "{what}");
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_nobodys() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let token = eve.token.clone().unwrap();
    let (header, claims, signature) = parts(&token);
    assert_eq!(claims["sub"], eve.account.id, "the token is not what this test takes it for");
    eve.ok(VIEWER, json!({})).await;

    let mut stolen = claims.clone();
    stolen["sub"] = json!(ada.account.id);
    refused(&eve, &joined(&header, &stolen, &signature), "another's name under one's own signature").await;
    let mut longer = claims.clone();
    longer["exp"] = json!(claims["exp"].as_i64().unwrap() + 3600);
    refused(&eve, &joined(&header, &longer, &signature), "a longer life").await;
    for algorithm in ["none", "None", "NONE", "HS256", "RS256"] {
        let mut other = header.clone();
        other["alg"] = json!(algorithm);
        refused(&eve, &joined(&other, &claims, ""), "no signature").await;
        refused(&eve, &joined(&other, &claims, &signature), "another algorithm").await;
    }
    for token in ["", ".", "..", "null", "undefined", &token[..token.len() - 4], &"x".repeat(8000)] {
        refused(&eve, token, "no token at all").await;
    }
}

#[tokio::test]
async fn a_key_of_the_attackers_own_proves_nothing() {
    let server = TestServer::start().await;
    let eve = server.sign_up("eve").await;
    let (header, claims, _) = parts(eve.token.as_deref().unwrap());
    let public = BASE64URL_NOPAD.encode(attacker().verifying_key().as_bytes());
    refused(&eve, &signed(&header, &claims), "another key under the name of the right one").await;
    for kid in [json!("mine"), json!(null), json!("../../../../dev/null"), json!("' UNION SELECT 'AAAA"), json!(public)]
    {
        let mut other = header.clone();
        other["kid"] = kid.clone();
        refused(&eve, &signed(&other, &claims), &format!("the key {kid}")).await;
    }
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": public, "kid": header["kid"] });
    let url = json!(format!("data:application/json,{jwk}"));
    for (place, key) in [("jwk", &jwk), ("jku", &url), ("x5u", &url)] {
        let mut other = header.clone();
        other[place] = key.clone();
        refused(&eve, &signed(&other, &claims), "a key that the token brings along").await;
    }
}

/// With the server's public key as the secret, as libraries that let the token choose the algorithm would check it.
#[tokio::test]
async fn the_public_key_is_no_secret_to_sign_with() {
    let server = TestServer::start().await;
    let eve = server.sign_up("eve").await;
    let (header, claims, _) = parts(eve.token.as_deref().unwrap());
    let (_store, keys) = server.keys().await;
    let jwks = keys.ring().jwks(Utc::now());
    let public = BASE64URL_NOPAD.decode(jwks["keys"][0]["x"].as_str().unwrap().as_bytes()).unwrap();
    let mut hs256 = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    hs256.typ = header["typ"].as_str().map(str::to_owned);
    hs256.kid = header["kid"].as_str().map(str::to_owned);
    let forged = jsonwebtoken::encode(&hs256, &claims, &jsonwebtoken::EncodingKey::from_secret(&public)).unwrap();
    refused(&eve, &forged, "the public key as a secret").await;
}

#[tokio::test]
async fn a_token_ends_when_it_says_so_and_fits_one_use() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (_, claims, _) = parts(ada.token.as_deref().unwrap());
    let (user, session) = (claims["sub"].as_str().unwrap(), claims["sid"].as_str().unwrap());
    let (_store, keys) = server.keys().await;
    let (ring, now) = (keys.ring(), Utc::now());
    let issue = |at| tokens::issue_access(&ring, user, session, at).ok().unwrap();
    ada.with_token(issue(now)).ok(VIEWER, json!({})).await;
    ada.with_token(issue(now - TimeDelta::minutes(14))).ok(VIEWER, json!({})).await;
    refused(&ada, &issue(now - TimeDelta::minutes(16)), "an expired token").await;
    let upload = tokens::issue_upload(&ring, user, "prj_x", "dep_x", now).ok().unwrap();
    refused(&ada, &upload, "a token for uploads").await;
    refused(&ada, &ada.account.refresh_token, "a token for refreshing").await;
    let elsewhere = tokens::issue_access(&ring, user, "ses_00000000000000000000000000", now).ok().unwrap();
    refused(&ada, &elsewhere, "a session that there never was").await;
    let eve = server.sign_up("eve").await;
    let mixed = tokens::issue_access(&ring, &eve.account.id, session, now).ok().unwrap();
    refused(&ada, &mixed, "another's session").await;
}

#[tokio::test]
async fn rotating_the_keys_signs_nobody_out() {
    let mut server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (store, keys) = server.keys().await;
    let kid = keys.rotate(&store).await.unwrap_or_else(|error| panic!("{error:?}"));
    server.restart().await;
    let ada = ada.at(server.api_address());
    ada.ok(VIEWER, json!({})).await;
    let ben = server.sign_up("ben").await;
    let (old, new) = (parts(ada.token.as_deref().unwrap()).0, parts(ben.token.as_deref().unwrap()).0);
    assert_eq!(new["kid"], kid.as_str());
    assert_ne!(old["kid"], new["kid"]);
}
