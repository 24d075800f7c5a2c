//! An installation with many people, as plain data: what is drawn at random, written into a database, and judged by
//! rules that are written out here once more. It must not ask the program, nor use any of its code but the names of
//! things.

mod dice;
mod draw;
mod gift;
mod read;
mod rules;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use reeve::authz::{Capability, EnvironmentKind, Scope, Subject};

pub(super) use dice::Dice;
pub(super) use draw::{Sizes, some_lines};
pub(super) use gift::{Outcome, Step};
pub(super) use rules::{Bits, Held, Pair, bit, names};
pub(super) use tables::{Tables, deployment_of};

use super::world::texts;

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: u128,
    pub(super) suspended: bool,
    /// Where it belongs, of a program.
    pub(super) bot: Option<Scope>,
}

#[derive(Debug, Clone)]
pub(super) struct Organization {
    pub(super) id: u128,
    pub(super) team: u128,
    pub(super) suspended: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) id: u128,
    pub(super) project: u128,
    pub(super) kind: EnvironmentKind,
    pub(super) frozen: bool,
}

/// What a binding names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// A role: the full name of one of a pack, the id of one that was made.
    Role(String),
    /// A single capability.
    Alone(Capability),
}

#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) id: u128,
    pub(super) subject: Subject,
    pub(super) given: Given,
    pub(super) scope: Scope,
    pub(super) on_behalf_of: Option<u128>,
    /// Unix milliseconds.
    pub(super) not_before: Option<i64>,
    /// Unix milliseconds.
    pub(super) not_after: Option<i64>,
}

/// One line of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bound_at: String,
    pub(super) capability: Capability,
    pub(super) environments: String,
    pub(super) reach: String,
}

#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) id: u128,
    pub(super) owner: Scope,
    pub(super) pack: String,
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) version: i32,
}

/// Everything that authority derives from.
#[derive(Debug, Clone, Default)]
pub(super) struct Estate {
    /// The moment at which it is judged, in Unix milliseconds.
    pub(super) now: i64,
    pub(super) people: Vec<Person>,
    pub(super) teams: Vec<u128>,
    /// Team and user.
    pub(super) members: BTreeSet<(u128, u128)>,
    pub(super) organizations: Vec<Organization>,
    /// Project and organization.
    pub(super) projects: Vec<(u128, u128)>,
    pub(super) environments: Vec<Environment>,
    pub(super) bindings: Vec<Bound>,
    /// Roles that were made here, by the key that bindings name them by.
    pub(super) made: BTreeMap<String, Made>,
}

/// The roles of the packs, by their full names.
pub(super) static PACK_ROLES: LazyLock<BTreeMap<String, Vec<Line>>> = LazyLock::new(|| {
    let mut roles: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for (pack, text) in texts() {
        for (role, line) in lines_of(&text) {
            roles.entry(format!("{pack}/{role}")).or_default().push(line);
        }
    }
    roles
});

static BY_NAME: LazyLock<HashMap<&'static str, Capability>> =
    LazyLock::new(|| Capability::ALL.iter().map(|capability| (capability.name(), *capability)).collect());

/// The capability with this name.
pub(super) fn named(name: &str) -> Capability {
    BY_NAME[name]
}

fn lines_of(text: &str) -> Vec<(String, Line)> {
    let rows = text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let line = |fields: Vec<String>| {
        let line = Line {
            bound_at: fields[1].clone(),
            capability: named(&fields[2]),
            environments: fields[3].clone(),
            reach: fields[4].clone(),
        };
        (fields[0].clone(), line)
    };
    rows.map(line).collect()
}

impl Estate {
    /// Every scope there is.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let mut scopes = vec![Scope::Console];
        scopes.extend(self.teams.iter().copied().map(Scope::Team));
        scopes.extend(self.organizations.iter().map(|each| Scope::Organization(each.id)));
        scopes.extend(self.projects.iter().map(|each| Scope::Project(each.0)));
        scopes.extend(self.environments.iter().map(|each| Scope::Environment(each.id)));
        scopes
    }

    /// What a role gives.
    pub(super) fn lines(&self, role: &str) -> &[Line] {
        match self.made.get(role) {
            Some(made) => &made.lines,
            None => PACK_ROLES.get(role).map_or(&[], Vec::as_slice),
        }
    }

    pub(super) fn binding(&self, id: u128) -> Option<&Bound> {
        self.bindings.iter().find(|binding| binding.id == id)
    }

    pub(super) fn teams_of(&self, user: u128) -> Vec<u128> {
        self.members.iter().filter(|each| each.1 == user).map(|each| each.0).collect()
    }
}
