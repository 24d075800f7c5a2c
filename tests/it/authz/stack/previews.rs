//! Changes of who holds what: what is said of them beforehand is what the rules say, asking changes nothing, and making them
//! does just that.

use std::collections::BTreeMap;

use chrono::DateTime;
use reeve::authz::{Capability, Scope, Subject};
use serde_json::{Value, json};

use super::super::estate::{Bits, Bound, Estate, Given, Outcome, Pair, Step, bit, named};
use super::{Stage, binding_word, told, user_word, word};
use crate::harness::text;

const PREVIEW: &str = "query($changes: [AccessChangeInput!]!) { previewAccessChange(changes: $changes) { epoch
    violations { kind } differences { user { id } scope
        gained { capability environments } lost { capability environments } } } }";
const CHANGE: &str = "mutation($input: ChangeAccessInput!) {
    changeAccess(input: $input) { bindings { id } revokedIds } }";

const PREVIEWED: usize = 25;

/// By user and scope, in the words of the API.
type Told = BTreeMap<(String, String), (Pair, Pair)>;

fn shift(list: &Value) -> Pair {
    let mut pair = [0; 2];
    for each in list.as_array().unwrap() {
        let bits: Bits = bit(named(&text(&each["capability"])));
        let environments = text(&each["environments"]);
        pair[0] |= if environments == "NONPRODUCTION" { 0 } else { bits };
        pair[1] |= if environments == "PRODUCTION" { 0 } else { bits };
    }
    pair
}

fn differences(preview: &Value) -> Told {
    let all = preview["differences"].as_array().unwrap().iter();
    all.map(|each| {
        let key = (text(&each["user"]["id"]), text(&each["scope"]));
        (key, (shift(&each["gained"]), shift(&each["lost"])))
    })
    .collect()
}

/// Of the differences, what means something on the scope or below it, where the asker may view that.
fn shown(estate: &Estate, asker: u128, outcome: &Outcome) -> Told {
    let held = estate.held(asker);
    let mut told = Told::new();
    for (&(user, scope), &(gained, lost)) in &outcome.differences {
        if !estate.allows(&held, scope, scope.view()) {
            continue;
        }
        let here = Capability::ALL.iter().filter(|each| scope.level().spans(each.level()));
        let here = here.fold(0, |bits: Bits, each| bits | bit(*each));
        let (gained, lost) = (gained.map(|bits| bits & here), lost.map(|bits| bits & here));
        if gained != [0; 2] || lost != [0; 2] {
            told.insert((user_word(user), word(scope)), (gained, lost));
        }
    }
    told
}

impl Stage {
    /// A few changes: gifts, and bindings taken away.
    fn draw_steps(&mut self) -> Vec<Step> {
        let several = 1 + self.dice.below(3);
        let mut gone = Vec::new();
        let mut steps = Vec::new();
        for _ in 0..several {
            // Not the administrator's own: then nobody may ask any more.
            let there: Vec<u128> =
                self.estate.bindings[1..].iter().map(|each| each.id).filter(|id| !gone.contains(id)).collect();
            if self.dice.chance(50) && !there.is_empty() {
                let id = self.pick_to_revoke(&there);
                gone.push(id);
                steps.push(Step::Revoke(id));
            } else {
                steps.push(Step::Grant(self.draw_grant()));
            }
        }
        steps
    }

    /// Often one that gives somebody the management of access, which may be the last.
    fn pick_to_revoke(&mut self, there: &[u128]) -> u128 {
        let manages = |id: &&u128| {
            let binding = self.estate.binding(**id).unwrap();
            let landings = self.estate.landings(&binding.given, binding.scope);
            landings.iter().any(|each| each.2[0] & bit(Capability::AccessManage) != 0)
        };
        let managing: Vec<u128> = there.iter().filter(manages).copied().collect();
        let from = if self.dice.chance(60) && !managing.is_empty() { &managing } else { there };
        self.dice.pick(from)
    }

    fn draw_grant(&mut self) -> Bound {
        loop {
            let mut drawn = self.estate.draw_binding(&mut self.dice);
            // The API refuses what could never count, and a role that is not of this organization.
            if drawn.not_before.zip(drawn.not_after).is_some_and(|(from, until)| from >= until) {
                drawn.not_before = None;
            }
            let owner = match &drawn.given {
                Given::Role(key) => self.estate.made.get(key).map(|made| made.owner),
                Given::Alone(_) => None,
            };
            if owner.is_none_or(|owner| self.estate.lineage(drawn.scope).contains(&owner)) {
                return drawn;
            }
        }
    }

    fn input(&self, step: &Step) -> Value {
        let time = |millis: Option<i64>| millis.map(|at| DateTime::from_timestamp_millis(at).unwrap().to_rfc3339());
        match step {
            Step::Revoke(id) => json!({ "revokeBinding": { "id": binding_word(*id) } }),
            Step::Grant(bound) => {
                let (role, capability) = match &bound.given {
                    Given::Role(key) => (Some(key.clone()), None),
                    Given::Alone(capability) => (None, Some(capability.name())),
                };
                let subject = match bound.subject {
                    Subject::User(id) => user_word(id),
                    Subject::Team(id) => word(Scope::Team(id)),
                };
                json!({ "grantRole": { "subject": subject, "role": role, "capability": capability,
                    "scope": word(bound.scope), "onBehalfOf": bound.on_behalf_of.map(|id| word(Scope::Team(id))),
                    "notBefore": time(bound.not_before), "notAfter": time(bound.not_after) } })
            }
        }
    }

    /// What somebody is told who may not make these changes, if they may not.
    fn refusal(&self, asker: u128, steps: &[Step]) -> Option<&'static str> {
        // Who is named comes before everything else, and needs the right to give.
        let mut estate = self.estate.clone();
        for step in steps {
            if let Step::Grant(Bound { subject: Subject::User(_), scope, .. }) = step {
                let answer = told(estate.allowed(&estate.held(asker), *scope), *scope, Capability::AccessManage);
                if answer != "ok" {
                    return Some(answer);
                }
            }
        }
        for step in steps {
            let held = estate.held(asker);
            let answer = match step {
                Step::Grant(bound) => {
                    let allowed = estate.allowed(&held, bound.scope);
                    let teams = match bound.subject {
                        Subject::Team(team) => Some(team),
                        Subject::User(_) => bound.on_behalf_of,
                    };
                    let of_team = |team| {
                        let scope = Scope::Team(team);
                        told(estate.allowed(&held, scope), scope, Capability::TeamView)
                    };
                    match (told(allowed, bound.scope, Capability::AccessManage), teams.map(of_team)) {
                        ("ok", team) => team.unwrap_or("ok"),
                        (other, _) => other,
                    }
                }
                Step::Revoke(id) => {
                    let scope = estate.binding(*id).unwrap().scope;
                    let allowed = estate.allowed(&held, scope);
                    // A binding is seen by whoever may see the people.
                    let people = told(allowed, scope, Capability::MemberView) == "ok";
                    match told(allowed, scope, Capability::AccessManage) {
                        "ok" => "ok",
                        _ if people => "FORBIDDEN",
                        _ => "NOT_FOUND",
                    }
                }
            };
            if answer != "ok" {
                return Some(answer);
            }
            estate.apply(asker, std::slice::from_ref(step));
        }
        None
    }

    pub(super) async fn preview_changes(&mut self) {
        for turn in 0..PREVIEWED {
            let steps = self.draw_steps();
            let who = if turn % 3 == 0 { self.somebody() } else { 0 };
            self.preview(who, &steps).await;
        }
    }

    async fn preview(&mut self, who: usize, steps: &[Step]) {
        let asker = self.estate.people[who].id;
        let client = self.clients[who].clone();
        let changes: Vec<Value> = steps.iter().map(|step| self.input(step)).collect();
        let before = (self.tables.epoch().await, self.tables.read(self.estate.now).await.bindings.len());
        let answer = client.query(PREVIEW, json!({ "changes": changes })).await;
        let after = (self.tables.epoch().await, self.tables.read(self.estate.now).await.bindings.len());
        assert_eq!(before, after, "asking has changed something: {steps:?}");
        let refusal = self.refusal(asker, steps);
        self.figures.add("previews", refusal.is_none());
        if let Some(code) = refusal {
            assert_eq!(answer.refusal().code, code, "{steps:?} by {asker:x}");
            return;
        }
        assert!(answer.errors.is_empty(), "{steps:?} by {asker:x}: {answer:#?}");
        let preview = &answer.data["previewAccessChange"];
        let mut changed = self.estate.clone();
        let outcome = changed.apply(asker, steps);
        let expected = shown(&self.estate, asker, &outcome);
        assert_eq!(differences(preview), expected, "{steps:?} by {asker:x}");
        self.figures.add("differences", !expected.is_empty());
        let of_kind =
            |kind: &str| preview["violations"].as_array().unwrap().iter().filter(|each| each["kind"] == kind).count();
        let violations = (of_kind("GIVES_MORE_THAN_HELD"), of_kind("LAST_ACCESS_MANAGER"));
        assert_eq!(violations, (outcome.beyond, outcome.abandoned), "{steps:?} by {asker:x}");
        self.figures.add("gifts weighed", outcome.beyond == 0);
        self.figures.add("organizations kept", outcome.abandoned == 0);
        self.make(&client, steps, changed, &outcome, &changes, &preview["epoch"]).await;
    }

    /// Makes what was seen: all of it or, when something forbids it, nothing.
    async fn make(
        &mut self,
        client: &crate::harness::Client,
        steps: &[Step],
        changed: Estate,
        outcome: &Outcome,
        changes: &[Value],
        epoch: &Value,
    ) {
        let input = json!({ "input": { "changes": changes, "expectedEpoch": epoch } });
        let answer = client.query(CHANGE, input.clone()).await;
        let done = outcome.beyond == 0 && outcome.abandoned == 0;
        self.figures.add("changes made", done);
        if !done {
            let code = answer.refusal().code;
            let expected: &[&str] = match (outcome.beyond, outcome.abandoned) {
                (0, _) => &["FAILED_PRECONDITION"],
                (_, 0) => &["FORBIDDEN"],
                _ => &["FAILED_PRECONDITION", "FORBIDDEN"],
            };
            assert!(expected.contains(&code.as_str()), "{code}, not {expected:?}");
            assert_eq!(self.tables.read(self.estate.now).await.bindings.len(), self.estate.bindings.len());
            return;
        }
        assert!(answer.errors.is_empty(), "{steps:?}: {answer:#?}");
        assert_eq!(client.code(CHANGE, input).await, "CONFLICT", "the epoch has moved on");
        let stands = self.tables.read(self.estate.now).await;
        assert_eq!(stands.bindings.len(), changed.bindings.len());
        // Their ids are the server's.
        self.estate.bindings = stands.bindings;
        self.estate.bindings.sort_by_key(|each| {
            each.scope != Scope::Console || each.subject != Subject::User(self.estate.people[0].id)
        });
        for person in &changed.people {
            let (one, other) = (changed.held(person.id), self.estate.held(person.id));
            let same = |scope| changed.under(&one, scope) == self.estate.under(&other, scope);
            assert!(changed.scopes().into_iter().all(same), "not what was seen: {steps:?}");
        }
        self.check_everybody().await;
    }
}
