//! The promise of the whole, under a crowd: whatever is switched, and whatever becomes of the server meanwhile, no request
//! fails; WebSockets and streams of what is not switched go on through stops and deaths of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use super::crowd::{Crowd, HELD, Link};
use super::program::{Mood, interpreter};
use super::site::{Kind, Site, say};
use super::{machine, site};
use crate::harness::{Client, Deployment, Environment, edges};
use crate::lifecycle::document;

const CYCLES: usize = 10;

/// One environment, and what is deployed there: the one before, and the one that serves or is to.
struct Place {
    kind: Kind,
    environment: Environment,
    link: Arc<Link>,
    old: Deployment,
    new: Deployment,
    versions: [String; 2],
    made: usize,
}

/// The server, its two places, and who visits them.
struct Story {
    site: Site,
    crowd: Crowd,
    files: Place,
    program: Place,
    switches: usize,
}

impl Story {
    async fn begin(connections: usize) -> Self {
        let mut site = Site::new(Kind::Process).await;
        let program = place(&mut site, Kind::Process).await;
        let organization = site.ada.create_organization("files").await;
        let project = site.ada.create_project(&organization, "files").await;
        let process = site.environment.clone();
        site.environment = site.ada.create_environment(&project, "production", true).await;
        let files = place(&mut site, Kind::Static).await;
        site.environment = process;
        let held = site.ada.create_environment(&project, "held", true).await;
        hold(&site.ada, &held).await;
        // Visitors who leave the machine some time for what is switched.
        let pace = Duration::from_millis(4 * connections as u64);
        let mut crowd = Crowd::gather(&[files.link.clone(), program.link.clone()], connections, pace);
        crowd.hold(site.server.edge_address(), &held.url);
        crowd.is_served().await;
        Self { site, crowd, files, program, switches: 0 }
    }

    /// Counts a switch, among visitors who were all served since.
    async fn switched(&mut self) {
        self.switches += 1;
        self.crowd.is_served().await;
    }

    async fn deploy(&mut self, kind: Kind) {
        let place = place_of(&mut self.files, &mut self.program, kind);
        place.made += 1;
        let version = format!("v{}", place.made);
        let draft = draft(&mut self.site, place, &version).await;
        place.link.wants(&version);
        self.site.request(&draft).await;
        self.site.succeeded(&draft).await;
        place.link.has_drained();
        place.old = std::mem::replace(&mut place.new, draft);
        place.versions = [std::mem::take(&mut place.versions[1]), version];
        self.switched().await;
    }

    /// To the other one of the two.
    async fn roll_back(&mut self, kind: Kind) {
        let place = place_of(&mut self.files, &mut self.program, kind);
        place.link.wants(&place.versions[0]);
        self.site.rollback(&place.old).await;
        place.link.has_drained();
        std::mem::swap(&mut place.old, &mut place.new);
        place.versions.swap(0, 1);
        self.switched().await;
    }

    async fn ask(&self, verb: &str, deployment: &str, state: &str) -> String {
        let data = self.site.ada.ok(document(verb), json!({ "input": { "id": deployment } })).await;
        let (_, payload) = data.as_object().unwrap().iter().next().unwrap();
        let id = crate::harness::text(&payload["deployment"]["id"]);
        site::reaches(&self.site.ada, &id, state).await;
        id
    }

    /// The program that serves comes up once more beside itself, and is retired; and so is the one before.
    async fn redeploy_and_retire(&mut self) {
        let again = self.ask("REDEPLOY", &self.program.new.id, "READY").await;
        self.switched().await;
        self.ask("RETIRE", &again, "RETIRED").await;
        self.switched().await;
        self.ask("RETIRE", &self.program.old.id, "RETIRED").await;
        self.switched().await;
    }

    async fn restart(&mut self, signal: Signal) {
        let before = edges(self.site.data.path());
        kill(machine::server(self.site.data.path()), signal).unwrap();
        self.site.server.ended().await;
        // Nobody but the edge is there now.
        self.crowd.is_served().await;
        self.site.start_again(&[]).await;
        assert_eq!(edges(self.site.data.path()), before, "the edge was kept");
        self.switched().await;
    }

    /// Twenty switches.
    async fn cycle(&mut self) {
        for kind in [Kind::Static, Kind::Process] {
            self.deploy(kind).await;
            for _ in 0..4 {
                self.roll_back(kind).await;
            }
        }
        self.redeploy_and_retire().await;
        self.deploy(Kind::Static).await;
        self.restart(Signal::SIGTERM).await;
        self.roll_back(Kind::Static).await;
        self.deploy(Kind::Process).await;
        self.restart(Signal::SIGKILL).await;
        self.roll_back(Kind::Static).await;
        self.ask("RETIRE", &self.program.old.id, "RETIRED").await;
        self.switched().await;
    }
}

fn place_of<'a>(files: &'a mut Place, program: &'a mut Place, kind: Kind) -> &'a mut Place {
    if kind == Kind::Static { files } else { program }
}

async fn draft(site: &mut Site, place: &Place, version: &str) -> Deployment {
    site.kind = place.kind;
    let before = std::mem::replace(&mut site.environment, place.environment.clone());
    let draft = site.draft(version, Mood::Well).await;
    site.environment = before;
    draft
}

/// Two versions in the environment of the site, of which the second serves.
async fn place(site: &mut Site, kind: Kind) -> Place {
    site.kind = kind;
    let old = site.deploy("v0").await;
    let new = site.deploy("v1").await;
    let link = Link::new(site.server.edge_address(), &site.environment.url, "v1");
    let versions = ["v0".to_owned(), "v1".to_owned()];
    Place { kind, environment: site.environment.clone(), link, old, new, versions, made: 1 }
}

/// What nobody switches.
async fn hold(ada: &Client, environment: &Environment) {
    let python = interpreter();
    let toml = format!("[process]\ncommand = [{python:?}, \"-S\", \"server.py\"]\n[health]\npath = \"/health\"\n");
    ada.deploy_process(environment, &[("server.py", HELD.as_bytes())], &toml).await;
}

async fn two_hundred_switches(connections: usize) {
    let mut story = Story::begin(connections).await;
    let began = Instant::now();
    for _ in 0..CYCLES {
        story.cycle().await;
    }
    let (took, switches) = (began.elapsed(), story.switches);
    assert_eq!(switches, 200);
    let (times, held) = story.crowd.end().await;
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    say(&format!(
        "{connections} connections kept and {connections} anew each time, a WebSocket and a stream: {} requests, {held} messages, \
         {switches} switches in {took:?}, 0 failed; p50 {:?}, p99 {:?}, max {:?}",
        times.len(),
        at(500),
        at(990),
        at(1000),
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_switches_of_every_kind_fail_none_of_16_connections() {
    two_hundred_switches(16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_switches_of_every_kind_fail_none_of_64_connections() {
    two_hundred_switches(64).await;
}
