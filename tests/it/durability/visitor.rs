//! Visitors of an environment's link: one that keeps its connection, and a watch that never looks away while a server
//! recovers. They must not know what the answers should have been.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::program;
use crate::harness::{eventually, host};

/// What is seen of a program that is being brought back.
pub(crate) const STARTING: &str = "starting";

/// One connection, kept as long as the edge keeps it: when an answer says that it is the last, there is another.
pub(crate) struct Visitor {
    sender: SendRequest<Empty<Bytes>>,
    edge: SocketAddr,
    host: String,
    closes: bool,
}

impl Visitor {
    /// Connects as soon as somebody listens.
    pub(crate) async fn connect(edge: SocketAddr, link: &str) -> Self {
        eventually("the edge listens", async || Self::at_once(edge, &host(link)).await.ok()).await
    }

    /// Connects, if somebody listens, for requests to a host.
    pub(crate) async fn at_once(edge: SocketAddr, host: &str) -> std::io::Result<Self> {
        let sender = connected(edge).await?;
        Ok(Self { sender, edge, host: host.to_owned(), closes: false })
    }

    /// The version that answers, [`STARTING`], or in words what else came instead of a whole page.
    pub(crate) async fn visit(&mut self) -> String {
        self.ask().await.unwrap_or_else(|error| format!("no answer: {error:?}"))
    }

    async fn ask(&mut self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        if std::mem::take(&mut self.closes) {
            self.sender = connected(self.edge).await?;
        }
        let request = Request::get("/").header("host", &self.host).header("accept", "application/json");
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Empty::new()).unwrap()).await?;
        let status = answer.status();
        self.closes = answer.headers().get("connection").is_some_and(|value| value == "close");
        let body = answer.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body);
        Ok(match (status.as_u16(), program::version(&body)) {
            (200, Some(version)) => version.to_owned(),
            (503, _) if body.contains("\"starting\"") => STARTING.to_owned(),
            _ => format!("{status}: {body}"),
        })
    }
}

async fn connected(edge: SocketAddr) -> std::io::Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(edge).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// What was seen, in order; the same seen often in a row counts once, with how often.
pub(crate) type Seen = Vec<(String, u64)>;

/// Somebody who asks again and again, from the moment on that anybody listens.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Begins, also while nobody listens yet.
    pub(crate) fn begin(edge: SocketAddr, link: &str) -> Self {
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), CancellationToken::new());
        let (link, shared, stopped) = (link.to_owned(), seen.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut visitor = Visitor::connect(edge, &link).await;
            while !stopped.is_cancelled() {
                let answer = visitor.visit().await;
                let ended = answer.starts_with("no answer");
                note(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), answer);
                if ended {
                    return;
                }
            }
        });
        Self { seen, stop, task }
    }

    /// What has been seen until now.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this is what the link answers.
    pub(crate) async fn until(&self, version: &str) {
        let what = format!("the link answers {version}");
        eventually(&what, async || {
            let seen = self.seen();
            let broken = seen.iter().find(|(answer, _)| answer.contains(':'));
            assert!(broken.is_none(), "while waiting until {what}: {seen:?}");
            seen.last().is_some_and(|(answer, _)| answer == version).then_some(())
        })
        .await;
    }

    /// How many answers there were.
    pub(crate) fn count(&self) -> u64 {
        self.seen().iter().map(|(_, times)| times).sum()
    }

    /// Ends with the answer that is under way.
    pub(crate) async fn end(self) -> Seen {
        self.stop.cancel();
        self.task.await.unwrap();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn note(seen: &mut Seen, answer: String) {
    match seen.last_mut() {
        Some((last, times)) if *last == answer => *times += 1,
        _ => seen.push((answer, 1)),
    }
}
