//! Clients who do not keep to the protocol, or ask for too much, are told so by a close code or an error of their own.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{DEPLOYMENTS, ENVIRONMENT_LOG, id};
use crate::harness::{Client, Heard, Live, PROTOCOL, TestServer};

async fn opened(client: &Client) -> Live {
    Live::open(client, Some(PROTOCOL)).await.unwrap()
}

#[tokio::test]
async fn who_does_not_keep_to_the_protocol_is_told_by_a_close_code() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": DEPLOYMENTS } });
    let text = |value: &Value| Message::text(value.to_string());
    let init = text(&ada.init());
    for (messages, code) in [
        (vec![text(&subscribe)], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![text(&json!({ "type": "connection_init" }))], 4403),
        (vec![text(&ada.with_token("e30.e30.e30").init())], 4403),
        (vec![text(&json!({ "type": "connection_init", "payload": { "authorization": 7 } }))], 4403),
        (vec![init.clone(), Message::text("{")], 4400),
        (vec![init.clone(), text(&json!({ "type": "start", "id": "1" }))], 4400),
        (vec![init.clone(), text(&json!({ "type": "subscribe", "id": "1" }))], 4400),
        (vec![Message::binary(vec![0; 10])], 1003),
        (vec![Message::text("x".repeat(200_000))], 1009),
    ] {
        let said = format!("{messages:?}");
        let mut live = opened(&ada).await;
        for message in messages {
            live.send(message).await;
        }
        assert_eq!(live.closed().await, code, "{}", said.chars().take(200).collect::<String>());
    }
    assert_eq!(Live::open(&ada, None).await.unwrap().closed().await, 4406, "no subprotocol");
    assert!(Live::open(&ada, Some("graphql-ws")).await.is_none(), "another subprotocol is not agreed to");
    // Whoever only opens a connection does not keep it.
    assert_eq!(opened(&ada).await.closed().await, 4408);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let mut live = ada.live().await;
    let deep = format!("subscription {{ {} a {} }}", "a { ".repeat(60), "}".repeat(60));
    let fragment = format!(
        "fragment f on Subscription {{ {} }} subscription {{ ...f }}",
        "environmentLog(environmentId: \"x\") { text }"
    );
    for (document, code) in [
        ("query { viewer { id } }", "INVALID_INPUT"),
        ("mutation { signOut { signedOut } }", "INVALID_INPUT"),
        ("subscription {", "INVALID_INPUT"),
        ("subscription { nothing }", "INVALID_INPUT"),
        (fragment.as_str(), "INVALID_INPUT"),
        (
            "subscription { a: environmentLog(environmentId: \"x\") { text } b: environmentLog(environmentId: \"x\") { text } }",
            "INVALID_INPUT",
        ),
        ("subscription { environmentLog(environmentId: \"x\") { text } }", "INVALID_INPUT"),
        ("subscription { environmentLog(environmentId: \"x\", last: -1) { text } }", "INVALID_INPUT"),
        (deep.as_str(), "TOO_COMPLEX"),
    ] {
        live.subscribe("it", document, json!({})).await;
        assert_eq!(live.cut().await.0, code, "{document}");
    }
    live.say(json!({ "type": "ping", "payload": { "at": 1 } })).await;
    assert_eq!(live.hear().await, Heard::Message(json!({ "type": "pong", "payload": { "at": 1 } })));
    for number in 0..50 {
        live.subscribe(&number.to_string(), ENVIRONMENT_LOG, id(&environment.id)).await;
    }
    live.subscribe("one too many", ENVIRONMENT_LOG, id(&environment.id)).await;
    assert_eq!(live.cut().await.0, "TOO_COMPLEX");
    live.say(json!({ "id": "7", "type": "complete" })).await;
    live.subscribe("7", ENVIRONMENT_LOG, id(&environment.id)).await;
    live.subscribe("8", ENVIRONMENT_LOG, id(&environment.id)).await;
    assert_eq!(live.closed().await, 4409, "the same id twice");
    assert_eq!(ada.code(ENVIRONMENT_LOG, id(&environment.id)).await, "INVALID_INPUT", "by POST");
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let mut live = ada.follow(ENVIRONMENT_LOG, id(&environment.id)).await;
    let stopped = tokio::spawn(async move { live.closed().await });
    server.restart().await;
    assert_eq!(stopped.await.unwrap(), 1001);
}
