//! What a revival costs: a visit of a retired deployment beside a bare start of its program, in one run.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::world::is_isolated;
use crate::durability::program::interpreter;
use crate::harness::{Page, visit};
use crate::lifecycle::Ground;

/// A small program: a start of the interpreter and a socket.
const PROGRAM: &str = r#"
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    visit, _ = server.accept()
    with visit:
        if visit.recv(65536):
            visit.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwell")
"#;
const ROUNDS: usize = 20;
/// What a revival may add to the program's own start, by the median.
const MOST: Duration = Duration::from_millis(150);

/// From the start of the program to its first answer.
async fn bare(folder: &std::path::Path) -> Duration {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let began = Instant::now();
    let mut command = Command::new(interpreter());
    command.args(["-S", "server.py"]).current_dir(folder).env("PORT", port.to_string());
    let mut program = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    loop {
        if let Ok(mut stream) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: bare\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("well"), "{answer}");
            break;
        }
        tokio::task::yield_now().await;
    }
    let took = began.elapsed();
    program.kill().await.unwrap();
    took
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_of_a_retired_deployment_costs_little_more_than_its_start() {
    if is_isolated().await.is_err() {
        return;
    }
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let python = interpreter();
    let toml = format!("[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\n");
    let deployment = ground.ada.deploy_process(&environment, &[("server.py", PROGRAM.as_bytes())], &toml).await;
    let newer = ground.page(&environment, "v2").await;
    ground.deploy(&newer).await;
    ground.settled(&newer.id, "ACTIVE").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.py"), PROGRAM).unwrap();
    let (mut starts, mut visits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ground.ask("RETIRE", &deployment).await;
        ground.settled(&deployment.id, "RETIRED").await;
        starts.push(bare(folder.path()).await);
        let request = visit(ground.server.edge_address(), &deployment.url, "/");
        let began = Instant::now();
        let page = Page::of(request).await;
        visits.push(began.elapsed());
        assert_eq!((page.status.as_u16(), page.body.as_str()), (200, "well"));
        ground.settled(&deployment.id, "READY").await;
    }
    let (start, visit) = (median(starts), median(visits));
    let said = format!("medians of {ROUNDS}: a bare start {start:?}, a visit of the retired deployment {visit:?}");
    writeln!(std::io::stderr(), "{said}").unwrap();
    assert!(visit <= start + MOST, "{said}");
}
