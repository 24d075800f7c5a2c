//! A log as it comes: one subscription over one WebSocket. It must not know which command wants it.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{Client, error_of};
use super::deployment::LogLine;
use super::exit::Exit;
use super::failure::Failure;
use super::output::{Output, one_line};
use crate::domain::invalid::quote;

const PROTOCOL: HeaderValue = HeaderValue::from_static("graphql-transport-ws");
const ENVIRONMENT: &str = "subscription Follow($id: ID!, $last: Int!) {
  line: environmentLog(environmentId: $id, last: $last) { at stream text }
}";
const DEPLOYMENT: &str = "subscription Follow($id: ID!, $last: Int!) {
  line: deploymentLog(deploymentId: $id, last: $last) { at stream text }
}";

/// Whose log.
pub(super) enum Whose {
    /// Of whatever the environment with this id serves.
    Environment(String),
    /// Of the deployment with this id.
    Deployment(String),
}

/// Shows the last lines and each that comes, until no more can come or nobody reads them.
pub(super) async fn follow(client: &Client, output: Output, whose: Whose, last: u32) -> Result<Exit, Failure> {
    let broken = |error: Error| {
        let message = format!("the connection to {} broke ({error}), try again", quote(client.server()));
        Failure::new(Exit::Unavailable, message)
    };
    let address = format!("{}/graphql", client.server().replacen("http", "ws", 1));
    let mut request = address.into_client_request().map_err(broken)?;
    request.headers_mut().insert("sec-websocket-protocol", PROTOCOL);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.map_err(broken)?;
    let authorization = format!("Bearer {}", client.token()?);
    let (document, id) = match whose {
        Whose::Environment(id) => (ENVIRONMENT, id),
        Whose::Deployment(id) => (DEPLOYMENT, id),
    };
    let subscription = json!({ "query": document, "variables": { "id": id, "last": last } });
    let init = json!({ "type": "connection_init", "payload": { "authorization": authorization } });
    let subscribe = json!({ "type": "subscribe", "id": "log", "payload": subscription });
    socket.send(Message::text(init.to_string())).await.map_err(broken)?;
    loop {
        let said = match socket.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap_or_default(),
            Some(Ok(Message::Close(frame))) => {
                let (code, why) = frame.map_or((1006, String::new()), |it| (u16::from(it.code), it.reason.to_string()));
                let exit = if code == 4403 { Exit::NotSignedIn } else { Exit::Unavailable };
                return Err(Failure::new(exit, format!("the server closed the connection: {}", one_line(&why))));
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(broken(error)),
            None => return Err(broken(Error::ConnectionClosed)),
        };
        match heard(said)? {
            Heard::Line(line) => {
                if !output.line(&line, &line.text())? {
                    return Ok(Exit::Ok);
                }
            }
            Heard::Begun => socket.send(Message::text(subscribe.to_string())).await.map_err(broken)?,
            Heard::Nothing => {}
            Heard::End => return Ok(Exit::Ok),
        }
    }
}

enum Heard {
    Begun,
    Line(LogLine),
    Nothing,
    End,
}

/// What a message of the server means. What this program is too old to know means nothing.
fn heard(mut message: Value) -> Result<Heard, Failure> {
    let payload = message["payload"].take();
    match message["type"].as_str() {
        Some("connection_ack") => Ok(Heard::Begun),
        Some("complete") => Ok(Heard::End),
        Some("error") => Err(error_of(&payload).unwrap_or_else(unknown)),
        Some("next") => {
            if let Some(failure) = error_of(&payload["errors"]) {
                return Err(failure);
            }
            serde_json::from_value(payload["data"]["line"].clone()).map(Heard::Line).map_err(|_| unknown())
        }
        Some(_) | None => Ok(Heard::Nothing),
    }
}

fn unknown() -> Failure {
    Failure::new(Exit::Failed, "the server's answer is not understood, use the version of `reeve` that it runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_lines_and_one_end() {
        let line = json!({ "at": "2026-01-01T00:00:00Z", "stream": "STDOUT", "text": "x" });
        let next = json!({ "type": "next", "id": "log", "payload": { "data": { "line": line } } });
        assert!(matches!(heard(next), Ok(Heard::Line(line)) if line.text == "x"));
        assert!(matches!(heard(json!({ "type": "complete", "id": "log" })), Ok(Heard::End)));
        assert!(matches!(heard(json!({ "type": "pong" })), Ok(Heard::Nothing)));
        let errors = json!([{ "message": "no", "extensions": { "code": "FORBIDDEN" } }]);
        let cut = json!({ "type": "next", "payload": { "data": null, "errors": errors } });
        assert!(heard(cut).is_err_and(|failure| failure.exit == Exit::Refused));
        assert!(heard(json!({ "type": "error", "payload": errors })).is_err_and(|it| it.exit == Exit::Refused));
        assert!(heard(json!({ "type": "next", "payload": {} })).is_err_and(|it| it.exit == Exit::Failed));
    }
}
