//! What stands between a visitor and a program: the gate, and answers made smaller on their way.

use std::io::Read as _;
use std::sync::Arc;

use data_encoding::BASE64;
use reeve::authn::passwords;
use reeve::domain::{edge_settings::EdgeSettings, password::Password};
use reeve::edge::{
    EdgeConfig,
    routes::{Policy, TargetSpec},
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::support::{Rig, read_until};

/// What is set for the host beside where it leads.
async fn set(rig: &Rig, settings: EdgeSettings) {
    rig.publish(|table| {
        table.settings.insert("e".to_owned(), Arc::new(settings));
        let policy = Policy { redirect_to_https: false, settings: Some("e".to_owned()) };
        table.policies.insert("app.apps.test".to_owned(), policy);
    })
    .await;
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
    (TargetSpec::Process(address.into()), task)
}

#[tokio::test]
async fn a_program_never_sees_the_password_before_it() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let (go, next) = tokio::sync::mpsc::channel(1);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_owned();
    let (target, head) = program(vec![answer], next).await;
    rig.route("app.apps.test", "d0", target).await;
    let password = Password::parse("a battery of staples", "").unwrap();
    let password_hash = Some(passwords::hash(&password).unwrap());
    set(&rig, EdgeSettings { password_hash, ..EdgeSettings::default() }).await;
    assert!(rig.get("app.apps.test", "/", "").await.starts_with("HTTP/1.1 401"));
    let with =
        |password: &str| format!("Authorization: Basic {}\r\n", BASE64.encode(format!("me:{password}").as_bytes()));
    for _ in 0..9 {
        let wrong = rig.get("app.apps.test", "/", &with("a battery of stapleS")).await;
        assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    }
    drop(go);
    let right = rig.get("app.apps.test", "/", &with("a battery of staples")).await;
    assert!(right.starts_with("HTTP/1.1 200") && right.ends_with("ok"), "{right}");
    let often = rig.get("app.apps.test", "/", &with("a battery of stapleS")).await.to_ascii_lowercase();
    assert!(often.starts_with("http/1.1 429") && often.contains("retry-after: "), "{often}");
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
        set(&rig, EdgeSettings { compression, ..EdgeSettings::default() }).await;
        let answer = rig.get("app.apps.test", "/", "Accept-Encoding: br, gzip\r\n").await;
        assert!(answer.ends_with(&long), "{headers}");
    }
}
