//! Signing up, in and out, and staying signed in.

use std::num::NonZeroU32;

use serde_json::{Value, json};

use crate::harness::{Client, Refusal, TestServer};

const VIEWER: &str = "{ viewer { id email name personalTeam { name personal } teams { nodes { personal } } } }";
const SIGN_IN: &str = "mutation($input: SignInInput!) {
    signIn(input: $input) { accessToken refreshToken accessTokenExpiresAt user { id email } } }";
const REFRESH: &str = "mutation($input: RefreshSessionInput!) {
    refreshSession(input: $input) { accessToken refreshToken accessTokenExpiresAt user { id email } } }";
const SIGN_OUT: &str = "mutation { signOut { signedOut } }";
const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) { user { id } } }";

fn credentials(email: &str, password: &str) -> Value {
    json!({ "input": { "email": email, "password": password } })
}

async fn sign_in(person: &Client) -> Client {
    let account = &person.account;
    let data = person.ok(SIGN_IN, credentials(&account.email, &account.password)).await;
    person.holding(&data["signIn"])
}

async fn refresh(person: &Client) -> Result<Client, Refusal> {
    let variables = json!({ "input": { "refreshToken": person.account.refresh_token } });
    let response = person.query(REFRESH, variables).await;
    if response.errors.is_empty() {
        Ok(person.holding(&response.data["refreshSession"]))
    } else {
        Err(response.refusal())
    }
}

async fn is_signed_in(person: &Client) -> bool {
    let response = person.query(VIEWER, json!({})).await;
    if response.errors.is_empty() {
        assert_eq!(response.data["viewer"]["id"], person.account.id);
        return true;
    }
    assert_eq!(response.refusal().code, "UNAUTHENTICATED");
    false
}

#[tokio::test]
async fn signing_up_makes_a_person_with_a_personal_team() {
    let server = TestServer::start().await;
    let ada = server.sign_up("Ada").await;
    let viewer = ada.ok(VIEWER, json!({})).await["viewer"].clone();
    assert_eq!(viewer["email"], ada.account.email);
    assert_eq!(viewer["name"], "Ada");
    assert_eq!(viewer["personalTeam"], json!({ "name": "Ada", "personal": true }));
    assert_eq!(viewer["teams"]["nodes"], json!([{ "personal": true }]));
    assert_eq!(server.client().code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_spelled() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    for email in [ada.account.email.clone(), ada.account.email.to_uppercase(), format!(" {} ", ada.account.email)] {
        let input = json!({ "input": { "email": email, "name": "Eve", "password": "another long secret" } });
        assert_eq!(server.client().code(SIGN_UP, input).await, "CONFLICT", "{email}");
    }
    let shouted = credentials(&ada.account.email.to_uppercase(), &ada.account.password);
    assert_eq!(server.client().ok(SIGN_IN, shouted).await["signIn"]["user"]["id"], ada.account.id);
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_sign_up_is_said_at_once() {
    let server = TestServer::start().await;
    let input = json!({ "input": { "email": "nobody", "name": "", "password": "short" } });
    let refusal = server.client().refusal(SIGN_UP, input).await;
    assert_eq!(refusal.code, "INVALID_INPUT");
    let said = refusal.extensions.to_string();
    for field in ["email", "name", "password"] {
        assert!(said.contains(field), "{field} is missing in {said}");
    }
    for password in ["passwordpassword", "aaaaaaaaaaaaaaaa", "eve-of-example@example.com"] {
        let input = json!({ "input": { "email": "eve-of-example@example.com", "name": "Eve", "password": password } });
        let refusal = server.client().refusal(SIGN_UP, input).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{password}");
        assert!(!format!("{refusal:?}").contains("passwordpassword"), "a password is repeated: {refusal:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let wrong = server.client().refusal(SIGN_IN, credentials(&ada.account.email, "not the right secret")).await;
    let unknown = server.client().refusal(SIGN_IN, credentials("nobody@example.com", "not the right secret")).await;
    let malformed = server.client().refusal(SIGN_IN, credentials("nobody", "")).await;
    assert_eq!(wrong.code, "UNAUTHENTICATED");
    assert_eq!((&wrong, &wrong), (&unknown, &malformed));
    assert!(is_signed_in(&sign_in(&ada).await).await);
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_the_session_goes_on() {
    let server = TestServer::start().await;
    let first = server.sign_up("ada").await;
    let second = refresh(&first).await.unwrap();
    let third = refresh(&second).await.unwrap();
    let tokens = [&first, &second, &third].map(|client| client.account.refresh_token.clone());
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
    assert!(is_signed_in(&third).await);
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_whole_session_and_no_other() {
    let server = TestServer::start().await;
    let stolen = server.sign_up("ada").await;
    let elsewhere = sign_in(&stolen).await;
    let second = refresh(&stolen).await.unwrap();
    let newest = refresh(&second).await.unwrap();
    assert!(is_signed_in(&newest).await);
    assert_eq!(refresh(&stolen).await.err().unwrap().code, "UNAUTHENTICATED");
    assert!(!is_signed_in(&newest).await, "the thief, or the robbed, still has a session");
    assert_eq!(refresh(&newest).await.err().unwrap().code, "UNAUTHENTICATED");
    assert!(is_signed_in(&elsewhere).await && refresh(&elsewhere).await.is_ok());
}

#[tokio::test]
async fn of_two_refreshes_at_once_at_most_one_succeeds() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (a, b, c) = tokio::join!(refresh(&ada), refresh(&ada), refresh(&ada));
    let succeeded = [&a, &b, &c].into_iter().filter(|result| result.is_ok()).count();
    assert_eq!(succeeded, 1, "{:?}", [a.err(), b.err(), c.err()]);
    assert!(!is_signed_in(&ada).await, "a token that two use has been stolen by one of them");
}

#[tokio::test]
async fn signing_out_counts_at_once_and_for_this_session_only() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let elsewhere = sign_in(&ada).await;
    assert!(is_signed_in(&ada).await);
    assert_eq!(ada.ok(SIGN_OUT, json!({})).await["signOut"]["signedOut"], true);
    assert!(!is_signed_in(&ada).await);
    assert_eq!(refresh(&ada).await.err().unwrap().code, "UNAUTHENTICATED");
    assert!(is_signed_in(&elsewhere).await);
    assert_eq!(server.client().code(SIGN_OUT, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_account_and_for_the_client() {
    let six = NonZeroU32::new(6).unwrap();
    let server = TestServer::start_with(|config| config.sign_in_attempts_per_minute = six).await;
    let ada = server.sign_up("ada").await;
    // The account has had its sign-up and one guess by now; two is what it may.
    let guess = credentials(&ada.account.email, "not the right secret");
    assert_eq!(server.client().code(SIGN_IN, guess.clone()).await, "UNAUTHENTICATED");
    let limited = server.client().refusal(SIGN_IN, guess).await;
    assert_eq!(limited.code, "RATE_LIMITED");
    let wait = limited.extensions["retryAfterSeconds"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let right = credentials(&ada.account.email, &ada.account.password);
    assert_eq!(server.client().code(SIGN_IN, right).await, "RATE_LIMITED", "a lucky guess still counts");
    let mut codes = Vec::new();
    for number in 0..6 {
        let guess = credentials(&format!("victim{number}@example.com"), "not the right secret");
        codes.push(server.client().code(SIGN_IN, guess).await);
    }
    assert_eq!(codes.first().map(String::as_str), Some("UNAUTHENTICATED"), "another account is not affected");
    assert_eq!(codes.last().map(String::as_str), Some("RATE_LIMITED"), "one client, many accounts");
    assert!(is_signed_in(&ada).await, "who is signed in is not affected");
}
