//! A switch drops no request, and nothing answers from a version after its drain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use reeve::edge::{DrainReport, EdgeConfig, StillRouted, routes::TargetSpec, static_site::SiteOptions};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};
use tokio_tungstenite::{client_async, tungstenite::Message};

use super::support::{GRACE, Program, Rig, eventually, read_until, site};

const FLIPS: u64 = 100;
const CLIENTS: usize = 16;

/// Requests on one keep-alive connection until `stop`; every answer must be of a version that may still answer.
async fn hammer(stream: TcpStream, floor: Arc<AtomicU64>, done: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> u64 {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut requests = 0;
    while !stop.load(SeqCst) {
        let drained = floor.load(SeqCst);
        let request = Request::get("/").header("host", "alias.apps.test").body(Empty::<Bytes>::new()).unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let version: u64 = std::str::from_utf8(&body).unwrap().parse().unwrap();
        assert!(version >= drained, "version {version} answered after it had drained; {drained} serves");
        requests += 1;
        done.fetch_add(1, SeqCst);
    }
    drop(sender);
    let _ = connection.await;
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_switches_under_load_drop_nothing() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let files = tempfile::tempdir().unwrap();
    let mut serving = Some(Program::new("0").await);
    rig.route("alias.apps.test", "d0", serving.as_ref().unwrap().target()).await;
    let (floor, done, stop) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(hammer(rig.connect().await, floor.clone(), done.clone(), stop.clone()));
    }
    let mut in_flight = 0;
    for version in 1..=FLIPS {
        let before = done.load(SeqCst);
        while done.load(SeqCst) < before + 2 * CLIENTS as u64 {
            tokio::task::yield_now().await;
            if let Some(ended) = clients.try_join_next() {
                panic!("a client ended before switch {version}: {ended:?}");
            }
        }
        let next = if version % 2 == 0 { Some(Program::new(version.to_string()).await) } else { None };
        let target = match &next {
            Some(program) => program.target(),
            None => site(files.path(), &[("index.html", version.to_string().as_bytes())], SiteOptions::default()),
        };
        rig.route("alias.apps.test", &format!("d{version}"), target).await;
        let report = rig.edge.drain(&format!("alias.apps.test d{}", version - 1), GRACE).await.unwrap();
        floor.store(version, SeqCst);
        assert_eq!(report.undrained, 0);
        in_flight += report.in_flight_at_switch;
        // The old program is killed in the very moment.
        drop(std::mem::replace(&mut serving, next));
    }
    stop.store(true, SeqCst);
    let requests: u64 = clients.join_all().await.into_iter().sum();
    assert!(in_flight > 0, "no switch ever met a request in flight: the test tests nothing");
    rig.edge.shutdown(GRACE).await;
    // For whoever runs it with --nocapture.
    std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("{requests} requests, {FLIPS} switches, {in_flight} in flight at a switch, 0 failed\n"),
    )
    .unwrap();
}

#[tokio::test]
async fn tunnels_and_streams_live_on_during_the_grace() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let old = Program::new("old").await;
    rig.route("ws.apps.test", "d0", old.target()).await;
    let (mut socket, _) = client_async("ws://ws.apps.test/ws", rig.connect().await).await.unwrap();
    let mut stream = rig.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: ws.apps.test\r\n\r\n").await.unwrap();
    read_until(&mut stream, "old").await;
    assert_eq!(rig.edge.in_flight("d0"), 2);

    let mut programs = Vec::new();
    for flip in 1..=10 {
        let next = Program::new(format!("v{flip}")).await;
        rig.route("ws.apps.test", &format!("d{flip}"), next.target()).await;
        programs.push(next);
        socket.send(Message::text(format!("flip {flip}"))).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("flip {flip}")));
        read_until(&mut stream, "old").await;
        assert!(rig.get("ws.apps.test", "/", "").await.ends_with(&format!("v{flip}")));
    }
    let draining = tokio::spawn({
        let edge = rig.edge.clone();
        async move { edge.drain("ws.apps.test d0", GRACE).await }
    });
    socket.close(None).await.unwrap();
    drop((socket, stream));
    let report = draining.await.unwrap().unwrap();
    assert_eq!(report, DrainReport { in_flight_at_switch: 2, undrained: 0 });
    assert_eq!(rig.edge.in_flight("d0"), 0);
}

#[tokio::test]
async fn what_is_left_after_the_grace_is_cut() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let old = Program::new("old").await;
    rig.route("ws.apps.test", "d0", old.target()).await;
    let (mut socket, _) = client_async("ws://ws.apps.test/ws", rig.connect().await).await.unwrap();
    let mut stream = rig.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: ws.apps.test\r\n\r\n").await.unwrap();
    read_until(&mut stream, "old").await;
    assert_eq!(rig.edge.drain("ws.apps.test d0", GRACE).await, Err(StillRouted));
    assert_eq!(rig.edge.drain_deployment("d0", GRACE).await, Err(StillRouted));

    rig.route("ws.apps.test", "d1", TargetSpec::Starting).await;
    let report = rig.edge.drain_deployment("d0", Duration::from_millis(20)).await.unwrap();
    assert_eq!(report, DrainReport { in_flight_at_switch: 2, undrained: 2 });
    assert_eq!(rig.edge.in_flight("d0"), 0);
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
    let mut rest = Vec::new();
    // The stream ends without its last chunk, so that the client sees that it is not complete.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_target_with_the_same_key_is_kept_across_tables() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let program = Program::new("same").await;
    rig.route("a.apps.test", "d0", program.target()).await;
    let mut stream = rig.connect().await;
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: a.apps.test\r\n\r\n").await.unwrap();
    read_until(&mut stream, "same").await;
    rig.route("b.apps.test", "d1", TargetSpec::Starting).await;
    rig.route("a.apps.test", "d0", program.target()).await;
    assert_eq!(rig.edge.in_flight("d0"), 1);
    assert_eq!(rig.edge.drain("unknown", GRACE).await, Ok(DrainReport::default()));
    drop(stream);
    eventually("the claim of a client that left is released", || rig.edge.in_flight("d0") == 0).await;
}
