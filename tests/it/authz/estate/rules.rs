//! The rules of `policy/README.md` once more, for a whole installation: what everybody holds everywhere. It must not
//! know the program.

use std::collections::HashMap;

use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use reeve::authz::{Capability, EnvironmentKind, Scope, Subject};

use super::{Bound, Estate, Given, Line};

/// A set of capabilities, one bit for each.
pub(in crate::authz) type Bits = u128;

/// What is held on production environments, and what on all others.
pub(in crate::authz) type Pair = [Bits; 2];

pub(in crate::authz) fn bit(capability: Capability) -> Bits {
    1 << (capability as u32)
}

/// In words.
pub(in crate::authz) fn names(bits: Bits) -> String {
    let names = Capability::ALL.iter().filter(|each| bits & bit(**each) != 0).map(|each| each.name());
    names.collect::<Vec<_>>().join(", ")
}

fn place(kind: EnvironmentKind) -> usize {
    match kind {
        Production => 0,
        Nonproduction => 1,
    }
}

fn both(one: Pair, other: Pair) -> Pair {
    [one[0] | other[0], one[1] | other[1]]
}

/// What lands where: on the scope alone or below it too, by bindings at the console or elsewhere.
#[derive(Debug, Clone, Default)]
pub(in crate::authz) struct Held(HashMap<(Scope, bool, bool), Pair>);

/// Rule 5: what counts in a suspended organization.
fn open_while_suspended() -> Bits {
    let open = |name: &str| {
        name.ends_with(".view") && name != "secret.view"
            || name.starts_with("billing.")
            || name == "organization.transfer"
    };
    Capability::ALL.iter().filter(|each| open(each.name())).fold(0, |bits, each| bits | bit(*each))
}

/// Rule 6: what does not count in a frozen environment.
fn closed_while_frozen() -> Bits {
    let closed = ["deployment.create", "deployment.redeploy", "environment.update", "environment.delete"];
    Capability::ALL.iter().filter(|each| closed.contains(&each.name())).fold(0, |bits, each| bits | bit(*each))
}

impl Line {
    /// What it gives.
    fn pair(&self) -> Pair {
        let bits = bit(self.capability);
        match self.environments.as_str() {
            "production" => [bits, 0],
            "nonproduction" => [0, bits],
            _ => [bits; 2],
        }
    }
}

impl Estate {
    pub(in crate::authz) fn parent(&self, scope: Scope) -> Option<Scope> {
        match scope {
            Scope::Console => None,
            Scope::Team(_) | Scope::Organization(_) => Some(Scope::Console),
            Scope::Project(id) => {
                self.projects.iter().find(|each| each.0 == id).map(|each| Scope::Organization(each.1))
            }
            Scope::Environment(id) => {
                self.environments.iter().find(|each| each.id == id).map(|each| Scope::Project(each.project))
            }
        }
    }

    /// The scope and all above it.
    pub(in crate::authz) fn lineage(&self, scope: Scope) -> Vec<Scope> {
        std::iter::successors(Some(scope), |each| self.parent(*each)).collect()
    }

    pub(in crate::authz) fn organization_of(&self, scope: Scope) -> Option<u128> {
        self.lineage(scope).into_iter().find_map(|each| match each {
            Scope::Organization(id) => Some(id),
            Scope::Console | Scope::Team(_) | Scope::Project(_) | Scope::Environment(_) => None,
        })
    }

    /// The organizations that a team manages.
    pub(in crate::authz) fn managed_by(&self, team: u128) -> Vec<Scope> {
        let managed = self.organizations.iter().filter(|each| each.team == team);
        managed.map(|each| Scope::Organization(each.id)).collect()
    }

    fn is_suspended(&self, scope: Scope) -> bool {
        let organization = self.organization_of(scope);
        self.organizations.iter().any(|each| Some(each.id) == organization && each.suspended)
    }

    pub(in crate::authz) fn kind(&self, scope: Scope) -> Option<EnvironmentKind> {
        let Scope::Environment(id) = scope else { return None };
        self.environments.iter().find(|each| each.id == id).map(|each| each.kind)
    }

    fn is_frozen(&self, scope: Scope) -> bool {
        self.environments.iter().any(|each| Scope::Environment(each.id) == scope && each.frozen)
    }

    /// Rules 2 to 5: whether the binding counts for this person now.
    pub(in crate::authz) fn counts(&self, user: u128, binding: &Bound) -> bool {
        let mine = match binding.subject {
            Subject::User(id) => id == user,
            Subject::Team(team) => self.members.contains(&(team, user)),
        };
        let in_time = binding.not_before.is_none_or(|from| self.now >= from)
            && binding.not_after.is_none_or(|until| self.now < until);
        let vouched = binding.on_behalf_of.is_none_or(|team| {
            let organization = self.organization_of(binding.scope);
            let managing = self.organizations.iter().find(|each| Some(each.id) == organization).map(|each| each.team);
            self.members.contains(&(team, user)) && managing == Some(team)
        });
        let active = self.people.iter().any(|person| person.id == user && !person.suspended);
        active && mine && in_time && vouched
    }

    /// What a grant gives where it is bound: on which scopes, below them too or not, and what.
    pub(in crate::authz) fn landings(&self, given: &Given, bound: Scope) -> Vec<(Scope, bool, Pair)> {
        let role = match given {
            Given::Alone(capability) => return vec![(bound, true, [bit(*capability); 2])],
            Given::Role(role) => role,
        };
        let mut landings = Vec::new();
        for line in self.lines(role).iter().filter(|line| line.bound_at == bound.level().name()) {
            let pair = line.pair();
            match (line.reach.as_str(), bound) {
                ("self", _) => landings.push((bound, true, pair)),
                ("parent", _) => landings.extend(self.parent(bound).map(|parent| (parent, false, pair))),
                ("managed", Scope::Team(team)) => {
                    landings.extend(self.managed_by(team).into_iter().map(|each| (each, true, pair)));
                }
                other => unreachable!("{other:?}"),
            }
        }
        landings
    }

    /// What one person holds.
    pub(in crate::authz) fn held(&self, user: u128) -> Held {
        self.held_by(user, |_| true)
    }

    /// What one person holds by some of the bindings.
    pub(in crate::authz) fn held_by(&self, user: u128, wanted: impl Fn(&Bound) -> bool) -> Held {
        let mut held = Held::default();
        for binding in self.bindings.iter().filter(|binding| wanted(binding) && self.counts(user, binding)) {
            for (scope, spreads, pair) in self.landings(&binding.given, binding.scope) {
                let old = held.0.entry((scope, spreads, binding.scope == Scope::Console)).or_default();
                *old = both(*old, pair);
            }
        }
        held
    }

    /// What is held on a scope under each kind of environment, whatever kind it is; `below`: on everything below it
    /// too.
    pub(in crate::authz) fn holds(&self, held: &Held, scope: Scope, below: bool) -> Pair {
        let open = if self.is_suspended(scope) { open_while_suspended() } else { Bits::MAX };
        let mut pair = [0; 2];
        for above in self.lineage(scope) {
            for console in [false, true] {
                let open = if console { Bits::MAX } else { open };
                let mut found = held.0.get(&(above, true, console)).copied().unwrap_or_default();
                if above == scope && !below {
                    found = both(found, held.0.get(&(above, false, console)).copied().unwrap_or_default());
                }
                pair = both(pair, found.map(|bits| bits & open));
            }
        }
        pair
    }

    /// What may be done under each kind: an environment has its own.
    pub(in crate::authz) fn under(&self, held: &Held, scope: Scope) -> Pair {
        let pair = self.holds(held, scope, false);
        let thawed = if self.is_frozen(scope) { !closed_while_frozen() } else { Bits::MAX };
        let judged = match self.kind(scope) {
            Some(kind) => [pair[place(kind)]; 2],
            None => pair,
        };
        judged.map(|bits| bits & thawed)
    }

    /// What may be done.
    pub(in crate::authz) fn allowed(&self, held: &Held, scope: Scope) -> Bits {
        let [production, nonproduction] = self.under(held, scope);
        production & nonproduction
    }

    pub(in crate::authz) fn allows(&self, held: &Held, scope: Scope, capability: Capability) -> bool {
        self.allowed(held, scope) & bit(capability) != 0
    }

    /// Whether what is held covers a capability under both kinds, on the scope and below it.
    fn reaches(&self, held: &Held, scope: Scope, capability: Capability) -> bool {
        let [production, nonproduction] = self.holds(held, scope, true);
        production & nonproduction & bit(capability) != 0
    }

    /// Whether somebody who holds this may give something there (rule 8).
    pub(in crate::authz) fn may_give(&self, held: &Held, given: &Given, scope: Scope) -> bool {
        self.reaches(held, scope, Capability::AccessManage) && self.covers(held, given, scope)
    }

    /// Whether every row that the grant would give there is held there.
    pub(in crate::authz) fn covers(&self, held: &Held, given: &Given, scope: Scope) -> bool {
        self.landings(given, scope).into_iter().all(|(at, spreads, pair)| {
            let mine = self.holds(held, at, spreads);
            pair[0] & !mine[0] == 0 && pair[1] & !mine[1] == 0
        })
    }

    /// Whether somebody who holds this may make or change a role of this owner so that it gives this.
    pub(in crate::authz) fn may_define(&self, held: &Held, lines: &[Line], owner: Scope) -> bool {
        let covers = |scope, below, pair: Pair| {
            let mine = self.holds(held, scope, below);
            pair[0] & !mine[0] == 0 && pair[1] & !mine[1] == 0
        };
        self.reaches(held, owner, Capability::AccessManage)
            && lines.iter().all(|line| {
                let up = line.reach == "parent" && line.bound_at == owner.level().name();
                let above = self.parent(owner).filter(|_| up);
                covers(owner, true, line.pair()) && above.is_none_or(|parent| covers(parent, false, line.pair()))
            })
    }

    /// The bindings that give somebody a capability on a scope, under the kinds that it is judged by.
    pub(in crate::authz) fn giving(&self, user: u128, scope: Scope, capability: Capability) -> Vec<u128> {
        let gives = |binding: &&Bound| {
            let held = self.held_by(user, |each| each.id == binding.id);
            self.under(&held, scope).iter().any(|bits| bits & bit(capability) != 0)
        };
        self.bindings.iter().filter(gives).map(|binding| binding.id).collect()
    }
}
