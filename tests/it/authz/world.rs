//! The oracle: a small world and the rules of `policy/README.md` written out as plain loops over it. It must not know
//! the program, nor use any of its code but the names of things.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use reeve::authz::*;

pub(crate) const ACTOR: u128 = 1;
pub(crate) const STRANGER: u128 = 2;
pub(crate) const TEAMS: [u128; 3] = [11, 12, 13];
const ORGANIZATIONS: [u128; 3] = [21, 22, 23];
const PROJECTS: [(u128, u128); 4] = [(31, 21), (32, 21), (33, 22), (34, 23)];
const ENVIRONMENTS: [(u128, u128); 6] = [(41, 31), (42, 31), (43, 32), (44, 33), (45, 34), (46, 34)];

/// Rows that no console documents, to reach what the packs do not.
pub(crate) const ODD: &str = "role,bound_at,capability,environments,reach,basis
odd,environment,deployment.create,production,parent,test
odd,environment,project.update,any,parent,test
odd,environment,access.manage,any,self,test
odd,environment,deployment.create,production,self,test
odd,project,access.manage,any,parent,test
odd,project,log.view,nonproduction,parent,test
odd,project,organization.view,any,self,test
odd,organization,feature.manage,any,parent,test
odd,organization,deployment.create,any,parent,test
odd,organization,deployment.redeploy,production,self,test
odd,team,log.view,production,managed,test
odd,team,team.view,any,parent,test
odd,team,access.manage,any,self,test
odd,console,deployment.create,production,self,test
odd,console,log.view,nonproduction,self,test
odd,console,secret.view,any,self,test
giver,team,access.manage,any,managed,test
giver,team,access.manage,any,self,test
giver,organization,access.manage,any,self,test
giver,console,access.manage,any,self,test
giver,project,access.manage,any,parent,test
giver,environment,member.invite,any,self,test
";

pub(crate) fn texts() -> Vec<(&'static str, String)> {
    let read = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    vec![
        ("reeve", read("policy/packs/reeve.csv")),
        ("ownstak", read("policy/packs/ownstak.csv")),
        ("mia-console", read("policy/packs/mia-console.csv")),
        ("codetainer", read("policy/packs/codetainer.csv")),
        ("devops-console", read("policy/packs/devops-console.csv")),
        ("launch", read("policy/packs/launch.csv")),
        ("odd", ODD.to_owned()),
    ]
}

/// What somebody lacks, and for environments of which kind.
pub(crate) type Missing = Vec<(Capability, EnvironmentKind)>;

pub(crate) static PACKS: LazyLock<Packs> = LazyLock::new(|| {
    let texts = texts();
    Packs::parse(texts.iter().map(|(name, text)| (*name, text.as_str()))).unwrap()
});

/// One line of a pack as it stands there; a capability bound alone is a line that fits everywhere.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) role: RoleIndex,
    pub(crate) bound_at: String,
    pub(crate) capability: Capability,
    pub(crate) environments: String,
    pub(crate) reach: String,
}

pub(crate) static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let mut lines = Vec::new();
    for (pack, text) in texts() {
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let role = PACKS.role(&format!("{pack}/{}", fields[0])).unwrap();
            let named = |capability: &&Capability| capability.name() == fields[2];
            let capability = *Capability::ALL.iter().find(named).unwrap();
            let [bound_at, environments, reach] = [1, 3, 4].map(|field: usize| fields[field].to_owned());
            lines.push(Line { role, bound_at, capability, environments, reach });
        }
    }
    lines
});

static BY_ROLE: LazyLock<HashMap<RoleIndex, Vec<Line>>> = LazyLock::new(|| {
    let mut by_role: HashMap<RoleIndex, Vec<Line>> = HashMap::new();
    for line in LINES.iter() {
        by_role.entry(line.role).or_default().push(line.clone());
    }
    by_role
});

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) actor_suspended: bool,
    pub(crate) teams: Vec<u128>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) managing: Vec<Option<u128>>,
    pub(crate) suspended: Vec<bool>,
    pub(crate) kinds: Vec<EnvironmentKind>,
    pub(crate) frozen: Vec<bool>,
    pub(crate) unknown: Option<Scope>,
    pub(crate) narrowing: Option<Narrowed>,
    /// What is known of the actor is out of date, and what the question is about says otherwise.
    pub(crate) stale: bool,
}

/// What a key carries at most.
#[derive(Debug, Clone)]
pub(crate) struct Narrowed {
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) scope: Option<Scope>,
}

pub(crate) fn all_scopes() -> Vec<Scope> {
    let mut all = vec![Scope::Console];
    all.extend(TEAMS.map(Scope::Team));
    all.extend(ORGANIZATIONS.map(Scope::Organization));
    all.extend(PROJECTS.map(|(id, _)| Scope::Project(id)));
    all.extend(ENVIRONMENTS.map(|(id, _)| Scope::Environment(id)));
    all
}

fn index_of(ids: impl IntoIterator<Item = u128>, id: u128) -> usize {
    ids.into_iter().position(|each| each == id).unwrap()
}

impl World {
    /// A world with nothing special: the first team manages the first organization, and environments with an odd id are
    /// production ones.
    pub(crate) fn plain(bindings: Vec<Binding>) -> Self {
        let kinds = ENVIRONMENTS.map(|(id, _)| if id % 2 == 1 { Production } else { Nonproduction });
        Self {
            now: 5,
            actor_suspended: false,
            teams: vec![TEAMS[0]],
            bindings,
            managing: vec![Some(TEAMS[0]), None, None],
            suspended: vec![false; 3],
            kinds: kinds.to_vec(),
            frozen: vec![false; 6],
            unknown: None,
            narrowing: None,
            stale: false,
        }
    }
}

/// The oracle.
impl World {
    fn parent(scope: Scope) -> Option<Scope> {
        match scope {
            Scope::Console => None,
            Scope::Team(_) | Scope::Organization(_) => Some(Scope::Console),
            Scope::Project(id) => PROJECTS.iter().find(|each| each.0 == id).map(|each| Scope::Organization(each.1)),
            Scope::Environment(id) => ENVIRONMENTS.iter().find(|each| each.0 == id).map(|each| Scope::Project(each.1)),
        }
    }

    pub(crate) fn lineage(scope: Scope) -> Vec<Scope> {
        std::iter::successors(Some(scope), |&each| Self::parent(each)).collect()
    }

    pub(crate) fn is_known(&self, scope: Scope) -> bool {
        !Self::lineage(scope).iter().any(|each| Some(*each) == self.unknown)
    }

    fn managing_team(&self, organization: u128) -> Option<u128> {
        self.managing[index_of(ORGANIZATIONS, organization)]
    }

    fn organization_of(scope: Scope) -> Option<u128> {
        Self::lineage(scope).into_iter().find_map(|each| match each {
            Scope::Organization(id) => Some(id),
            _ => None,
        })
    }

    pub(crate) fn kind(&self, environment: u128) -> EnvironmentKind {
        self.kinds[index_of(ENVIRONMENTS.map(|each| each.0), environment)]
    }

    pub(crate) fn is_frozen(&self, scope: Scope) -> bool {
        match scope {
            Scope::Environment(id) => self.frozen[index_of(ENVIRONMENTS.map(|each| each.0), id)],
            _ => false,
        }
    }

    fn counts(&self, binding: &Binding) -> bool {
        let mine = match binding.subject {
            Subject::User(user) => user == ACTOR,
            Subject::Team(team) => self.teams.contains(&team),
        };
        let in_time = binding.not_before.is_none_or(|from| self.now >= from)
            && binding.not_after.is_none_or(|until| self.now < until);
        let vouched = match binding.on_behalf_of {
            None => true,
            Some(team) => {
                let organization = Self::organization_of(binding.scope).filter(|_| self.is_known(binding.scope));
                self.teams.contains(&team)
                    && organization.is_some_and(|organization| self.managing_team(organization) == Some(team))
            }
        };
        !self.actor_suspended && mine && in_time && vouched
    }

    /// Where the rows of a grant that give the capability count from, and whether they count below as well.
    fn targets(&self, grant: Grant, bound: Scope, capability: Capability, kind: EnvironmentKind) -> Vec<(Scope, bool)> {
        let role = match grant {
            Grant::Capability(one) if one == capability => return vec![(bound, true)],
            Grant::Capability(_) => return vec![],
            Grant::Role(role) => role,
        };
        let mut targets = Vec::new();
        for line in BY_ROLE[&role].iter().filter(|line| line.capability == capability) {
            let kind_fits = match line.environments.as_str() {
                "production" => kind == Production,
                "nonproduction" => kind == Nonproduction,
                _ => true,
            };
            if line.bound_at != bound.level().name() || !kind_fits {
                continue;
            }
            match (line.reach.as_str(), bound) {
                ("self", _) => targets.push((bound, true)),
                ("parent", _) if Some(bound) == self.unknown => {}
                ("parent", _) => targets.extend(Self::parent(bound).map(|parent| (parent, false))),
                ("managed", Scope::Team(team)) => {
                    let managed = ORGANIZATIONS.into_iter().filter(|&each| self.managing_team(each) == Some(team));
                    targets.extend(managed.map(|each| (Scope::Organization(each), true)));
                }
                other => unreachable!("{other:?}"),
            }
        }
        targets.retain(|(scope, _)| *scope == bound || Some(*scope) != self.unknown);
        targets
    }

    fn holds(&self, scope: Scope, capability: Capability, kind: EnvironmentKind, below: bool) -> bool {
        let suspended = Self::organization_of(scope).is_some_and(|id| self.suspended[index_of(ORGANIZATIONS, id)]);
        let name = capability.name();
        let open = name.ends_with(".view") && name != "secret.view"
            || name.starts_with("billing.")
            || name == "organization.transfer";
        self.is_known(scope)
            && self.carries(scope, capability)
            && self.bindings.iter().filter(|binding| self.counts(binding)).any(|binding| {
                let targets = self.targets(binding.grant, binding.scope, capability, kind);
                let reaches = targets.into_iter().any(|(target, spreads)| {
                    if spreads { Self::lineage(scope).contains(&target) } else { target == scope && !below }
                });
                reaches && (!suspended || open || binding.scope == Scope::Console)
            })
    }

    /// Whether a key that the actor may be using carries the capability on the scope.
    pub(crate) fn carries(&self, scope: Scope, capability: Capability) -> bool {
        self.narrowing.as_ref().is_none_or(|key| {
            key.capabilities.contains(&capability) && key.scope.is_none_or(|top| Self::lineage(scope).contains(&top))
        })
    }

    fn thawed(&self, scope: Scope, capability: Capability) -> bool {
        let closed = ["deployment.create", "deployment.redeploy", "environment.update", "environment.delete"];
        !self.is_frozen(scope) || !closed.contains(&capability.name())
    }

    /// What is held for environments of a kind; an environment has its own.
    pub(crate) fn allows_under(&self, scope: Scope, capability: Capability, kind: EnvironmentKind) -> bool {
        let kind = if let Scope::Environment(id) = scope { self.kind(id) } else { kind };
        self.thawed(scope, capability) && self.holds(scope, capability, kind, false)
    }

    pub(crate) fn allows(&self, scope: Scope, capability: Capability) -> bool {
        [Production, Nonproduction].into_iter().all(|kind| self.allows_under(scope, capability, kind))
    }

    pub(crate) fn missing_to_change_kind(&self, scope: Scope, capability: Capability) -> Missing {
        let mut missing = Vec::new();
        for kind in [Production, Nonproduction] {
            if !self.thawed(scope, capability) || !self.holds(scope, capability, kind, false) {
                missing.push((capability, kind));
            }
        }
        missing
    }

    /// The rows that a grant would give on a scope and that the actor does not have there.
    fn missing_rows(&self, grant: Grant, scope: Scope, missing: &mut BTreeSet<(Capability, EnvironmentKind)>) {
        for kind in [Production, Nonproduction] {
            for &capability in Capability::ALL {
                for (target, spreads) in self.targets(grant, scope, capability, kind) {
                    if !self.holds(target, capability, kind, spreads) {
                        missing.insert((capability, kind));
                    }
                }
            }
        }
    }

    pub(crate) fn missing_to_give(&self, grant: Grant, scope: Scope, needed: Capability) -> Missing {
        let mut missing = BTreeSet::new();
        let kinds = [Production, Nonproduction].into_iter();
        missing.extend(kinds.filter(|&kind| !self.holds(scope, needed, kind, true)).map(|kind| (needed, kind)));
        self.missing_rows(grant, scope, &mut missing);
        missing.into_iter().collect()
    }

    pub(crate) fn missing_to_join(&self, bindings: &[Binding]) -> Missing {
        let mut missing = BTreeSet::new();
        for binding in bindings.iter().filter(|binding| binding.not_after.is_none_or(|until| self.now < until)) {
            self.missing_rows(binding.grant, binding.scope, &mut missing);
        }
        missing.into_iter().collect()
    }

    pub(crate) fn missing_to_define(&self, role: RoleIndex, scope: Scope) -> Missing {
        let mut missing = BTreeSet::new();
        for kind in [Production, Nonproduction] {
            if !self.holds(scope, Capability::AccessManage, kind, true) {
                missing.insert((Capability::AccessManage, kind));
            }
            let other = if kind == Production { "nonproduction" } else { "production" };
            for line in BY_ROLE[&role].iter().filter(|line| line.environments != other) {
                // Bound at the owner itself it may reach above it.
                let above =
                    Self::parent(scope).filter(|_| line.reach == "parent" && line.bound_at == scope.level().name());
                let above = above.is_none_or(|parent| self.holds(parent, line.capability, kind, false));
                if !above || !self.holds(scope, line.capability, kind, true) {
                    missing.insert((line.capability, kind));
                }
            }
        }
        missing.into_iter().collect()
    }

    pub(crate) fn facts(&self) -> Facts {
        let mut scopes = rustc_hash::FxHashMap::default();
        scopes.extend(TEAMS.map(|id| (Scope::Team(id), ScopeFact::team())));
        for (place, id) in ORGANIZATIONS.into_iter().enumerate() {
            let fact = ScopeFact::organization(self.managing[place], self.suspended[place]);
            scopes.insert(Scope::Organization(id), fact);
        }
        scopes.extend(PROJECTS.map(|(id, above)| (Scope::Project(id), ScopeFact::project(above))));
        for (place, (id, above)) in ENVIRONMENTS.into_iter().enumerate() {
            let fact = ScopeFact::environment(above, self.kinds[place], self.frozen[place]);
            scopes.insert(Scope::Environment(id), fact);
        }
        if let Some(unknown) = self.unknown {
            scopes.remove(&unknown);
        }
        let (teams, bindings) = (self.teams.clone(), self.bindings.clone());
        let facts = if self.stale {
            let mut stale = scopes.clone();
            for fact in stale.values_mut() {
                fact.suspended ^= true;
                fact.frozen ^= true;
                fact.managing_team = Some(TEAMS[0]);
            }
            let actor = ActorFacts::new(ACTOR, self.actor_suspended, teams, bindings, stale);
            Facts::about(self.now, Arc::new(actor), scopes)
        } else {
            Facts::new(self.now, ACTOR, self.actor_suspended, teams, bindings, scopes)
        };
        let key = self.narrowing.as_ref();
        let narrowing =
            key.map(|key| Narrowing { capabilities: key.capabilities.iter().copied().collect(), scope: key.scope });
        narrowing.into_iter().fold(facts, Facts::with_narrowing)
    }
}
