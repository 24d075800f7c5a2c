//! Subscriptions over WebSockets: one connection of one session, several subscriptions on it. It must not know who may follow
//! what: every stream comes from the schema below its guard.

mod protocol;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response as Answer;
use futures_util::stream::{AbortHandle, Abortable, BoxStream, SelectAll, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use poem::web::Data;
use poem::web::websocket::{CloseCode, Message, WebSocket, WebSocketConfig, WebSocketStream};
use poem::{IntoResponse, Request, Response, handler};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{document, graphql, request};
use crate::error::{Error, Result};
use crate::graphql::context::RequestContext;
use crate::graphql::schema::ReeveSchema;
use crate::op::{Actor, Op};
use crate::service::presence::Attendance;
use crate::service::{App, session};
use crate::sys::clock;
use protocol::{End, Said};

/// Bytes of a message; a document may have half of it.
const LARGEST: usize = 128 * 1024;
/// Bytes beyond which a message is not even read, so that the client is not told why.
const UNREAD: usize = 1024 * 1024;
/// Subscriptions of one connection.
const MOST: usize = 50;
/// How long a client may take to say who it is.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// After this long without a word it is not.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a client may take to take a message.
const SLOWEST: Duration = Duration::from_secs(20);
/// How long a client may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The connections that are open, and what ends them all.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) connections: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// `GET /graphql` with an upgrade.
#[handler]
pub(super) async fn connect(
    schema: Data<&ReeveSchema>,
    app: Data<&Arc<App>>,
    open: Data<&Open>,
    request: &Request,
    socket: poem::Result<WebSocket>,
) -> Response {
    let Ok(socket) = socket else { return graphql::method_not_allowed() };
    let offered = request.header("sec-websocket-protocol").unwrap_or_default();
    let agreed = offered.split(',').any(|offer| offer.trim() == protocol::NAME);
    let (schema, app, stop) = (schema.clone(), Arc::clone(&app), open.stop.clone());
    let (request_id, client) = (request::id(request), request::client(request));
    let header = request.header("authorization").map(str::to_owned);
    let connections = open.connections.clone();
    let serve = move |socket| {
        let (admitted, open, answers) = (None, HashMap::new(), SelectAll::new());
        let connection = Connection { schema, app, stop, request_id, client, header, admitted, open, answers };
        connections.track_future(connection.serve(socket, agreed))
    };
    let config = WebSocketConfig::default().max_message_size(Some(UNREAD)).max_frame_size(Some(UNREAD));
    socket.protocols([protocol::NAME]).config(config).on_upgrade(serve).into_response()
}

/// One connection.
struct Connection {
    schema: ReeveSchema,
    app: Arc<App>,
    stop: CancellationToken,
    request_id: String,
    client: String,
    /// The header that came with the upgrade; browsers cannot send it.
    header: Option<String>,
    admitted: Option<Admitted>,
    open: HashMap<String, AbortHandle>,
    answers: SelectAll<BoxStream<'static, (String, Option<Answer>)>>,
}

/// Who it is of.
struct Admitted {
    actor: Actor,
    attendance: Attendance,
}

type Sink = SplitSink<WebSocketStream, Message>;

impl Connection {
    async fn serve(mut self, socket: WebSocketStream, agreed: bool) {
        let (mut sink, mut stream) = socket.split();
        let end = if agreed { self.run(&mut sink, &mut stream).await } else { End::other_protocol() };
        // What is open ends before anybody waits for the client.
        drop(self);
        if let End::Close(code, reason) = end {
            let close = Message::Close(Some((CloseCode::from(code), cut(reason))));
            let goodbye = async {
                if sink.send(close).await.is_ok() {
                    while let Some(Ok(_)) = stream.next().await {}
                }
            };
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }

    async fn run(&mut self, sink: &mut Sink, stream: &mut SplitStream<WebSocketStream>) -> End {
        let first_word = tokio::time::sleep(FIRST_WORD);
        tokio::pin!(first_word);
        let mut ping = tokio::time::interval(PING);
        let mut heard = clock::instant();
        let stop = self.stop.clone();
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => Err(End::stopping()),
                () = ended(self.admitted.as_ref()) => Err(End::session_ended()),
                () = &mut first_word, if self.admitted.is_none() => Err(End::too_slow()),
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE { Err(End::Gone) } else { send(sink, Message::ping(Vec::new())).await }
                }
                message = stream.next() => {
                    heard = clock::instant();
                    self.hear(sink, message).await
                }
                Some((id, answer)) = self.answers.next(), if !self.answers.is_empty() => {
                    self.tell(sink, &id, answer).await
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn hear(&mut self, sink: &mut Sink, message: Option<std::io::Result<Message>>) -> Result<(), End> {
        let text = match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(End::text_only()),
            Some(Ok(Message::Text(text))) => text,
        };
        if text.len() > LARGEST {
            return Err(End::too_large(LARGEST));
        }
        match serde_json::from_str(&text).map_err(|_| End::unreadable())? {
            Said::ConnectionInit { .. } if self.admitted.is_some() => Err(End::begun_twice()),
            Said::ConnectionInit { payload } => {
                self.admitted = Some(self.admit(payload).await.map_err(|error| End::refused(&error))?);
                send(sink, protocol::acknowledged()).await
            }
            Said::Ping { payload } => send(sink, protocol::pong(payload)).await,
            Said::Pong => Ok(()),
            Said::Subscribe { id, payload } => self.subscribe(sink, id, *payload).await,
            Said::Complete { id } => {
                if let Some(open) = self.open.remove(&id) {
                    open.abort();
                }
                Ok(())
            }
        }
    }

    /// Who the client is, by its first message or by the header of the upgrade. Nobody in particular follows nothing.
    async fn admit(&mut self, payload: Option<Value>) -> Result<Admitted> {
        let given = payload.as_ref().and_then(|payload| payload.get("authorization")?.as_str());
        let token = given.or(self.header.as_deref()).and_then(request::token);
        let missing =
            || Error::Unauthenticated("send `authorization` with `connection_init`: sign in first".to_owned());
        let actor = session::authenticate(&self.app, &self.app.store, token.ok_or_else(missing)?).await?;
        let Actor::User { session, .. } = actor else { return Err(missing()) };
        Ok(Admitted { actor, attendance: self.app.presence.attend(session) })
    }

    async fn subscribe(&mut self, sink: &mut Sink, id: String, asked: async_graphql::Request) -> Result<(), End> {
        let Some(admitted) = &self.admitted else { return Err(End::not_begun()) };
        if self.open.contains_key(&id) {
            return Err(End::twice());
        }
        let asked = match self.weighed(asked) {
            Ok(asked) => asked,
            Err(error) => return send(sink, protocol::refusal(&id, error, &self.request_id)).await,
        };
        let standings = self.app.standings.clone();
        let op = Op::new(admitted.actor, self.request_id.clone(), self.app.store.counting(), standings);
        let context = RequestContext::new(self.app.clone(), op, self.client.clone());
        let (name, end) = (id.clone(), id.clone());
        let answers = self.schema.execute_stream(asked.data(context)).map(move |answer| (name.clone(), Some(answer)));
        let answers = answers.chain(futures_util::stream::once(async move { (end, None) }));
        let (abort, registration) = AbortHandle::new_pair();
        self.answers.push(Abortable::new(answers, registration).boxed());
        self.open.insert(id, abort);
        Ok(())
    }

    /// Refuses what is too much, and what is no subscription.
    fn weighed(&self, mut asked: async_graphql::Request) -> Result<async_graphql::Request> {
        if self.open.len() >= MOST {
            return Err(Error::TooComplex(format!("a connection carries at most {MOST} subscriptions; open another")));
        }
        let inspected = document::inspect(&asked.query, asked.operation_name.as_deref(), &asked.variables)?;
        if !inspected.subscription {
            let text = "only subscriptions go over a WebSocket; send queries and mutations by POST";
            return Err(Error::invalid("query", "transport", text));
        }
        if inspected.roots.len() != 1 || inspected.roots.iter().any(|root| root == "…") {
            let text = "a subscription has exactly one field at its root, in no fragment";
            return Err(Error::invalid("query", "one_root", text));
        }
        asked.set_parsed_query(inspected.document);
        Ok(asked)
    }

    async fn tell(&mut self, sink: &mut Sink, id: &str, answer: Option<Answer>) -> Result<(), End> {
        match answer {
            Some(answer) => {
                if graphql::refused(&answer) {
                    // That was its last word.
                    self.open.remove(id).inspect(AbortHandle::abort);
                }
                send(sink, protocol::next(id, answer, &self.request_id)).await
            }
            None => {
                self.open.remove(id);
                send(sink, protocol::completed(id)).await
            }
        }
    }
}

async fn ended(admitted: Option<&Admitted>) {
    match admitted {
        Some(admitted) => admitted.attendance.ended().await,
        None => std::future::pending().await,
    }
}

async fn send(sink: &mut Sink, message: Message) -> Result<(), End> {
    match tokio::time::timeout(SLOWEST, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

/// A reason has 123 bytes in the protocol.
fn cut(mut reason: String) -> String {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}
