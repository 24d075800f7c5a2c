//! What the tests of edge and runtime share: a rig around the edge, programs in this process, raw connections.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use reeve::edge::{
    EdgeConfig, EdgeHandle,
    routes::{Route, RouteTable, TargetSpec},
    static_site::{SiteOptions, StaticFile, StaticSite},
    tls::Certificate,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// An edge and the hand that publishes its tables.
pub(crate) struct Rig {
    pub(crate) edge: EdgeHandle,
    sender: watch::Sender<Arc<RouteTable>>,
    table: Mutex<RouteTable>,
}

impl Rig {
    pub(crate) async fn new(config: EdgeConfig) -> Self {
        let table = RouteTable { version: 1, base_domain: "apps.test".to_owned(), ..RouteTable::default() };
        let (sender, receiver) = watch::channel(Arc::new(table.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let edge = EdgeHandle::start(listener, receiver, config).unwrap();
        Self { edge, sender, table: Mutex::new(table) }
    }

    /// Publishes a table in which `host` leads to `deployment`, and waits until it is served.
    pub(crate) async fn route(&self, host: &str, deployment: &str, target: TargetSpec) {
        let route = Route { key: format!("{host} {deployment}"), deployment: deployment.to_owned(), target };
        self.publish(|table| drop(table.routes.insert(host.to_owned(), route))).await;
    }

    /// Publishes a table in which `host` has this certificate, and waits until it is served.
    pub(crate) async fn certify(&self, host: &str, certificate: Certificate) {
        self.publish(|table| drop(table.certificates.insert(host.to_owned(), certificate))).await;
    }

    /// Publishes a changed table, and waits until it is served.
    pub(crate) async fn publish(&self, change: impl FnOnce(&mut RouteTable)) {
        let next = {
            let mut table = self.table.lock().unwrap();
            table.version += 1;
            change(&mut table);
            table.clone()
        };
        let version = next.version;
        self.sender.send_replace(Arc::new(next));
        self.edge.applied(version).await;
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.edge.address()).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads to its end.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn get(&self, host: &str, path: &str, headers: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")).await
    }
}

/// A site of these files, stored in `dir`.
pub(crate) fn site(dir: &Path, files: &[(&str, &[u8])], options: SiteOptions) -> TargetSpec {
    let files = files.iter().enumerate().map(|(number, (path, bytes))| {
        let digest = format!("{number:04x}{:08x}", bytes.len());
        let blob = dir.join(&digest);
        std::fs::write(&blob, bytes).unwrap();
        StaticFile { path: (*path).to_owned(), blob, size: bytes.len() as u64, digest, content_type: None }
    });
    TargetSpec::Static(Arc::new(StaticSite::new(crate::harness::unique(), files.collect::<Vec<_>>(), options)))
}

/// A program in this process that answers with its label. Dropping it is a kill: all connections break.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Program {
    pub(crate) async fn new(label: impl Into<String>) -> Self {
        let label: Arc<str> = label.into().into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let label = label.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| program(label.clone(), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Self { address, _tasks: tasks }
    }

    pub(crate) fn target(&self) -> TargetSpec {
        TargetSpec::Process(self.address.into())
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// `/ws` echoes messages; `/stream` never ends; everything else answers with the label.
async fn program(label: Arc<str>, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let body = |text: &str| Full::new(Bytes::from(text.to_owned())).boxed_unsync();
    if request.uri().path() == "/stream" {
        let ticks = stream::unfold(label, |label| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(Frame::data(Bytes::from(format!("{label}\n")))), label))
        });
        return Ok(Response::new(StreamBody::new(ticks).boxed_unsync()));
    }
    if request.uri().path() != "/ws" {
        return Ok(Response::new(body(&label)));
    }
    let key = request.headers().get("sec-websocket-key").unwrap().as_bytes().to_vec();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(body(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "Upgrade".parse().unwrap());
    headers.insert("upgrade", "websocket".parse().unwrap());
    headers.insert("sec-websocket-accept", derive_accept_key(&key).parse().unwrap());
    Ok(response)
}

/// Reads from a connection until `end` has appeared; gives everything read.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(end) {
            return text;
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the connection closed before `{end}`: {text}");
        seen.extend_from_slice(&buffer[..read]);
    }
}

/// Polls until `done`; for what has no event to wait for.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    crate::harness::eventually(what, || std::future::ready(done().then_some(()))).await;
}
