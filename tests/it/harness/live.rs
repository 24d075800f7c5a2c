//! Somebody who follows things over a WebSocket, as the graphql-ws client does.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;
use super::client::{Client, text};

pub(crate) const PROTOCOL: &str = "graphql-transport-ws";

/// One connection.
pub(crate) struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What the server says.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A message.
    Message(Value),
    /// The end, with its code and its reason.
    Closed(u16, String),
}

impl Live {
    /// A connection on which nothing has been said yet.
    pub(crate) async fn open(client: &Client, protocol: Option<&str>) -> Option<Self> {
        let url = format!("{}/graphql", client.base.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        Some(Self { socket: connect_async(request).await.ok()?.0 })
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next thing that the server says, pings apart.
    pub(crate) async fn hear(&mut self) -> Heard {
        let heard = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return Heard::Message(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Heard::Closed(frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(Message::Ping(_))) => {}
                    other => panic!("neither a message nor a close with a code: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("the server says nothing"))
    }

    /// The close code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code, _) = self.hear().await {
                return code;
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, id: &str, document: &str, variables: Value) {
        let payload = json!({ "query": document, "variables": variables });
        self.say(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// The data of the next item of the one subscription.
    pub(crate) async fn item(&mut self) -> Value {
        let heard = self.hear().await;
        let Heard::Message(message) = heard else { panic!("{heard:?}") };
        assert!(message["type"] == "next" && message["payload"]["errors"].is_null(), "{message}");
        message["payload"]["data"].clone()
    }

    /// The error that the one subscription ends with, whatever it says before, and when.
    pub(crate) async fn error(&mut self) -> (Value, Instant) {
        loop {
            let heard = self.hear().await;
            let Heard::Message(message) = heard else { panic!("{heard:?}") };
            let payload = &message["payload"];
            let error = if message["type"] == "error" { &payload[0] } else { &payload["errors"][0] };
            assert_ne!(message["type"], "complete", "it ended without an error");
            if error.is_object() {
                let at = Instant::now();
                if message["type"] == "next" {
                    let end = self.hear().await;
                    assert_eq!(
                        end,
                        Heard::Message(json!({ "id": message["id"], "type": "complete" })),
                        "nothing after"
                    );
                }
                return (error.clone(), at);
            }
        }
    }

    /// The code and the message of that error, and when.
    pub(crate) async fn cut(&mut self) -> (String, String, Instant) {
        let (error, at) = self.error().await;
        (text(&error["extensions"]["code"]), text(&error["message"]), at)
    }

    /// Until the stream has ended by itself; what it said.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut items = Vec::new();
        loop {
            let heard = self.hear().await;
            let Heard::Message(message) = heard else { panic!("{heard:?}") };
            if message["type"] == "complete" {
                return items;
            }
            assert!(message["payload"]["errors"].is_null(), "{message}");
            items.push(message["payload"]["data"].clone());
        }
    }
}

impl Client {
    /// A connection of this person, acknowledged.
    pub(crate) async fn live(&self) -> Live {
        let mut live = Live::open(self, Some(PROTOCOL)).await.unwrap();
        live.say(self.init()).await;
        assert_eq!(live.hear().await, Heard::Message(json!({ "type": "connection_ack" })));
        live
    }

    /// The first message.
    pub(crate) fn init(&self) -> Value {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        json!({ "type": "connection_init", "payload": { "authorization": authorization } })
    }

    /// A connection that follows one thing.
    pub(crate) async fn follow(&self, document: &str, variables: Value) -> Live {
        let mut live = self.live().await;
        live.subscribe("it", document, variables).await;
        live
    }
}
