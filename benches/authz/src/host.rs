//! What a product around a policy engine does itself: it resolves time windows, teams, inheritance and locks from the
//! rows, and hands the engines what is left. These are Reeve's rules written a second time, with plain loops, so that
//! the engines' agreement with Reeve checks both. It must not know the engines.

use reeve::authz::{Binding, Capability, EnvironmentKind, Facts, Grant, Level, Masks, Reach, Scope, ScopeFact};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::world::{self, World, name, number};

/// A scope on which something is held: there and below, or there only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) scope: Scope,
    /// There only.
    pub(crate) alone: bool,
}

impl Place {
    fn below(scope: Scope) -> Self {
        Self { scope, alone: false }
    }

    fn alone(scope: Scope) -> Self {
        Self { scope, alone: true }
    }

    /// A short name.
    pub(crate) fn name(self) -> String {
        name(self.scope) + if self.alone { "!" } else { "" }
    }
}

/// What a binding gives at one place: rows of a role that are alike in where they are bound and how far they reach, or
/// one capability.
pub(crate) struct RowSet {
    /// Such as `ownstak/admin@project`.
    pub(crate) name: String,
    /// What it gives.
    pub(crate) masks: Masks,
    reach: Reach,
}

impl RowSet {
    /// Whether it is held on single scopes, and not below.
    pub(crate) fn is_alone(&self) -> bool {
        self.reach == Reach::Parent
    }

    /// What it gives, in [`action`]s.
    pub(crate) fn actions(&self) -> Vec<String> {
        let of =
            |kind: EnvironmentKind| self.masks.of(kind).iter().map(move |capability| action(capability, Some(kind)));
        let mut actions: Vec<String> = EnvironmentKind::BOTH.into_iter().flat_map(of).collect();
        actions.sort_unstable();
        actions.dedup();
        actions
    }
}

/// How engines without kinds of environment are told of a capability that is judged on an environment: its name with
/// the kind. Other capabilities go by their name.
pub(crate) fn action(capability: Capability, kind: Option<EnvironmentKind>) -> String {
    let kind = kind.filter(|_| capability.level() == Level::Environment);
    capability.name().to_owned() + kind.map_or("", suffix)
}

/// What tells the kinds apart in a name.
pub(crate) fn suffix(kind: EnvironmentKind) -> &'static str {
    match kind {
        EnvironmentKind::Production => "/production",
        EnvironmentKind::Nonproduction => "/nonproduction",
    }
}

/// A row set, by its number, and where it is held.
pub(crate) type Held = (usize, Place);

/// The host of the engines: the world with what it resolves from it.
pub(crate) struct Host {
    pub(crate) world: World,
    /// Every row set, by number.
    pub(crate) sets: Vec<RowSet>,
    of_role: FxHashMap<(Grant, Level), Vec<usize>>,
    of_capability: FxHashMap<Grant, usize>,
}

impl Host {
    /// A host of this world.
    pub(crate) fn new(world: World) -> Self {
        let mut sets = Vec::new();
        let mut of_role: FxHashMap<(Grant, Level), Vec<usize>> = FxHashMap::default();
        for (role, name) in world.packs.roles() {
            for row in world.packs.rows(role) {
                let reach = match row.reach {
                    Reach::Itself => "",
                    Reach::Parent => "+parent",
                    Reach::Managed => "+managed",
                };
                let name = format!("{name}@{}{reach}", row.bound_at.name());
                of_role.entry((role.into(), row.bound_at)).or_default().push(sets.len());
                sets.push(RowSet { name, masks: row.masks, reach: row.reach });
            }
        }
        let mut of_capability = FxHashMap::default();
        for &capability in Capability::ALL {
            of_capability.insert(capability.into(), sets.len());
            let masks = Masks::both(capability.mask());
            sets.push(RowSet { name: format!("only/{}", capability.name()), masks, reach: Reach::Itself });
        }
        Self { world, sets, of_role, of_capability }
    }

    /// What is bound to the actor and to its teams, whether it counts or not.
    pub(crate) fn bound(&self, actor: usize) -> impl Iterator<Item = &Binding> {
        let teams = self.world.users[actor].teams.iter().flat_map(|&team| &self.world.of_team[team]);
        self.world.of_user[actor].iter().chain(teams).map(|&place| &self.world.bindings[place])
    }

    /// What the actor holds: rules 1 to 4, and of rule 5 what is about users.
    pub(crate) fn held(&self, actor: usize) -> Vec<Held> {
        let mut held = Vec::new();
        if self.world.users[actor].suspended {
            return held;
        }
        for binding in self.bound(actor).filter(|binding| self.counts(actor, binding)) {
            let alone = self.of_capability.get(&binding.grant);
            let role = self.of_role.get(&(binding.grant, binding.scope.level())).into_iter().flatten();
            for &set in alone.into_iter().chain(role) {
                held.extend(self.places(self.sets[set].reach, binding.scope).into_iter().map(|place| (set, place)));
            }
        }
        held.sort_unstable();
        held.dedup();
        held
    }

    fn counts(&self, actor: usize, binding: &Binding) -> bool {
        let in_time = binding.not_before.is_none_or(|from| from <= self.world.now)
            && binding.not_after.is_none_or(|to| self.world.now < to);
        let vouched = binding.on_behalf_of.is_none_or(|team| {
            let member = self.world.users[actor].teams.contains(&number(team));
            let mut above = self.world.lineage(binding.scope).filter_map(|above| self.world.fact(above));
            member && above.any(|fact| fact.managing_team == Some(team))
        });
        in_time && vouched
    }

    fn places(&self, reach: Reach, bound: Scope) -> Vec<Place> {
        match (reach, bound) {
            (Reach::Itself, _) => vec![Place::below(bound)],
            (Reach::Parent, _) => self.parent(bound).map(Place::alone).into_iter().collect(),
            (Reach::Managed, Scope::Team(team)) => self.world.managed_by(number(team)).map(Place::below).collect(),
            (Reach::Managed, _) => Vec::new(),
        }
    }

    fn parent(&self, scope: Scope) -> Option<Scope> {
        self.world.fact(scope)?.parent
    }

    /// The kind of an environment.
    pub(crate) fn kind(&self, scope: Scope) -> Option<EnvironmentKind> {
        let environment = matches!(scope, Scope::Environment(_)).then_some(scope)?;
        Some(self.world.fact(environment)?.kind)
    }

    /// The places at which a grant counts for a request, nearest first: the way up to the console, of which a suspended
    /// organization leaves the console alone (rule 5) and a frozen environment nothing (rule 6).
    pub(crate) fn counting(&self, scope: Scope, capability: Capability) -> Vec<Place> {
        use Capability::{DeploymentCreate, DeploymentRedeploy, EnvironmentDelete, EnvironmentUpdate, SecretView};
        let any = |flag: fn(ScopeFact) -> bool| {
            self.world.lineage(scope).filter_map(|above| self.world.fact(above)).any(flag)
        };
        let closed = [DeploymentCreate, DeploymentRedeploy, EnvironmentUpdate, EnvironmentDelete];
        if closed.contains(&capability) && any(|fact| fact.frozen) {
            return Vec::new();
        }
        let name = capability.name();
        let open = name.ends_with(".view") && capability != SecretView
            || name.starts_with("billing.")
            || capability == Capability::OrganizationTransfer;
        if !open && any(|fact| fact.suspended) {
            return vec![Place::below(Scope::Console)];
        }
        // No scope has an environment for its parent, so nothing is held on an environment alone.
        let here = (scope.level() != Level::Environment).then_some(Place::alone(scope));
        here.into_iter().chain(self.world.lineage(scope).map(Place::below)).collect()
    }

    /// What a loop over the resolved rows says: the answer that all are compared with.
    pub(crate) fn allows(
        &self,
        held: &[Held],
        counting: &[Place],
        asked: (Capability, Option<EnvironmentKind>),
    ) -> bool {
        let kind = asked.1.unwrap_or(EnvironmentKind::Production);
        let gives = |set: usize| self.sets[set].masks.of(kind).contains(asked.0);
        held.iter().any(|(set, place)| counting.contains(place) && gives(*set))
    }

    /// The rows of one actor, and of these scopes, as Reeve takes them.
    pub(crate) fn facts(&self, actor: usize, scopes: &[Scope]) -> Facts {
        let bindings: Vec<Binding> = self.bound(actor).copied().collect();
        let mut wanted: FxHashSet<Scope> = scopes.iter().flat_map(|&scope| self.world.lineage(scope)).collect();
        for binding in &bindings {
            wanted.extend(self.world.lineage(binding.scope));
            if let Scope::Team(team) = binding.scope {
                wanted.extend(self.world.managed_by(number(team)));
            }
        }
        let known = wanted.into_iter().filter_map(|scope| Some((scope, self.world.fact(scope)?)));
        let user = &self.world.users[actor];
        let teams = user.teams.iter().copied().map(world::team).collect();
        Facts::new(self.world.now, world::user(actor), user.suspended, teams, bindings, known.collect())
    }

    /// The rows of these scopes alone: what a decision takes once the actor's authority is derived.
    pub(crate) fn scope_facts(&self, actor: usize, scopes: &[Scope]) -> Facts {
        let wanted: FxHashSet<Scope> = scopes.iter().flat_map(|&scope| self.world.lineage(scope)).collect();
        let known = wanted.into_iter().filter_map(|scope| Some((scope, self.world.fact(scope)?)));
        Facts::new(
            self.world.now,
            world::user(actor),
            self.world.users[actor].suspended,
            Vec::new(),
            Vec::new(),
            known.collect(),
        )
    }
}
