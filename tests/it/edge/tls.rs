//! HTTPS at the edge: the certificate of the name that was asked for, HTTP/2, and nothing of one host on the connection of
//! another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, StatusCode, body::Incoming, client::conn::http2::SendRequest, header::COOKIE};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use reeve::edge::{EdgeConfig, routes::TargetSpec, tls::Certificate};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::support::{GRACE, Program, Rig, read_until, site};

/// An edge that also speaks TLS, and the roots that its clients trust.
struct Secure {
    rig: Rig,
    listener: std::net::SocketAddr,
    roots: RootCertStore,
}

impl Secure {
    async fn new(hosts: &[&str]) -> Self {
        let rig = Rig::new(EdgeConfig::default()).await;
        let mut roots = RootCertStore::empty();
        for host in hosts {
            let key = KeyPair::generate().unwrap();
            let made = CertificateParams::new(vec![(*host).to_owned()]).unwrap().self_signed(&key).unwrap();
            roots.add(made.der().clone()).unwrap();
            let shown = Certificate::parse(&made.pem(), key.serialize_pem().as_bytes()).unwrap();
            rig.certify(host, shown).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        rig.edge.serve_tls(listener).unwrap();
        Self { rig, listener: address, roots }
    }

    async fn connect(&self, host: &str, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.listener).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn http2(&self, host: &str) -> SendRequest<Empty<Bytes>> {
        let stream = self.connect(host, b"h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

fn get(host: &str, path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://{host}{path}")).body(Empty::new()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http2_becomes_what_programs_speak() {
    let secure = Secure::new(&["app.apps.test"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = TargetSpec::Process(listener.local_addr().unwrap());
    secure.rig.route("app.apps.test", "d0", program).await;
    let head = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        let answer =
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
        head.to_ascii_lowercase()
    });
    let mut sender = secure.http2("app.apps.test").await;
    let mut request = get("app.apps.test", "/a?b");
    request.headers_mut().append(COOKIE, "a=1".parse().unwrap());
    request.headers_mut().append(COOKIE, "b=2".parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(text(response).await, "ok");
    let head = head.await.unwrap();
    assert!(head.starts_with("get /a?b http/1.1\r\n"), "{head}");
    for expected in ["\r\nhost: app.apps.test\r\n", "\r\ncookie: a=1; b=2\r\n", "\r\nx-forwarded-proto: https\r\n"] {
        assert!(head.contains(expected), "no {expected} in {head}");
    }
}

#[tokio::test]
async fn a_connection_is_for_the_name_that_it_was_made_for() {
    let secure = Secure::new(&["one.apps.test", "two.apps.test"]).await;
    let (one, two) = (Program::new("one").await, Program::new("two").await);
    secure.rig.route("one.apps.test", "d1", one.target()).await;
    secure.rig.route("two.apps.test", "d2", two.target()).await;
    let mut sender = secure.http2("one.apps.test").await;
    assert_eq!(text(sender.send_request(get("one.apps.test", "/")).await.unwrap()).await, "one");
    let strange = sender.send_request(get("two.apps.test", "/")).await.unwrap();
    assert_eq!(strange.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(secure.connect("three.apps.test", b"h2").await.is_err(), "no certificate, no connection");

    let mut stream = secure.connect("two.apps.test", b"http/1.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: two.apps.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // The edge may end the connection without the last message of TLS.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("two"), "{answer}");
    let plain = secure.rig.get("one.apps.test", "/", "").await;
    assert!(plain.starts_with("HTTP/1.1 200"), "nobody asked to be sent to HTTPS: {plain}");
}

#[tokio::test]
async fn a_switch_drops_nothing_of_one_connection_with_many_requests() {
    let secure = Secure::new(&["app.apps.test"]).await;
    let folder = tempfile::tempdir().unwrap();
    let files: &[(&str, &[u8])] = &[("index.html", b"<p>hello")];
    let target = site(folder.path(), files, Default::default());
    secure.rig.route("app.apps.test", "d0", target.clone()).await;
    let sender = secure.http2("app.apps.test").await;
    let ask = async |mut sender: SendRequest<Empty<Bytes>>| {
        for _ in 0..50 {
            let response = sender.send_request(get("app.apps.test", "/")).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(text(response).await, "<p>hello");
        }
    };
    let switch = async {
        for number in 1..=20 {
            secure.rig.route("app.apps.test", &format!("d{number}"), target.clone()).await;
            let gone = format!("d{}", number - 1);
            secure.rig.edge.drain_deployment(&gone, GRACE).await.unwrap();
        }
    };
    tokio::join!(ask(sender.clone()), ask(sender.clone()), ask(sender.clone()), ask(sender), switch);
}

#[tokio::test]
async fn a_shutdown_ends_connections_of_http2() {
    let secure = Secure::new(&["app.apps.test"]).await;
    let program = Program::new("one").await;
    secure.rig.route("app.apps.test", "d0", program.target()).await;
    let mut sender = secure.http2("app.apps.test").await;
    assert_eq!(text(sender.send_request(get("app.apps.test", "/")).await.unwrap()).await, "one");
    let ended = tokio::time::timeout(Duration::from_secs(10), secure.rig.edge.shutdown(GRACE)).await;
    assert!(ended.is_ok(), "an idle connection keeps nobody waiting");
    assert!(sender.send_request(get("app.apps.test", "/")).await.is_err());
}
