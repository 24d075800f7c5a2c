//! The edge passes bodies on as they come, in both directions, and notices who leaves.

use std::time::Duration;

use reeve::edge::{EdgeConfig, Timeouts, routes::TargetSpec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::support::{GRACE, Program, Rig, eventually, read_until};

#[tokio::test]
async fn bodies_are_passed_on_piece_by_piece() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("app.apps.test", "d0", TargetSpec::Process(listener.local_addr().unwrap().into())).await;
    let mut client = rig.connect().await;
    let head = "POST /up HTTP/1.1\r\nHost: app.apps.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut program, _) = listener.accept().await.unwrap();
    // The program has the first piece before the client sends the second.
    read_until(&mut program, "first").await;
    client.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut program, "second\r\n0\r\n\r\n").await;
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    program.write_all(start.as_bytes()).await.unwrap();
    // And the client has the first piece of the answer before the program sends the second.
    read_until(&mut client, "one").await;
    assert_eq!(rig.edge.in_flight("d0"), 1);
    program.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut client, "two\r\n0\r\n\r\n").await;
    eventually("the claim ends with the body", || rig.edge.in_flight("d0") == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_releases_its_claim_and_its_program() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("app.apps.test", "d0", TargetSpec::Process(listener.local_addr().unwrap().into())).await;
    let mut client = rig.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: app.apps.test\r\n\r\n").await.unwrap();
    let (mut program, _) = listener.accept().await.unwrap();
    read_until(&mut program, "\r\n\r\n").await;
    assert_eq!(rig.edge.in_flight("d0"), 1);
    drop(client);
    // The program sees the end of the connection.
    assert_eq!(program.read(&mut [0; 16]).await.unwrap(), 0);
    eventually("the claim is released", || rig.edge.in_flight("d0") == 0).await;
}

#[tokio::test]
async fn an_upload_that_stops_is_given_up() {
    let timeouts = Timeouts { body_idle: Duration::from_millis(50), ..Timeouts::default() };
    let rig = Rig::new(EdgeConfig { timeouts, ..EdgeConfig::default() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("app.apps.test", "d0", TargetSpec::Process(listener.local_addr().unwrap().into())).await;
    let mut client = rig.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: app.apps.test\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    let (_program, _) = listener.accept().await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_shutdown_lets_running_requests_end() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("app.apps.test", "d0", TargetSpec::Process(listener.local_addr().unwrap().into())).await;
    let mut client = rig.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: app.apps.test\r\n\r\n").await.unwrap();
    let (mut program, _) = listener.accept().await.unwrap();
    read_until(&mut program, "\r\n\r\n").await;
    let idle = rig.connect().await;
    let stopping = tokio::spawn({
        let edge = rig.edge.clone();
        async move { edge.shutdown(GRACE).await }
    });
    program.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await.unwrap();
    assert!(read_until(&mut client, "done").await.starts_with("HTTP/1.1 200"));
    drop(idle);
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_cuts_what_does_not_end() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let program = Program::new("app").await;
    rig.route("app.apps.test", "d0", program.target()).await;
    let mut client = rig.connect().await;
    client.write_all(b"GET /stream HTTP/1.1\r\nHost: app.apps.test\r\n\r\n").await.unwrap();
    read_until(&mut client, "app").await;
    rig.edge.shutdown(Duration::from_millis(20)).await;
    assert_eq!(rig.edge.in_flight("d0"), 0);
}
