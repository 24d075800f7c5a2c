//! Deployments that fail cost the one that serves nothing and say why; a server that is stopped in good order stops
//! nobody's program and loses no action.

use nix::sys::signal::{Signal, kill};

use super::machine;
use super::program::{Mood, interpreter, project_file, source};
use super::site::{Kind, Site, never_broke};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_fails_costs_the_one_that_serves_no_request() {
    let site = Site::new(Kind::Process).await;
    let good = site.deploy("v1").await;
    let before = machine::on_record(site.data.path());
    let watch = site.watch();
    watch.until("v1").await;
    for (mood, failure, last) in [
        (Mood::Sick, "`/health`", "starting v2"),
        (Mood::Quits, "the program exited with code 3", "there is no database"),
        (Mood::Deaf, "`PORT`", "starting v2"),
    ] {
        let bad = site.draft("v2", mood).await;
        let seen = watch.count();
        site.request(&bad).await;
        let ended = site.ended(&bad).await;
        assert_eq!(ended["state"], "FAILED", "{mood:?}: {ended:#}");
        let said = ended["failure"].as_str().unwrap();
        assert!(said.contains(failure), "{mood:?}: {said}");
        assert_eq!(ended["action"]["error"], said);
        let log = site.log(&bad).await;
        assert_eq!(log.last().map(String::as_str), Some(last), "{mood:?}: {log:?}");
        assert!(watch.count() > seen, "nobody was served meanwhile");
        site.is_settled(&good, &[]).await;
    }
    let missing = project_file(Mood::Quits).replace(interpreter(), "no-such-program");
    let files: &[(&str, &[u8])] = &[("server.py", &source("v2", Mood::Well))];
    let bad = site.ada.deploy(&site.environment, files, Some(&missing)).await;
    let ended = site.ended(&bad).await;
    assert_eq!(ended["state"], "FAILED", "{ended:#}");
    assert_eq!(ended["failure"], "the program exited with code 127; read its log");
    assert_eq!(site.log(&bad).await, ["the command `no-such-program` was not found"]);
    site.is_settled(&good, &[]).await;
    never_broke(&watch.end().await, &["v1"]);
    assert_eq!(machine::on_record(site.data.path()), before, "the one that serves was not left alone");
}

#[tokio::test]
async fn a_server_that_is_stopped_leaves_programs_running_and_goes_on_with_what_it_had_in_hand() {
    let mut site = Site::new(Kind::Process).await;
    let old = site.deploy("v1").await;
    let new = site.draft("v2", Mood::Gated).await;
    site.request(&new).await;
    let asked = ["starting v2", "asked for its health"];
    eventually("the new program runs", async || (site.log(&new).await == asked).then_some(())).await;
    let before = machine::on_record(site.data.path());
    assert_eq!(before.len(), 2);
    let watch = site.watch();
    watch.until("v1").await;
    kill(machine::server(site.data.path()), Signal::SIGTERM).unwrap();
    site.server.ended().await;
    assert_eq!(machine::on_record(site.data.path()), before, "programs go on without their server");
    let seen = watch.count();
    eventually("visitors are served without it", async || (watch.count() > seen + 10).then_some(())).await;
    site.start_again(&[]).await;
    assert_eq!(site.read(&new).await["action"]["state"], "RUNNING");
    std::fs::write(machine::release(site.data.path(), &new.id).join("gate"), "open").unwrap();
    site.succeeded(&new).await;
    watch.until("v2").await;
    never_broke(&watch.end().await, &["v1", "v2"]);
    site.is_settled(&new, &[&old]).await;
    assert_eq!(machine::on_record(site.data.path()), before, "the same programs as before the stop");
}
