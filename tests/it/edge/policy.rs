//! What stands between a visitor and a program: the gate, and answers made smaller on their way.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::sync::Arc;

use reeve::edge::{
    EdgeConfig,
    policy::{Closed, Gate, Later, Policy, Rules},
    routes::TargetSpec,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::support::{Rig, read_until};

/// Lets in whoever says `open`, after a moment's thought the first time.
#[derive(Debug)]
struct Word;

impl Gate for Word {
    fn is_locked(&self) -> bool {
        true
    }

    fn admits(&self, _: IpAddr, authorization: Option<&[u8]>) -> Option<Result<(), Closed>> {
        if authorization.is_some() { None } else { Some(Err(Closed::Locked)) }
    }

    fn check<'a>(&'a self, _: IpAddr, authorization: &'a [u8]) -> Later<'a, Result<(), Closed>> {
        Box::pin(async move { if authorization == b"open" { Ok(()) } else { Err(Closed::TooOften(7)) } })
    }
}

fn policy(gate: Option<Arc<dyn Gate>>, compression: bool) -> Arc<Policy> {
    let rules = Rules { redirects: Vec::new(), pages: HashMap::new(), compression, gate };
    Arc::new(Policy { redirect_to_https: false, rules: Some(Arc::new(rules)) })
}

/// A program that answers one connection with these pieces; the next goes out when `next` says so.
async fn program(
    pieces: Vec<String>,
    mut next: tokio::sync::mpsc::Receiver<()>,
) -> (TargetSpec, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            next.recv().await;
        }
        head.to_ascii_lowercase()
    });
    (TargetSpec::Process(address), task)
}

#[tokio::test]
async fn a_program_never_sees_the_password_before_it() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let (go, next) = tokio::sync::mpsc::channel(1);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_owned();
    let (target, head) = program(vec![answer], next).await;
    rig.route("app.apps.test", "d0", target).await;
    rig.publish(|table| drop(table.policies.insert("app.apps.test".to_owned(), policy(Some(Arc::new(Word)), true))))
        .await;
    assert!(rig.get("app.apps.test", "/", "").await.starts_with("HTTP/1.1 401"));
    let wrong = rig.get("app.apps.test", "/", "Authorization: closed\r\n").await.to_ascii_lowercase();
    assert!(wrong.starts_with("http/1.1 429") && wrong.contains("retry-after: 7\r\n"), "{wrong}");
    drop(go);
    let right = rig.get("app.apps.test", "/", "Authorization: open\r\n").await;
    assert!(right.starts_with("HTTP/1.1 200") && right.ends_with("ok"), "{right}");
    let head = head.await.unwrap();
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn a_streamed_answer_is_made_smaller_piece_by_piece() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let piece = "row after row after row ".repeat(100);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let (go, next) = tokio::sync::mpsc::channel(8);
    let (target, _task) = program(vec![format!("{head}{chunk}"), chunk, "0\r\n\r\n".to_owned()], next).await;
    rig.route("app.apps.test", "d0", target).await;
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.get(format!("http://{}/", rig.edge.address()));
    let mut response = request.header("host", "app.apps.test").header("accept-encoding", "gzip").send().await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(
        (&headers["etag"], &headers["vary"]),
        (&"W/\"e\"".parse().unwrap(), &"accept-encoding".parse().unwrap())
    );
    // The first piece can be read before the second is sent.
    let mut packed = response.chunk().await.unwrap().unwrap().to_vec();
    let mut first = vec![0; piece.len()];
    flate2::read::MultiGzDecoder::new(&packed[..]).read_exact(&mut first).unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), piece);
    for _ in 0..3 {
        go.send(()).await.unwrap();
    }
    while let Some(more) = response.chunk().await.unwrap() {
        packed.extend_from_slice(&more);
    }
    let mut whole = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut whole).unwrap();
    assert_eq!(whole, piece.repeat(2));
    assert!(packed.len() < whole.len() / 10, "{}", packed.len());
}

#[tokio::test]
async fn answers_that_must_stay_as_they_are_do() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let long = "x".repeat(4000);
    for (headers, compression) in [
        ("Content-Type: text/event-stream", true),
        ("Content-Type: image/png", true),
        ("Content-Type: text/html\r\nContent-Encoding: zstd", true),
        ("Content-Type: text/html\r\nCache-Control: public, no-transform", true),
        ("Content-Type: text/html", false),
    ] {
        let (go, next) = tokio::sync::mpsc::channel(1);
        drop(go);
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\nContent-Length: 4000\r\nConnection: close\r\n\r\n{long}");
        let (target, _task) = program(vec![answer], next).await;
        rig.route("app.apps.test", &format!("{headers} {compression}"), target).await;
        rig.publish(|table| drop(table.policies.insert("app.apps.test".to_owned(), policy(None, compression)))).await;
        let answer = rig.get("app.apps.test", "/", "Accept-Encoding: br, gzip\r\n").await;
        assert!(answer.ends_with(&long), "{headers}");
    }
}
