//! Random calls: half of them such as might well be accepted, the others whatever comes to mind.

use chrono::DateTime;
use entities::ids::{
    BindingId, EligibleRoleId, EnvironmentId, OrganizationId, PolicyTestId, ProjectId, TeamId, UserId,
};
use reeve::authz::{Capability, Level, Scope, Subject};
use serde_json::{Value, json};

use super::super::estate::{Bits, Bound, Given, Line, PACK_ROLES, Step, bit, some_lines};
use super::calls::Call;
use super::{DAY, GROUP, Plot, bound};

/// The word by which the API knows a scope.
pub(super) fn word(scope: Scope) -> String {
    match scope {
        Scope::Console => "console".to_owned(),
        Scope::Team(key) => TeamId::from(key).to_string(),
        Scope::Organization(key) => OrganizationId::from(key).to_string(),
        Scope::Project(key) => ProjectId::from(key).to_string(),
        Scope::Environment(key) => EnvironmentId::from(key).to_string(),
    }
}

fn subject_word(subject: Subject) -> String {
    match subject {
        Subject::User(id) => UserId::from(id).to_string(),
        Subject::Team(id) => TeamId::from(id).to_string(),
    }
}

fn row(line: &Line) -> Value {
    let reach = if line.reach == "self" { "ITSELF".to_owned() } else { line.reach.to_uppercase() };
    json!({ "boundAt": line.bound_at.to_uppercase(), "capability": line.capability.name(),
        "environments": line.environments.to_uppercase(), "reach": reach })
}

fn rows(lines: &[Line]) -> Vec<Value> {
    lines.iter().map(row).collect()
}

impl Plot {
    /// Who it is that calls.
    pub(super) fn user(&self, who: usize) -> u128 {
        self.actors[who].0
    }

    /// Mostly one of the group.
    fn some_subject(&mut self) -> Subject {
        match self.dice.below(10) {
            0 => {
                let place = self.dice.below(self.estate.people.len());
                Subject::User(self.estate.people[place].id)
            }
            1 | 2 => Subject::Team(self.dice.pick(&self.estate.teams)),
            _ => {
                let place = GROUP.start + self.dice.below(GROUP.len());
                Subject::User(self.estate.people[place].id)
            }
        }
    }

    fn some_scope(&mut self) -> Scope {
        self.dice.pick(&self.estate.scopes())
    }

    /// A scope on which somebody may give things, if there is one.
    pub(super) fn scope_of(&mut self, who: usize, capability: Capability, fits: impl Fn(Scope) -> bool) -> Scope {
        let held = self.estate.held(self.user(who));
        let all: Vec<Scope> = self.estate.scopes().into_iter().filter(|scope| fits(*scope)).collect();
        let mine: Vec<Scope> =
            all.iter().copied().filter(|scope| self.estate.allows(&held, *scope, capability)).collect();
        let from = if mine.is_empty() || self.dice.chance(15) { &all } else { &mine };
        self.dice.pick(from)
    }

    /// Capabilities that somebody holds on a scope and below it.
    fn held_at(&self, who: usize, scope: Scope) -> Vec<Capability> {
        let held = self.estate.held(self.user(who));
        let [production, nonproduction] = self.estate.holds(&held, scope, true);
        let bits: Bits = production & nonproduction;
        Capability::ALL.iter().copied().filter(|each| bits & bit(*each) != 0).collect()
    }

    /// A gift, mostly one that this person may make.
    pub(super) fn some_gift(&mut self, who: usize) -> Bound {
        let held = self.estate.held(self.user(who));
        let hostile = self.dice.chance(30);
        let mut gift = self.estate.draw_gift(&mut self.dice);
        for _ in 0..12 {
            if hostile || self.estate.may_give(&held, &gift.0, gift.1) {
                break;
            }
            let scope = self.scope_of(who, Capability::AccessManage, |_| true);
            let mine = self.held_at(who, scope);
            gift = if mine.is_empty() || self.dice.chance(50) {
                (self.estate.draw_gift(&mut self.dice).0, scope)
            } else {
                (Given::Alone(self.dice.pick(&mine)), scope)
            };
        }
        let mut moment = |percent| {
            let days = [-1, 1, 2, 30];
            self.dice.chance(percent).then(|| self.estate.now + self.dice.pick(&days) * DAY)
        };
        let (not_before, not_after) = (moment(8), moment(8));
        let on_behalf_of = self.dice.chance(8).then(|| self.dice.pick(&self.estate.teams));
        let (subject, id) = (self.some_subject(), self.dice.key());
        Bound { id, subject, given: gift.0, scope: gift.1, on_behalf_of, not_before, not_after }
    }

    pub(super) fn gift_input(&self, gift: &Bound) -> Value {
        let time = |millis: Option<i64>| millis.map(|at| DateTime::from_timestamp_millis(at).unwrap().to_rfc3339());
        let (role, capability) = match &gift.given {
            Given::Role(key) => (Some(key.clone()), None),
            Given::Alone(capability) => (None, Some(capability.name())),
        };
        json!({ "subject": subject_word(gift.subject), "role": role, "capability": capability,
            "scope": word(gift.scope), "onBehalfOf": gift.on_behalf_of.map(|id| TeamId::from(id).to_string()),
            "notBefore": time(gift.not_before), "notAfter": time(gift.not_after) })
    }

    pub(super) fn grant_call(&self, gift: &Bound) -> Call {
        let input = self.gift_input(gift);
        Call { gives: vec![Step::Grant(gift.clone())], ..Call::new("grantRole", input) }
    }

    pub(super) fn eligible_call(&mut self, gift: &Bound) -> Option<Call> {
        let Given::Role(role) = &gift.given else { return None };
        let seconds = self.dice.pick(&[60, 3_600, 86_400, 604_800]);
        let input = json!({ "subject": subject_word(gift.subject), "role": role, "scope": word(gift.scope),
            "maxDurationSeconds": seconds });
        Some(Call { gives: vec![Step::Grant(gift.clone())], ..Call::new("createEligibleRole", input) })
    }

    /// Lines for a role of this owner, mostly such as this person may define.
    fn some_rows(&mut self, who: usize, owner: Scope) -> Vec<Line> {
        let mine = self.held_at(who, owner);
        if mine.is_empty() || self.dice.chance(20) {
            let (_, lines) = self.dice.pick(&PACK_ROLES.iter().collect::<Vec<_>>());
            return some_lines(&mut self.dice, lines, 4);
        }
        let count = 1 + self.dice.below(4);
        (0..count)
            .map(|_| {
                let capability = self.dice.pick(&mine);
                let bound_at = self.dice.pick(&["organization", "organization", "project", "environment", "team"]);
                let limited = capability.level() == Level::Environment && self.dice.chance(40);
                let environments = if limited { self.dice.pick(&["production", "nonproduction"]) } else { "any" };
                let reach = match bound_at {
                    "team" if self.dice.chance(40) => "managed",
                    _ if self.dice.chance(35) => "parent",
                    _ => "self",
                };
                let [bound_at, environments, reach] = [bound_at, environments, reach].map(str::to_owned);
                Line { bound_at, capability, environments, reach }
            })
            .collect()
    }

    fn owner_for(&mut self, who: usize) -> Scope {
        let owns = |scope| matches!(scope, Scope::Console | Scope::Organization(_));
        self.scope_of(who, Capability::AccessManage, owns)
    }

    fn new_role(&mut self, who: usize) -> (Value, Vec<Line>, Scope) {
        let owner = self.owner_for(who);
        let lines = self.some_rows(who, owner);
        self.serial += 1;
        let input = json!({ "scope": word(owner), "name": format!("made-{}", self.serial), "rows": rows(&lines) });
        (input, lines, owner)
    }

    /// A role that was made, mostly one that this person may change.
    fn some_made(&mut self, who: usize) -> Option<(String, Scope, i32)> {
        let held = self.estate.held(self.user(who));
        let all: Vec<_> = self.estate.made.iter().map(|(key, made)| (key.clone(), made.owner, made.version)).collect();
        let may = |owner: Scope| self.estate.allows(&held, owner, Capability::AccessManage);
        let mine: Vec<_> = all.iter().filter(|each| may(each.1)).cloned().collect();
        let from = if mine.is_empty() || self.dice.chance(15) { all } else { mine };
        (!from.is_empty()).then(|| self.dice.pick(&from))
    }

    fn edited_role(&mut self, who: usize) -> Option<(Value, Vec<Line>, Scope)> {
        let (id, owner, version) = self.some_made(who)?;
        let lines = self.some_rows(who, owner);
        Some((json!({ "id": id, "rows": rows(&lines), "expectedVersion": version }), lines, owner))
    }

    /// A role that was made, for somebody, where it counts: it may be edited later.
    fn made_gift(&mut self, who: usize) -> Option<Bound> {
        let (key, owner, _) = self.some_made(who)?;
        let levels: Vec<String> = self.estate.lines(&key).iter().map(|line| line.bound_at.clone()).collect();
        let inside = |scope: &Scope| self.estate.lineage(*scope).contains(&owner);
        let fits = |scope: &Scope| levels.iter().any(|level| level == scope.level().name());
        let scopes: Vec<Scope> =
            self.estate.scopes().into_iter().filter(|scope| inside(scope) && fits(scope)).collect();
        if scopes.is_empty() {
            return None;
        }
        let (scope, subject, id) = (self.dice.pick(&scopes), self.some_subject(), self.dice.key());
        Some(bound(id, subject, Given::Role(key), scope))
    }

    fn some_binding(&mut self, who: usize) -> u128 {
        let held = self.estate.held(self.user(who));
        let may = |each: &&Bound| self.estate.allows(&held, each.scope, Capability::AccessManage);
        let mine: Vec<u128> = self.estate.bindings.iter().filter(may).map(|each| each.id).collect();
        let all: Vec<u128> = self.estate.bindings.iter().map(|each| each.id).collect();
        let from = if mine.is_empty() || self.dice.chance(15) { &all } else { &mine };
        self.dice.pick(from)
    }

    fn pack(&mut self, who: usize) -> Value {
        let owner = self.owner_for(who);
        let mut text = "role,bound_at,capability,environments,reach,basis\n".to_owned();
        for role in ["one", "two"] {
            for Line { bound_at, capability, environments, reach } in self.some_rows(who, owner) {
                text += &format!("{role},{bound_at},{},{environments},{reach},x\n", capability.name());
            }
        }
        json!({ "scope": word(owner), "pack": self.dice.pick(&["alpha", "beta"]), "text": text })
    }

    fn listed(&mut self, who: usize) -> (Value, Vec<Step>) {
        let gifts = [self.some_gift(who), self.some_gift(who)];
        let count = 1 + self.dice.below(2);
        let (mut list, mut steps) = (Vec::new(), Vec::new());
        let within = gifts[0].scope;
        for gift in &gifts[..count] {
            let (kind, id) = (gift.scope.level().name(), word(gift.scope));
            let resource = (gift.scope != Scope::Console).then(|| json!({ "resourceType": kind, "resourceId": id }));
            let (roles, permissions) = match &gift.given {
                Given::Role(key) => (vec![key.clone()], vec![]),
                Given::Alone(capability) => (vec![], vec![capability.name()]),
            };
            let (subjects, groups) = match gift.subject {
                Subject::User(_) => (vec![subject_word(gift.subject)], vec![]),
                Subject::Team(_) => (vec![], vec![subject_word(gift.subject)]),
            };
            list.push(json!({ "subjects": subjects, "groups": groups, "roles": roles, "permissions": permissions,
                "resource": resource }));
            let mut bound = gift.clone();
            (bound.on_behalf_of, bound.not_before, bound.not_after) = (None, None, None);
            steps.push(Step::Grant(bound));
        }
        (json!({ "scope": word(within), "bindings": serde_json::to_string(&list).unwrap() }), steps)
    }

    fn several(&mut self, who: usize) -> Call {
        let count = 1 + self.dice.below(3);
        let (mut changes, mut gives) = (Vec::new(), Vec::new());
        let mut weighable = true;
        for _ in 0..count {
            match self.dice.below(6) {
                0 => changes.push(json!({ "createRole": self.new_role(who).0 })),
                1 => {
                    // What a role gives then is not known beforehand.
                    weighable = false;
                    changes.extend(self.edited_role(who).map(|edit| json!({ "updateRole": edit.0 })));
                }
                2 => {
                    let id = self.some_binding(who);
                    gives.push(Step::Revoke(id));
                    changes.push(json!({ "revokeBinding": { "id": BindingId::from(id).to_string() } }));
                }
                _ => {
                    let gift = self.some_gift(who);
                    changes.push(json!({ "grantRole": self.gift_input(&gift) }));
                    gives.push(Step::Grant(gift));
                }
            }
        }
        let gives = if weighable { gives } else { Vec::new() };
        Call { gives, ..Call::new("changeAccess", json!({ "changes": changes })) }
    }

    fn policy_test(&mut self, who: usize) -> Value {
        let owner = self.scope_of(who, Capability::AccessManage, |scope| matches!(scope, Scope::Organization(_)));
        let capability = self.dice.pick(Capability::ALL);
        let (subject, inside) = (self.some_subject(), self.dice.chance(40).then(|| self.some_scope()));
        json!({ "organizationId": word(owner), "name": "a test", "subject": subject_word(subject),
            "capability": capability.name(), "scope": inside.map(word) })
    }

    fn eligible_id(&mut self, who: usize) -> Option<String> {
        let (user, teams) = (self.user(who), self.estate.teams_of(self.user(who)));
        let mine = |key: u128| key == user || teams.contains(&key);
        let mine: Vec<EligibleRoleId> =
            self.eligible.iter().filter(|row| mine(row.subject_id.as_u128())).map(|row| row.id).collect();
        let all: Vec<EligibleRoleId> = self.eligible.iter().map(|row| row.id).collect();
        let from = if mine.is_empty() || self.dice.chance(15) { all } else { mine };
        (!from.is_empty()).then(|| self.dice.pick(&from).to_string())
    }

    fn kind_call(&mut self, who: usize) -> Option<Call> {
        let scope = self.scope_of(who, Capability::EnvironmentUpdate, |scope| matches!(scope, Scope::Environment(_)));
        let Scope::Environment(id) = scope else { return None };
        let production = self.estate.kind(scope)? != reeve::authz::EnvironmentKind::Production;
        let version = *self.versions.get(&id)?;
        let input = json!({ "id": word(scope), "production": production, "expectedVersion": version });
        Some(Call { kind_of: Some(scope), ..Call::new("updateEnvironment", input) })
    }

    /// Any mutation at all.
    pub(super) fn draw_call(&mut self, who: usize) -> Call {
        loop {
            let people = self.dice.chance(40);
            if let Some(call) = if people { self.people_call(who) } else { self.access_call(who) } {
                return call;
            }
        }
    }

    fn access_call(&mut self, who: usize) -> Option<Call> {
        self.serial += 1;
        let slug = format!("x{}", self.serial);
        let call = match self.dice.below(100) {
            0..=7 => {
                let gift = self.made_gift(who)?;
                self.grant_call(&gift)
            }
            8..=24 => {
                let gift = self.some_gift(who);
                self.grant_call(&gift)
            }
            25..=29 => {
                let id = self.some_binding(who);
                Call::new("revokeBinding", json!({ "id": BindingId::from(id).to_string() }))
            }
            30..=39 => self.several(who),
            40..=46 => {
                let (input, lines, owner) = self.new_role(who);
                Call { defines: Some((lines, owner)), ..Call::new("createRole", input) }
            }
            47..=56 => {
                let (input, lines, owner) = self.edited_role(who)?;
                Call { defines: Some((lines, owner)), ..Call::new("updateRole", input) }
            }
            57..=59 => Call::new("deleteRole", json!({ "id": self.some_made(who)?.0 })),
            60..=63 => Call::new("importRolePack", self.pack(who)),
            64..=69 => {
                let (input, gives) = self.listed(who);
                Call { gives, ..Call::new("importBindings", input) }
            }
            70..=71 => Call::new("createPolicyTest", self.policy_test(who)),
            72..=74 => {
                let ids: Vec<PolicyTestId> = self.tests.iter().map(|row| row.id).collect();
                if ids.is_empty() {
                    return None;
                }
                Call::new("deletePolicyTest", json!({ "id": self.dice.pick(&ids).to_string() }))
            }
            75..=80 => {
                let mut gift = self.some_gift(who);
                (gift.on_behalf_of, gift.not_before, gift.not_after) = (None, None, None);
                self.eligible_call(&gift)?
            }
            81..=82 => Call::new("deleteEligibleRole", json!({ "id": self.eligible_id(who)? })),
            83..=89 => {
                let id = self.eligible_id(who)?;
                Call::new("activateEligibleRole", json!({ "id": id, "reason": "why not", "durationSeconds": 60 }))
            }
            90..=91 => {
                let user = self.user(who);
                let mine = |each: &&Bound| self.activations.contains(&each.id) && each.subject == Subject::User(user);
                let mine: Vec<u128> = self.estate.bindings.iter().filter(mine).map(|each| each.id).collect();
                let all: Vec<u128> = self.estate.bindings.iter().map(|each| each.id).collect();
                let from = if mine.is_empty() || self.dice.chance(15) { &all } else { &mine };
                let id = self.dice.pick(from);
                Call::new("endActivation", json!({ "id": BindingId::from(id).to_string() }))
            }
            92 => {
                let team = self.scope_of(who, Capability::TeamOrganizationCreate, |at| matches!(at, Scope::Team(_)));
                Call::new("createOrganization", json!({ "name": slug, "slug": slug, "teamId": word(team) }))
            }
            93 => {
                let at = self.scope_of(who, Capability::ProjectCreate, |at| matches!(at, Scope::Organization(_)));
                Call::new("createProject", json!({ "name": slug, "slug": slug, "organizationId": word(at) }))
            }
            94..=95 => {
                let at = self.scope_of(who, Capability::EnvironmentCreate, |at| matches!(at, Scope::Project(_)));
                let production = self.dice.chance(50);
                let input = json!({ "name": slug, "slug": slug, "projectId": word(at), "production": production });
                Call::new("createEnvironment", input)
            }
            _ => self.kind_call(who)?,
        };
        Some(call)
    }
}
