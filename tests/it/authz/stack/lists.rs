//! What everybody may do everywhere, asked of the service layer and over HTTP, and what everybody is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entities::ids::{DeploymentId, Id, SessionId};
use reeve::authz::{Capability, Scope};
use reeve::op::{Actor, Op};
use serde_json::{Value, json};

use super::super::estate::{Bits, Held, bit, deployment_of, names};
use super::{Figures, Stage, word};
use crate::harness::{Client, text};

const EVERYTHING: &str = "query($ids: [ID!]!, $all: [String!]!, $console: Boolean!) {
    organizations(first: 100) { nodes { id } }
    viewer { organizations(first: 100) { nodes { id } } projects(first: 100) { nodes { id } } teams { nodes { id } } }
    console @include(if: $console) { viewerCan(capabilities: $all) { allowed } viewerCapabilities }
    nodes(ids: $ids) { id
        ... on Team { viewerCan(capabilities: $all) { allowed } viewerCapabilities }
        ... on Organization { viewerCan(capabilities: $all) { allowed } viewerCapabilities
            projects(first: 50) { nodes { id } } }
        ... on Project { viewerCan(capabilities: $all) { allowed } viewerCapabilities
            environments(first: 50) { nodes { id } } }
        ... on Environment { viewerCan(capabilities: $all) { allowed } viewerCapabilities }
        ... on Deployment { viewerCan(capabilities: $all) { allowed } viewerCapabilities } } }";

fn ids(nodes: &Value) -> BTreeSet<String> {
    nodes["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect()
}

/// What an object says that the viewer may do; `scope` is where that is judged.
fn said(node: &Value) -> (Bits, BTreeSet<String>) {
    let can = node["viewerCan"].as_array().unwrap();
    let bits = Capability::ALL.iter().zip(can).filter(|(_, can)| can["allowed"] == true);
    let here = node["viewerCapabilities"].as_array().unwrap().iter().map(text).collect();
    (bits.fold(0, |bits, (capability, _)| bits | bit(*capability)), here)
}

/// Of what is allowed, what is judged on a scope of this kind.
fn at_home(allowed: Bits, scope: Scope) -> BTreeSet<String> {
    let here = Capability::ALL.iter().filter(|each| each.level() == scope.level() && allowed & bit(**each) != 0);
    here.map(|each| each.name().to_owned()).collect()
}

impl Stage {
    /// What everybody may do on every scope, as the service layer decides it.
    pub(super) async fn check_everybody(&mut self) {
        let (store, _) = self.server.keys().await;
        let scopes = self.estate.scopes();
        for user in self.users() {
            let actor = Actor::User { id: user.into(), session: SessionId::from_uuid(uuid::Uuid::nil()) };
            let op = Op::new(actor, "-".to_owned(), store.clone(), Arc::default());
            let masks = op.masks(&scopes).await.unwrap();
            let held = self.estate.held(user);
            for &scope in &scopes {
                let expected = self.estate.allowed(&held, scope);
                let said = masks[&scope].iter().fold(0, |bits: Bits, each| bits | bit(each));
                assert_eq!(said, expected, "user {user:x} on {scope:?}: {}", names(said ^ expected));
                self.figures.add_all("decisions", Capability::ALL.len(), expected.count_ones() as usize);
            }
        }
    }

    /// What everybody is shown over HTTP, and what they are told that they may do there.
    pub(super) async fn check_lists(&mut self) {
        for (place, user) in self.users().into_iter().enumerate() {
            let client = self.clients[place].clone();
            if self.estate.people[place].suspended {
                assert_eq!(client.code("{ viewer { id } }", json!({})).await, "UNAUTHENTICATED");
                continue;
            }
            let held = self.estate.held(user);
            let told = self.everything(&client, &held).await;
            if let Err(wrong) = told.and_then(|data| self.compare(&held, user, &data)) {
                panic!("user {user:x}: {wrong}");
            }
        }
    }

    /// Every object that has an id and is judged on a scope.
    fn objects(&self) -> BTreeMap<String, Scope> {
        let mut objects: BTreeMap<String, Scope> = BTreeMap::new();
        for scope in self.estate.scopes().into_iter().filter(|scope| *scope != Scope::Console) {
            objects.insert(word(scope), scope);
            if let Scope::Environment(id) = scope {
                objects.insert(DeploymentId::from(deployment_of(id)).to_string(), scope);
            }
        }
        objects
    }

    fn compare(&mut self, held: &Held, user: u128, data: &Value) -> Result<(), String> {
        let mut figures = std::mem::take(&mut self.figures);
        let compared = self.compare_and_count(held, user, data, &mut figures);
        self.figures = figures;
        compared
    }

    /// Whether all that one person was told follows from the rules.
    pub(super) fn followed(&self, held: &Held, user: u128, data: &Value) -> Result<(), String> {
        self.compare_and_count(held, user, data, &mut Figures::default())
    }

    fn compare_and_count(&self, held: &Held, user: u128, data: &Value, figures: &mut Figures) -> Result<(), String> {
        let same = |what: &str, said: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
            let (said, expected) = (format!("{said:?}"), format!("{expected:?}"));
            if said == expected { Ok(()) } else { Err(format!("{what}: said {said}, expected {expected}")) }
        };
        let estate = &self.estate;
        let sees = |scope: Scope| estate.allows(held, scope, scope.view());
        let seen = |wanted: &dyn Fn(Scope) -> bool| -> BTreeSet<String> {
            estate.scopes().into_iter().filter(|scope| wanted(*scope) && sees(*scope)).map(word).collect()
        };
        let organizations = seen(&|scope| matches!(scope, Scope::Organization(_)));
        same("organizations", &ids(&data["organizations"]), &organizations)?;
        same("my organizations", &ids(&data["viewer"]["organizations"]), &organizations)?;
        same("my projects", &ids(&data["viewer"]["projects"]), &seen(&|scope| matches!(scope, Scope::Project(_))))?;
        let teams: BTreeSet<String> = estate.teams_of(user).into_iter().map(|id| word(Scope::Team(id))).collect();
        same("my teams", &ids(&data["viewer"]["teams"]), &teams)?;
        let console = estate.allowed(held, Scope::Console);
        if sees(Scope::Console) {
            same("on the console", &said(&data["console"]), &(console, at_home(console, Scope::Console)))?;
        }
        for ((id, scope), node) in self.objects().into_iter().zip(data["nodes"].as_array().unwrap()) {
            let allowed = estate.allowed(held, scope);
            let view = if id.starts_with("dep_") { Capability::DeploymentView } else { scope.view() };
            let shown = allowed & bit(view) != 0;
            figures.add("objects shown", shown);
            same(&id, &!node.is_null(), &shown)?;
            if !shown {
                continue;
            }
            same(&id, &said(node), &(allowed, at_home(allowed, scope)))?;
            figures.add_all("decisions over HTTP", Capability::ALL.len(), allowed.count_ones() as usize);
            if matches!(scope, Scope::Organization(_)) {
                let inside = |each: Scope| matches!(each, Scope::Project(_)) && estate.parent(each) == Some(scope);
                same("projects", &ids(&node["projects"]), &seen(&inside))?;
            }
            if matches!(scope, Scope::Project(_)) {
                let inside = |each: Scope| estate.parent(each) == Some(scope);
                same("environments", &ids(&node["environments"]), &seen(&inside))?;
            }
        }
        Ok(())
    }

    /// What one person is told of everything. Whoever may not view the console is told that there is none.
    pub(super) async fn everything(&self, client: &Client, held: &Held) -> Result<Value, String> {
        let all: Vec<&str> = Capability::ALL.iter().map(|capability| capability.name()).collect();
        let console = self.estate.allows(held, Scope::Console, Capability::ConsoleView);
        let ids: Vec<String> = self.objects().into_keys().collect();
        let mut answer = client.query(EVERYTHING, json!({ "ids": ids, "all": all, "console": true })).await;
        if !console {
            if answer.errors.is_empty() {
                return Err("the console is shown".to_owned());
            }
            assert_eq!(answer.refusal().code, "NOT_FOUND");
            answer = client.query(EVERYTHING, json!({ "ids": ids, "all": all, "console": false })).await;
        }
        if answer.errors.is_empty() { Ok(answer.data) } else { Err(format!("{answer:#?}")) }
    }
}
