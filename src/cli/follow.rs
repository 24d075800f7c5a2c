//! A log as it comes: one subscription over one WebSocket, and another one behind the last line when that breaks. It must not know
//! which command wants it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{Client, error_of};
use super::deployment::{LogLine, Window};
use super::exit::Exit;
use super::failure::Failure;
use super::output::{Output, one_line};
use crate::domain::invalid::quote;
use crate::sys::clock;

const PROTOCOL: HeaderValue = HeaderValue::from_static("graphql-transport-ws");
const ENVIRONMENT: &str = "subscription Follow($id: ID!, $last: Int!, $after: String, $since: DateTime) {
  line: environmentLog(environmentId: $id, last: $last, after: $after, since: $since) {
    cursor at stream instance text missed
  }
}";
const DEPLOYMENT: &str =
    "subscription Follow($id: ID!, $kind: LogKind!, $last: Int!, $after: String, $since: DateTime) {
  line: deploymentLog(deploymentId: $id, kind: $kind, last: $last, after: $after, since: $since) {
    cursor at stream instance text missed
  }
}";
/// How long the server may be away: a restart, an upgrade.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Whose log.
pub(super) enum Whose {
    /// Of whatever the environment with this id serves.
    Environment(String),
    /// Of the deployment with this id: `RUNTIME` or `BUILD`.
    Deployment(String, &'static str),
}

/// Shows the lines that were asked for and each that comes, until no more can come or nobody reads them. When the server goes away
/// it waits for it, and goes on behind the last line.
pub(super) async fn follow(client: &Client, output: Output, whose: Whose, window: Window) -> Result<Exit, Failure> {
    let mut window = window;
    let mut lost = None;
    loop {
        let mut greeted = false;
        match once(client, output, &whose, &mut window, &mut greeted).await {
            Err(failure) if failure.exit == Exit::Unavailable => {
                if greeted {
                    lost = Some(clock::instant());
                    output.note("the connection broke, waiting for the server");
                }
                if lost.is_none_or(|lost| lost.elapsed() > PATIENCE) {
                    return Err(failure);
                }
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}

/// One connection; the window begins behind the last line that was shown.
async fn once(
    client: &Client,
    output: Output,
    whose: &Whose,
    window: &mut Window,
    greeted: &mut bool,
) -> Result<Exit, Failure> {
    let broken = |error: Error| {
        let message = format!("the connection to {} broke ({error}), try again", quote(client.server()));
        Failure::new(Exit::Unavailable, message)
    };
    let address = format!("{}/graphql", client.server().replacen("http", "ws", 1));
    let mut request = address.into_client_request().map_err(broken)?;
    request.headers_mut().insert("sec-websocket-protocol", PROTOCOL);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.map_err(broken)?;
    let authorization = format!("Bearer {}", client.token()?);
    let (document, id, kind) = match whose {
        Whose::Environment(id) => (ENVIRONMENT, id, None),
        Whose::Deployment(id, kind) => (DEPLOYMENT, id, Some(*kind)),
    };
    let mut variables = window.variables();
    variables["id"] = json!(id);
    if let Some(kind) = kind {
        variables["kind"] = json!(kind);
    }
    let subscription = json!({ "query": document, "variables": variables });
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
                *window = Window { after: Some(line.cursor), since: None, ..*window };
            }
            Heard::Begun => {
                *greeted = true;
                socket.send(Message::text(subscribe.to_string())).await.map_err(broken)?;
            }
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
        let line = json!({ "cursor": "c", "at": "2026-01-01T00:00:00Z", "stream": "STDOUT", "text": "x" });
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
