//! Times without a database: what was accepted before goes on when it is back, and not twice; what is asked meanwhile is
//! refused; visitors notice nothing. PostgreSQL cannot be reached, SQLite is held by somebody else for too long.

use reeve::workflow::{deploy, rollback};
use serde_json::json;

use super::machine;
use super::program::Mood;
use super::site::{Kind, Site, every, never_broke};
use crate::harness::{DEPLOY, ROLLBACK, RealServer, eventually};

const CREATE: &str = "mutation($input: CreateOrganizationInput!) {
    createOrganization(input: $input) { organization { id } } }";
const NAMES: &str = "{ organizations(first: 50) { nodes { name } } }";

impl Site {
    /// One whose database can be lost; abandoned work is taken up soon.
    async fn losable(kind: Kind) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("reeve-server.toml"), "lease_seconds = 2\n").unwrap();
        let server = RealServer::start_losable(data.path()).await;
        Self::on(kind, server, data).await
    }

    /// The server stands still at the place when it comes there, until [`Site::go_on`].
    async fn stand_still_at(&mut self, place: &str) {
        let hold = self.data.path().join("hold");
        std::fs::write(&hold, "").unwrap();
        self.server.kill().await;
        self.start_again(&[("REEVE_HOLD_AT", place), ("REEVE_HOLD_WHILE", hold.to_str().unwrap())]).await;
    }

    async fn stands_still(&self) {
        let reached = self.data.path().join("hold.reached");
        eventually("the place is reached", async || reached.exists().then_some(())).await;
    }

    fn go_on(&self) {
        std::fs::remove_file(self.data.path().join("hold")).unwrap();
    }

    /// Asks for something that has to be written down; it is refused, since it cannot be.
    async fn is_refused(&self, name: &str) {
        let input = json!({ "input": { "name": name } });
        let refusal = self.ada.refusal(CREATE, input).await;
        assert_eq!(refusal.code, "UNAVAILABLE", "{refusal:?}");
    }

    async fn never_happened(&self, name: &str) {
        let data = self.ada.ok(NAMES, json!({})).await;
        assert!(!data.to_string().contains(name), "{data}");
    }
}

/// After the effect of every step, before it is written down.
fn places(action: &str, steps: &[reeve::workflow::Step]) -> Vec<String> {
    steps.iter().map(|step| format!("{action}.{}.run", step.name)).collect()
}

async fn is_lost_in_a_deploy(place: String) {
    let mut site = Site::losable(Kind::Process).await;
    let old = site.deploy("v1").await;
    site.stand_still_at(&place).await;
    let new = site.draft("v2", Mood::Well).await;
    let watch = site.watch();
    watch.until("v1").await;
    site.request(&new).await;
    site.stands_still().await;
    let outage = site.server.lose_database().await;
    site.go_on();
    site.is_refused("meanwhile").await;
    let served = watch.count();
    eventually("visitors are served meanwhile", async || (watch.count() > served).then_some(())).await;
    outage.end().await;
    site.succeeded(&new).await;
    watch.until("v2").await;
    never_broke(&watch.end().await, &["v1", "v2"]);
    site.never_happened("meanwhile").await;
    site.is_settled(&new, &[&old]).await;
    assert_eq!(site.log(&new).await, ["starting v2"], "it was started once");
}

async fn is_lost_in_a_rollback(place: String) {
    let mut site = Site::losable(Kind::Process).await;
    let target = site.deploy("v1").await;
    let newest = site.deploy("v2").await;
    let before = machine::on_record(site.data.path());
    site.stand_still_at(&place).await;
    let watch = site.watch();
    watch.until("v2").await;
    site.ada.ok(ROLLBACK, json!({ "input": { "id": target.id, "reason": "v2 is slow" } })).await;
    site.stands_still().await;
    let outage = site.server.lose_database().await;
    site.go_on();
    site.is_refused("meanwhile").await;
    outage.end().await;
    site.succeeded(&target).await;
    watch.until("v1").await;
    never_broke(&watch.end().await, &["v2", "v1"]);
    site.is_settled(&target, &[&newest]).await;
    assert_eq!(machine::on_record(site.data.path()), before, "programs were not left alone");
}

#[tokio::test]
async fn a_deploy_goes_on_when_the_database_is_back() {
    every(places("deploy", deploy::STEPS), is_lost_in_a_deploy).await;
}

#[tokio::test]
async fn a_rollback_goes_on_when_the_database_is_back() {
    every(places("rollback", rollback::STEPS), is_lost_in_a_rollback).await;
}

/// The server dies while its database is away, and cannot come back before that does; programs run on.
#[tokio::test]
async fn a_server_without_its_database_says_so_and_starts_when_it_is_back() {
    let mut site = Site::losable(Kind::Process).await;
    let old = site.deploy("v1").await;
    site.stand_still_at("deploy.check.run").await;
    let new = site.draft("v2", Mood::Well).await;
    site.ada.ok(DEPLOY, json!({ "input": { "id": new.id } })).await;
    site.stands_still().await;
    let before = machine::on_record(site.data.path());
    assert_eq!(before.len(), 2);
    site.server.kill().await;
    let outage = site.server.lose_database().await;
    let said = site.server.cannot_start().await;
    assert!(said.contains("database"), "{said}");
    assert_eq!(machine::on_record(site.data.path()), before, "programs run on");
    outage.end().await;
    site.go_on();
    let watch = site.watch();
    site.start_again(&[]).await;
    site.succeeded(&new).await;
    watch.until("v2").await;
    never_broke(&watch.end().await, &["v1", "v2"]);
    site.is_settled(&new, &[&old]).await;
    assert_eq!(machine::on_record(site.data.path()), before, "nothing was started twice");
}
