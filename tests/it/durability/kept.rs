//! The edge in a process of its own: what becomes of visitors when the server, the edge or the program that both run goes away
//! or is replaced.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::json;
use tokio::process::Command;

use super::crowd::{Crowd, HELD, Link};
use super::machine;
use super::program::{self, interpreter};
use super::site::{Kind, Site, reaches};
use super::visitor::Visitor;
use crate::harness::{Deployment, edges, eventually, host, kill_edges, visit};
use crate::lifecycle::document;

/// A crowd at the link of a site that serves `v1`, with a WebSocket and a stream on another environment.
async fn crowd(site: &Site) -> Crowd {
    let organization = site.ada.create_organization("held").await;
    let project = site.ada.create_project(&organization, "held").await;
    let held = site.ada.create_environment(&project, "held", true).await;
    let python = interpreter();
    let toml = format!("[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\n[health]\npath = \"/health\"\n");
    site.ada.deploy_process(&held, &[("server.py", HELD.as_bytes())], &toml).await;
    let link = Link::new(site.server.edge_address(), &site.environment.url, "v1");
    let mut crowd = Crowd::gather(&[link], 8, Duration::from_millis(10));
    crowd.hold(site.server.edge_address(), &held.url);
    crowd.is_served().await;
    crowd
}

/// `reeve stop` over a data folder.
async fn stop(data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().args(["stop", "--data"]).arg(data).output().await.unwrap()
}

async fn answers(edge: std::net::SocketAddr, url: &str) -> String {
    match Visitor::at_once(edge, &host(url)).await {
        Ok(mut visitor) => visitor.visit().await,
        Err(error) => format!("no connection: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_programs_are_served_while_no_server_runs() {
    for kind in [Kind::Static, Kind::Process] {
        let mut site = Site::new(kind).await;
        site.deploy("v1").await;
        let crowd = crowd(&site).await;
        let edge = edges(site.data.path());
        assert_eq!(edge.len(), 1, "{edge:?}");
        let socket = std::fs::metadata(site.data.path().join("edge.sock")).unwrap();
        assert_eq!(socket.permissions().mode() & 0o777, 0o600);
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            kill(machine::server(site.data.path()), signal).unwrap();
            site.server.ended().await;
            assert!(std::net::TcpStream::connect(site.server.api_address()).is_err(), "the server is gone");
            crowd.is_served().await;
            crowd.is_served().await;
            site.start_again(&[]).await;
            assert_eq!(edges(site.data.path()), edge);
            crowd.is_served().await;
        }
        crowd.end().await;
        // What is said to the edge that was found counts.
        let next = site.deploy("v2").await;
        assert_eq!(answers(site.server.edge_address(), &next.url).await, "v2");
        assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v2");
    }
}

/// A program that was retired, behind a page that serves.
async fn retired(site: &mut Site) -> Deployment {
    let old = site.deploy("v1").await;
    site.kind = Kind::Static;
    site.deploy("v2").await;
    site.kind = Kind::Process;
    site.ada.ok(document("RETIRE"), json!({ "input": { "id": old.id } })).await;
    reaches(&site.ada, &old.id, "RETIRED").await;
    old
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_visits_a_sleeping_deployment_waits_for_the_next_server() {
    let mut site = Site::new(Kind::Process).await;
    let old = retired(&mut site).await;
    site.server.kill().await;
    let visits: Vec<_> = (0..20)
        .map(|_| {
            let request = visit(site.server.edge_address(), &old.url, "/");
            tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() })
        })
        .collect();
    // A page that is served shows that the edge is at work; those who wait have no other sign.
    assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v2");
    site.start_again(&[]).await;
    for visit in visits {
        let body = visit.await.unwrap();
        assert_eq!(program::version(&body), Some("v1"), "{body:.200}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_dies_is_started_again_and_refuses_nobody_meanwhile() {
    let site = Site::new(Kind::Process).await;
    site.deploy("v1").await;
    let before = edges(site.data.path());
    for _ in 0..5 {
        kill_edges(site.data.path());
        // The server holds the listening socket: whoever comes now waits for the next edge.
        assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v1");
    }
    let after = edges(site.data.path());
    assert!(after.len() == 1 && after != before, "{before:?}, then {after:?}");
    let next = site.deploy("v2").await;
    assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v2");
    assert_eq!(answers(site.server.edge_address(), &next.url).await, "v2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_dies_with_the_server_is_started_by_the_next() {
    let mut site = Site::new(Kind::Process).await;
    site.deploy("v1").await;
    site.server.kill().await;
    kill_edges(site.data.path());
    eventually("nobody listens", async || {
        let answer = answers(site.server.edge_address(), &site.environment.url).await;
        answer.starts_with("no connection").then_some(())
    })
    .await;
    site.start_again(&[]).await;
    assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_takes_over_and_loses_no_request_and_no_stream() {
    let mut site = Site::new(Kind::Process).await;
    site.deploy("v1").await;
    let crowd = crowd(&site).await;
    let first = edges(site.data.path());
    let folder = tempfile::tempdir().unwrap();
    for upgrade in 0..3 {
        let program = folder.path().join(format!("reeve{upgrade}"));
        std::fs::copy(env!("CARGO_BIN_EXE_reeve"), &program).unwrap();
        kill(machine::server(site.data.path()), if upgrade == 0 { Signal::SIGKILL } else { Signal::SIGTERM }).unwrap();
        site.server.ended().await;
        site.start_again_as(&program).await;
        crowd.is_served().await;
        assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v1");
    }
    // The first has a WebSocket and a stream left; those in between have nothing, and end.
    let left = eventually("edges without visitors end", async || {
        let left = edges(site.data.path());
        (left.len() == 2).then_some(left)
    })
    .await;
    assert!(left.contains(&first[0]), "{first:?}, then {left:?}");
    crowd.end().await;
    eventually("the first edge ends with its last visitor", async || {
        (edges(site.data.path()).len() == 1).then_some(())
    })
    .await;
    site.deploy("v2").await;
    assert_eq!(answers(site.server.edge_address(), &site.environment.url).await, "v2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_and_addresses_are_taken_over_as_well() {
    let mut site = Site::new(Kind::Static).await;
    site.deploy("v1").await;
    let crowd = crowd(&site).await;
    let first = edges(site.data.path());
    site.server.kill().await;
    std::fs::write(site.data.path().join("reeve-server.toml"), "drain_grace_seconds = 7\n").unwrap();
    site.start_again(&[]).await;
    crowd.is_served().await;
    let second: Vec<_> = edges(site.data.path()).into_iter().filter(|edge| !first.contains(edge)).collect();
    assert_eq!(second.len(), 1, "another setting is another edge");
    crowd.end().await;
    site.server.kill().await;
    let here = site.server.edge_address();
    site.server.moves_to((std::net::Ipv4Addr::LOCALHOST, 0).into());
    site.start_again(&[]).await;
    let elsewhere = site.server.edge_address();
    assert_eq!(answers(elsewhere, &site.environment.url).await, "v1");
    assert!(answers(here, &site.environment.url).await.starts_with("no connection"), "nobody listens there any more");
    // An address that the edge itself is in the way of.
    site.server.kill().await;
    site.server.moves_to((std::net::Ipv4Addr::UNSPECIFIED, elsewhere.port()).into());
    site.start_again(&[]).await;
    assert_eq!(answers(elsewhere, &site.environment.url).await, "v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_is_stopped_by_hand() {
    let mut site = Site::new(Kind::Process).await;
    site.deploy("v1").await;
    let refused = stop(site.data.path()).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("another server uses the data folder"), "{said}");
    kill(machine::server(site.data.path()), Signal::SIGTERM).unwrap();
    site.server.ended().await;
    let advice = format!("`reeve stop --data {}` stops them", site.data.path().display());
    eventually("the server says how to", async || site.server.output().contains(&advice).then_some(())).await;
    assert_eq!(machine::on_record(site.data.path()).len(), 1);
    let stopped = stop(site.data.path()).await;
    assert_eq!(String::from_utf8(stopped.stdout).unwrap(), "stopped the edge, stopped 1 program\n");
    assert_eq!(machine::on_record(site.data.path()).len(), 0);
    eventually("the edge has ended", async || edges(site.data.path()).is_empty().then_some(())).await;
    assert!(answers(site.server.edge_address(), &site.environment.url).await.starts_with("no connection"));
    let again = stop(site.data.path()).await;
    assert_eq!(String::from_utf8(again.stdout).unwrap(), "no edge was running\n");
    let watch = site.watch();
    site.start_again(&[]).await;
    watch.until("v1").await;
    site.deploy("v2").await;
    watch.until("v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_whose_data_is_gone_ends() {
    let site = Site::new(Kind::Static).await;
    site.deploy("v1").await;
    let Site { mut server, data, .. } = site;
    let edge = edges(data.path());
    server.kill().await;
    std::fs::rename(data.path(), data.path().with_extension("gone")).unwrap();
    eventually("the edge ends", async || (!edges(data.path()).contains(&edge[0])).then_some(())).await;
    std::fs::remove_dir_all(data.path().with_extension("gone")).unwrap();
}
