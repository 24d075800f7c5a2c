//! Questions about access: who can, why or why not, what is missing and who could give it.

use std::collections::BTreeSet;

use reeve::authz::{Capability, Scope, Subject};
use serde_json::{Value, json};

use super::super::estate::{Bound, Estate, Given, PACK_ROLES, bit, named};
use super::{Stage, binding_word, told, user_word, word};
use crate::harness::text;

const WHO_CAN: &str = "query($capability: String!, $resource: String!) {
    whoCan(capability: $capability, resource: $resource, first: 100) { totalCount nodes { user { id } bindingIds } } }";
const DECISION: &str = "query($subject: String, $capability: String!, $resource: String!) {
    accessDecision(subject: $subject, capability: $capability, resource: $resource) { allowed
        because { bindingId } refusal { reason bindingId }
        missingGrant { role capability scope givers { id } } } }";

const ASKED: usize = 50;

fn words(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|each| text(&each[key])).collect()
}

fn givers_of(estate: &Estate, given: &Given, scope: Scope) -> BTreeSet<String> {
    let able = estate.people.iter().filter(|person| estate.may_give(&estate.held(person.id), given, scope));
    able.map(|person| user_word(person.id)).collect()
}

impl Stage {
    /// A capability, mostly one that somebody holds there.
    fn capability(&mut self, scope: Scope) -> Capability {
        if self.dice.chance(30) {
            return self.dice.pick(Capability::ALL);
        }
        let user = self.dice.pick(&self.users()[1..]);
        let allowed = self.estate.allowed(&self.estate.held(user), scope);
        let held: Vec<Capability> = Capability::ALL.iter().copied().filter(|each| allowed & bit(*each) != 0).collect();
        if held.is_empty() { self.dice.pick(Capability::ALL) } else { self.dice.pick(&held) }
    }

    /// Something to ask about. Often what is given from elsewhere: from below, or through the team that manages it.
    fn question(&mut self) -> (Capability, Scope) {
        if self.dice.chance(50) {
            let mut from_elsewhere = Vec::new();
            for binding in &self.estate.bindings {
                let landings = self.estate.landings(&binding.given, binding.scope).into_iter();
                from_elsewhere.extend(landings.filter(|each| each.0 != binding.scope));
            }
            if !from_elsewhere.is_empty() {
                let (scope, _, [production, nonproduction]) = self.dice.pick(&from_elsewhere);
                let given = |each: &&Capability| (production | nonproduction) & bit(**each) != 0;
                let given: Vec<Capability> = Capability::ALL.iter().filter(given).copied().collect();
                return (self.dice.pick(&given), scope);
            }
        }
        let scope = self.scope();
        (self.capability(scope), scope)
    }

    pub(super) async fn ask_questions(&mut self) {
        for _ in 0..ASKED {
            let (capability, scope) = self.question();
            self.ask_who_can(capability, scope).await;
            let (capability, scope) = self.question();
            let user = self.dice.pick(&self.users());
            self.ask_why(user, capability, scope).await;
        }
    }

    async fn ask_who_can(&mut self, capability: Capability, scope: Scope) {
        let who = if self.dice.chance(50) { 0 } else { self.somebody() };
        let asks = self.estate.allowed(&self.estate.held(self.estate.people[who].id), scope);
        let needed = if matches!(scope, Scope::Team(_)) { Capability::TeamView } else { Capability::MemberView };
        let expected = told(asks, scope, needed);
        let variables = json!({ "capability": capability.name(), "resource": word(scope) });
        let answer = self.clients[who].query(WHO_CAN, variables).await;
        self.figures.add("asked who can", expected == "ok");
        if expected != "ok" {
            assert_eq!(answer.refusal().code, expected, "{capability:?} on {scope:?}");
            return;
        }
        assert!(answer.errors.is_empty(), "{answer:#?}");
        let nodes = &answer.data["whoCan"]["nodes"];
        let mut able = BTreeSet::new();
        for user in self.users() {
            let allowed = self.estate.allows(&self.estate.held(user), scope, capability);
            self.figures.add("able or not", allowed);
            if !allowed {
                continue;
            }
            able.insert(user_word(user));
            let told = nodes.as_array().unwrap().iter().find(|node| node["user"]["id"] == user_word(user).as_str());
            let told = told.unwrap_or_else(|| panic!("{user:x} is not told: {capability:?} on {scope:?}"));
            let ids: BTreeSet<String> = told["bindingIds"].as_array().unwrap().iter().map(text).collect();
            assert_eq!(ids, self.giving(user, scope, capability), "{capability:?} on {scope:?} of {user:x}");
        }
        let said: BTreeSet<String> = nodes.as_array().unwrap().iter().map(|node| text(&node["user"]["id"])).collect();
        assert_eq!(said, able, "{capability:?} on {scope:?}");
        assert_eq!(answer.data["whoCan"]["totalCount"], able.len(), "{capability:?} on {scope:?}");
    }

    fn giving(&self, user: u128, scope: Scope, capability: Capability) -> BTreeSet<String> {
        self.estate.giving(user, scope, capability).into_iter().map(binding_word).collect()
    }

    async fn ask_why(&mut self, user: u128, capability: Capability, scope: Scope) {
        let who = if self.dice.chance(60) { 0 } else { self.somebody() };
        let asker = self.estate.people[who].id;
        let asks = self.estate.allowed(&self.estate.held(asker), scope);
        let expected = match told(asks, scope, Capability::MemberView) {
            _ if asker == user && asks & bit(scope.view()) == 0 => "NOT_FOUND",
            _ if asker == user => "ok",
            told => told,
        };
        let variables = json!({ "subject": user_word(user), "capability": capability.name(), "resource": word(scope) });
        let answer = self.clients[who].query(DECISION, variables).await;
        self.figures.add("asked why", expected == "ok");
        if expected != "ok" {
            assert_eq!(answer.refusal().code, expected, "{capability:?} on {scope:?} of {user:x} by {asker:x}");
            return;
        }
        assert!(answer.errors.is_empty(), "{answer:#?}");
        let decision = &answer.data["accessDecision"];
        let allowed = self.estate.allows(&self.estate.held(user), scope, capability);
        self.figures.add("decisions explained", allowed);
        assert_eq!(decision["allowed"], allowed, "{capability:?} on {scope:?} of {user:x}");
        let because = words(&decision["because"], "bindingId");
        if allowed {
            assert_eq!(because, self.giving(user, scope, capability), "{capability:?} on {scope:?} of {user:x}");
            assert!(decision["refusal"].is_null() && decision["missingGrant"].is_null(), "{decision}");
        } else {
            assert!(because.is_empty(), "{decision}");
            self.check_refusal(user, capability, scope, decision);
        }
    }

    /// What is said to be missing is enough, and who is said to be able to give it is.
    fn check_refusal(&mut self, user: u128, capability: Capability, scope: Scope, decision: &Value) {
        let reason = text(&decision["refusal"]["reason"]);
        let suspended = self.estate.people.iter().any(|person| person.id == user && person.suspended);
        assert_eq!(reason == "ACTOR_SUSPENDED", suspended, "{decision}");
        let mut unlocked = self.estate.clone();
        unlocked.organizations.iter_mut().for_each(|each| each.suspended = false);
        unlocked.environments.iter_mut().for_each(|each| each.frozen = false);
        let locked = ["ORGANIZATION_SUSPENDED", "ENVIRONMENT_FROZEN"].contains(&reason.as_str());
        let opens = unlocked.allows(&unlocked.held(user), scope, capability);
        assert_eq!(locked && !suspended, opens && !suspended, "{decision}");
        let missing = &decision["missingGrant"];
        assert_eq!(missing.is_null(), locked || suspended, "{decision}");
        self.figures.add("refused for a lock", locked || suspended);
        if missing.is_null() {
            return;
        }
        let given = match missing["role"].as_str() {
            Some(name) => Given::Role(self.key_of(name)),
            None => Given::Alone(named(&text(&missing["capability"]))),
        };
        let place = text(&missing["scope"]);
        let at = self.estate.scopes().into_iter().find(|each| word(*each) == place).unwrap();
        assert!(self.estate.lineage(scope).contains(&at), "{decision}");
        let binding = Bound {
            id: 0,
            subject: Subject::User(user),
            given: given.clone(),
            scope: at,
            on_behalf_of: None,
            not_before: None,
            not_after: None,
        };
        unlocked.bindings.push(binding);
        assert!(unlocked.allows(&unlocked.held(user), scope, capability), "it is not enough: {decision}");
        let givers = words(&missing["givers"], "id");
        let able = givers_of(&self.estate, &given, at);
        self.figures.add("grants that are missing", !givers.is_empty());
        assert!(givers.is_subset(&able), "{givers:?} but able are {able:?}: {decision}");
        assert_eq!(givers.len(), able.len().min(10), "{able:?}: {decision}");
    }

    /// What bindings name a role by, of which the API tells the full name.
    pub(super) fn key_of(&self, name: &str) -> String {
        if PACK_ROLES.contains_key(name) {
            return name.to_owned();
        }
        let named = |made: &super::super::estate::Made| format!("{}/{}", made.pack, made.name) == name;
        self.estate.made.iter().find(|(_, made)| named(made)).map(|(key, _)| key.clone()).unwrap()
    }
}
