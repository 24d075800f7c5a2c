//! The words of `graphql-transport-ws`, as the graphql-ws project specifies them. It must not know what is followed.

use async_graphql::Response as Answer;
use poem::web::websocket::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::http::graphql::{complete, refused};

/// Its name.
pub(super) const NAME: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    /// Who it is.
    ConnectionInit {
        /// With `authorization`, as the header of the same name.
        #[serde(default)]
        payload: Option<Value>,
    },
    /// Whether the server is there.
    Ping {
        /// Comes back.
        #[serde(default)]
        payload: Option<Value>,
    },
    /// That it is there.
    Pong,
    /// What it wants to follow.
    Subscribe {
        /// Its own name for it.
        id: String,
        /// The document with its variables.
        payload: Box<async_graphql::Request>,
    },
    /// What it follows no longer.
    Complete {
        /// Its own name for it.
        id: String,
    },
}

/// Why a connection ends.
pub(super) enum End {
    /// The client is told why.
    Close(u16, String),
    /// There is nobody to tell.
    Gone,
}

impl End {
    fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }

    pub(super) fn stopping() -> Self {
        Self::close(1001, "the server stops; connect again")
    }
    pub(super) fn text_only() -> Self {
        Self::close(1003, "messages have to be text")
    }
    pub(super) fn too_large(most: usize) -> Self {
        Self::Close(1009, format!("a message has to be at most {most} bytes long"))
    }
    pub(super) fn unreadable() -> Self {
        Self::close(4400, "a message is none of this protocol")
    }
    pub(super) fn not_begun() -> Self {
        Self::close(4401, "send `connection_init` first")
    }
    pub(super) fn session_ended() -> Self {
        Self::close(4403, "the session has ended; sign in again")
    }
    pub(super) fn other_protocol() -> Self {
        Self::Close(4406, format!("connect with the subprotocol `{NAME}`"))
    }
    pub(super) fn too_slow() -> Self {
        Self::close(4408, "`connection_init` did not come in time")
    }
    pub(super) fn twice() -> Self {
        Self::close(4409, "a subscription with this id is open")
    }
    pub(super) fn begun_twice() -> Self {
        Self::close(4429, "send `connection_init` once")
    }

    /// Whoever could not be let in may come again, with a better proof or at a better time.
    pub(super) fn refused(error: &Error) -> Self {
        match error {
            Error::Unauthenticated(text) => Self::Close(4403, text.clone()),
            Error::Unavailable(text) => Self::Close(1013, text.clone()),
            other => Self::Close(4500, other.message()),
        }
    }
}

pub(super) fn acknowledged() -> Message {
    text(&json!({ "type": "connection_ack" }))
}

pub(super) fn pong(payload: Option<Value>) -> Message {
    match payload {
        Some(payload) => text(&json!({ "type": "pong", "payload": payload })),
        None => text(&json!({ "type": "pong" })),
    }
}

/// An item; or the refusal of a document that was not executed.
pub(super) fn next(id: &str, mut answer: Answer, request_id: &str) -> Message {
    complete(&mut answer, request_id);
    if refused(&answer) {
        text(&json!({ "id": id, "type": "error", "payload": answer.errors }))
    } else {
        text(&json!({ "id": id, "type": "next", "payload": answer }))
    }
}

/// The refusal of what was not even tried.
pub(super) fn refusal(id: &str, error: Error, request_id: &str) -> Message {
    let error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
    next(id, Answer::from_errors(vec![error]), request_id)
}

pub(super) fn completed(id: &str) -> Message {
    text(&json!({ "id": id, "type": "complete" }))
}

fn text(value: &Value) -> Message {
    Message::text(value.to_string())
}
