//! An edge in a process of its own, fed by this one: whatever is told and asked goes through the socket, and what is open goes
//! over to the next edge.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use reeve::authn::passwords;
use reeve::domain::{edge_settings::EdgeSettings, password::Password};
use reeve::edge::{
    self, DrainReport, Edge, NewEdge, Setup, StillRouted,
    routes::{Policy, Route, RouteTable, TargetSpec},
    tls::Certificate,
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;

use super::support::{Program, read_until, site};
use crate::harness::{edges, eventually, kill_edges, raw};

const HOST: &str = "app.apps.test";

/// An edge, and what feeds it.
struct Fed {
    edge: Edge,
    tables: watch::Sender<Arc<RouteTable>>,
    woken: mpsc::Receiver<String>,
    data: Data,
}

struct Data(tempfile::TempDir);

impl Drop for Data {
    fn drop(&mut self) {
        kill_edges(self.0.path());
    }
}

fn listeners() -> Vec<TcpListener> {
    let listener = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    vec![listener(), listener()]
}

fn route(host: &str, deployment: &str, target: TargetSpec) -> (String, Route) {
    let key = format!("{host} {deployment}");
    (host.to_owned(), Route { key, deployment: deployment.to_owned(), target })
}

impl Fed {
    async fn new(listeners: Vec<TcpListener>, route: (String, Route)) -> Self {
        let data = Data(tempfile::tempdir().unwrap());
        let table = RouteTable { version: 1, base_domain: "apps.test".to_owned(), ..RouteTable::default() };
        let tables = watch::Sender::new(Arc::new(RouteTable { routes: [route].into(), ..table }));
        let (wake, woken) = mpsc::channel(8);
        let edge = started(&data, listeners, None, &tables, wake).await;
        Self { edge, tables, woken, data }
    }

    async fn publish(&self, change: impl FnOnce(&mut RouteTable)) {
        let mut table = RouteTable::clone(&self.tables.borrow());
        table.version += 1;
        change(&mut table);
        let version = table.version;
        self.tables.send_replace(Arc::new(table));
        self.edge.applied(version).await;
    }
}

/// Since this is another program than the edge's, what is found is always replaced.
async fn started(
    data: &Data,
    listeners: Vec<TcpListener>,
    found: Option<edge::Found>,
    tables: &watch::Sender<Arc<RouteTable>>,
    wake: mpsc::Sender<String>,
) -> Edge {
    let executable = PathBuf::from(env!("CARGO_BIN_EXE_reeve"));
    let setup = Setup { https: false, https_port: None, drain_grace: Duration::from_secs(20) };
    let wanted = NewEdge { folder: data.0.path().to_owned(), executable, setup, listeners };
    let opened = wanted.open(found).await.unwrap();
    assert!(opened.version() < tables.borrow().version);
    Edge::Apart(opened.serve(tables.subscribe(), wake).await.unwrap())
}

async fn get(edge: SocketAddr, headers: &str) -> String {
    raw(edge, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\r\n").as_bytes()).await
}

#[tokio::test]
async fn what_is_asked_is_answered() {
    let program = Program::new("old").await;
    let mut fed = Fed::new(listeners(), route(HOST, "d0", program.target())).await;
    let mut stream = TcpStream::connect(fed.edge.address()).await.unwrap();
    stream.write_all(format!("GET /stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, "old").await;
    assert_eq!(fed.edge.in_flight("d0").await, 1);
    assert_eq!(fed.edge.take_visited().await, ["d0".to_owned()].into());
    assert_eq!(fed.edge.take_visited().await, [].into());
    let grace = Duration::from_millis(20);
    assert_eq!(fed.edge.drain_deployment("d0", grace).await, Err(StillRouted));
    let files = tempfile::tempdir().unwrap();
    let page = site(files.path(), &[("index.html", b"<p>new")], Default::default());
    fed.publish(|table| table.routes.extend([route(HOST, "d1", page)])).await;
    assert!(get(fed.edge.address(), "").await.ends_with("<p>new"));
    let report = fed.edge.drain(&format!("{HOST} d0"), grace).await;
    assert_eq!(report, Ok(DrainReport { in_flight_at_switch: 1, undrained: 1 }));
    fed.publish(|table| table.routes.extend([route("asleep.apps.test", "d2", TargetSpec::Asleep)])).await;
    let address = fed.edge.address();
    let visit = tokio::spawn(async move { raw(address, b"GET / HTTP/1.1\r\nHost: asleep.apps.test\r\n\r\n").await });
    assert_eq!(fed.woken.recv().await.as_deref(), Some("d2"));
    visit.abort();
}

/// Passes over the socket what is nowhere else.
#[tokio::test]
async fn settings_and_certificates_are_told() {
    let listeners = listeners();
    let tls = listeners[1].local_addr().unwrap();
    let program = Program::new("one").await;
    let fed = Fed::new(listeners, route(HOST, "d0", program.target())).await;
    let (certificate, roots) = certificate();
    let password = Password::parse("a battery of staples", "").unwrap();
    let settings = EdgeSettings { password_hash: Some(passwords::hash(&password).unwrap()), ..EdgeSettings::default() };
    fed.publish(|table| {
        table.certificates.insert(HOST.to_owned(), certificate);
        table.settings.insert("e".to_owned(), Arc::new(settings));
        table.policies.insert(HOST.to_owned(), Policy { redirect_to_https: false, settings: Some("e".to_owned()) });
    })
    .await;
    assert!(get(fed.edge.address(), "").await.starts_with("HTTP/1.1 401"));
    let basic = BASE64.encode(b"me:a battery of staples");
    let answer = get(fed.edge.address(), &format!("Authorization: Basic {basic}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("one"), "{answer}");
    let mut sender = http2(tls, roots).await.unwrap();
    assert_eq!(ask(&mut sender).await.unwrap().0, StatusCode::UNAUTHORIZED);
    let written = std::fs::read_dir(fed.data.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let written: Vec<_> = written.filter(|name| name != "edge.sock").collect();
    assert_eq!(written, ["edge.log"], "nothing of it lies on the disk");
    let log = std::fs::read_to_string(fed.data.0.path().join("edge.log")).unwrap();
    assert!(!log.contains("argon2") && !log.contains("PRIVATE"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_takes_over_costs_http2_no_request() {
    let listeners = listeners();
    let tls = listeners[1].local_addr().unwrap();
    let program = Program::new("one").await;
    let mut fed = Fed::new(listeners, route(HOST, "d0", program.target())).await;
    let (certificate, roots) = certificate();
    fed.publish(|table| drop(table.certificates.insert(HOST.to_owned(), certificate))).await;
    let first = edges(fed.data.0.path());
    let (done, mut over) = watch::channel(false);
    let client = tokio::spawn(async move {
        let (mut sender, mut requests, mut connections) = (http2(tls, roots.clone()).await.unwrap(), 0_u32, 1);
        while !*over.borrow_and_update() {
            match ask(&mut sender).await {
                Ok(answer) => assert_eq!(answer, (StatusCode::OK, "one".to_owned())),
                // It was not sent: the edge had said before that no more is taken on this connection.
                Err(error) if error.is_canceled() => {
                    sender = http2(tls, roots.clone()).await.unwrap();
                    connections += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
            requests += 1;
        }
        (requests, connections)
    });
    for _ in 0..3 {
        let found = edge::find(fed.data.0.path()).await.unwrap().unwrap();
        let taken = [fed.edge.address(), tls].map(|address| found.listener(address).unwrap().unwrap());
        fed.edge.let_go();
        let (wake, woken) = mpsc::channel(8);
        let table = RouteTable::clone(&fed.tables.borrow());
        fed.tables.send_replace(Arc::new(RouteTable { version: table.version + 1, ..table }));
        fed.edge = started(&fed.data, taken.into(), Some(found), &fed.tables, wake).await;
        fed.woken = woken;
    }
    done.send_replace(true);
    let (requests, connections) = client.await.unwrap();
    assert!(requests > 10 && connections > 3, "{requests} requests on {connections} connections");
    eventually("those before have ended", async || {
        let left = edges(fed.data.0.path());
        (left.len() == 1 && left != first).then_some(())
    })
    .await;
}

fn certificate() -> (Certificate, RootCertStore) {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.der().clone()).unwrap();
    (Certificate::parse(&made.pem(), key.serialize_pem().as_bytes()).unwrap(), roots)
}

async fn http2(edge: SocketAddr, roots: RootCertStore) -> std::io::Result<SendRequest<Empty<Bytes>>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(edge).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST).unwrap(), stream).await?;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>) -> Result<(StatusCode, String), hyper::Error> {
    let request = Request::get(format!("https://{HOST}/")).body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
