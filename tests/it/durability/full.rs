//! A full disk under the server: visitors notice nothing, uploads and actions are refused or wait, and everything that was
//! accepted is done when there is room again, once.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;
use serde_json::json;
use tempfile::TempDir;

use super::machine;
use super::program::{self, Mood};
use super::site::{Kind, Site, never_broke};
use crate::harness::{DEPLOY, RealServer, digest, eventually};

/// A small disk of its own, in memory; goes with the test.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        as_root(&["mount", "-t", "tmpfs", "-o", "size=48m,mode=0777", "reeve-test"], place.path());
        Self(place)
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Filler {
        let path = self.0.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let mut piece = vec![b'x'; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Filler(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy"], self.0.path());
    }
}

/// What fills a disk.
struct Filler(PathBuf);

impl Filler {
    fn make_room(self) {
        std::fs::remove_file(self.0).unwrap();
    }
}

fn as_root(words: &[&str], last: &Path) {
    let sudo: &[&str] = if Uid::effective().is_root() { &[] } else { &["sudo", "-n"] };
    let mut words = sudo.iter().chain(words);
    let done = Command::new(words.next().unwrap()).args(words).arg(last).output().unwrap();
    assert!(done.status.success(), "a disk of its own needs root: {done:?}");
}

#[tokio::test]
async fn an_accepted_deploy_waits_for_room_on_a_full_disk() {
    let disk = Disk::new();
    let data = tempfile::tempdir_in(disk.0.path()).unwrap();
    std::fs::write(data.path().join("reeve-server.toml"), "lease_seconds = 2\n").unwrap();
    let server = RealServer::start(data.path()).await;
    let mut site = Site::on(Kind::Process, server, data).await;
    let old = site.deploy("v1").await;
    let new = site.draft("v2", Mood::Well).await;
    let content = program::source("v3", Mood::Well);
    let toml = program::project_file(Mood::Well);
    let unsent = site.ada.draft(&site.environment, &[("server.py", &content)], Some(&toml)).await;
    let watch = site.watch();
    watch.until("v1").await;

    let filler = disk.fill();
    let (wanted, url) = &unsent.missing[0];
    assert_eq!(*wanted, digest(&content));
    let put = site.ada.put_blob(url, Some(&unsent.token), content.clone()).await;
    assert_eq!(put.status, 503, "{put:?}");
    let asked = site.ada.query(DEPLOY, json!({ "input": { "id": new.id } })).await;
    let accepted = asked.errors.is_empty();
    if !accepted {
        // The database is on the same disk: what cannot be written down is not accepted.
        assert_eq!(asked.refusal().code, "UNAVAILABLE");
    } else if site.server.database_url().is_some() {
        eventually("the action says what it waits for", async || {
            let action = site.read(&new).await["action"].clone();
            assert_eq!(action["state"], "RUNNING", "{action}");
            action["error"].as_str().is_some_and(|text| text.contains("No space left")).then_some(())
        })
        .await;
    }
    let served = watch.count();
    eventually("visitors are served meanwhile", async || (watch.count() > served + 100).then_some(())).await;
    never_broke(&watch.end().await, &["v1"]);

    let before = machine::on_record(site.data.path());
    site.server.kill().await;
    assert_eq!(machine::on_record(site.data.path()), before, "programs run on");
    filler.make_room();
    let watch = site.watch();
    site.start_again(&[]).await;
    if !accepted {
        site.request(&new).await;
    }
    site.succeeded(&new).await;
    watch.until("v2").await;
    never_broke(&watch.end().await, &["v1", "v2"]);
    assert_eq!(site.log(&new).await, ["starting v2"], "it was started once");
    site.ada.upload(&unsent, &[("server.py", &content)]).await;
    site.request(&unsent.deployment).await;
    site.succeeded(&unsent.deployment).await;
    site.is_settled(&unsent.deployment, &[&old, &new]).await;
}
