//! Decisions, as the rest of the product asks for them.
//!
//! A typed face of the program and a thing to cache. It must not know a rule: it hands over questions and sorts
//! answers.

use rustc_hash::FxHashMap;

use super::capability::{Capability, Level};
use super::facts::{EnvironmentKind, Facts, Narrowing, Scope};
use super::mask::{Mask, Masks};
use super::packs::Packs;
use super::program;
use super::terms::{Holdings, View};

/// Whether the actor of these facts holds the capability on the scope: derived and decided at once, for a single
/// question. It agrees with [`Authority::allows`].
#[must_use]
pub fn allows(facts: &Facts, packs: &Packs, scope: Scope, capability: Capability) -> bool {
    program::judge(facts, packs, scope, capability)
}

/// What one actor holds, derived once and good for many decisions: until [`Authority::valid_until`], and as long as the
/// bindings, memberships and managing teams that it was derived from are what they were. What the key of these facts
/// carries at most belongs to it.
///
/// The facts that a decision is given afterwards need only the scopes in question and those above them.
#[derive(Debug, Clone)]
pub struct Authority {
    holdings: Holdings,
    valid_until: Option<i64>,
    narrowing: Option<Narrowing>,
}

impl Authority {
    /// Derives what the actor of these facts holds.
    #[must_use]
    pub fn of(facts: &Facts, packs: &Packs) -> Self {
        let (holdings, valid_until) = program::derive(facts, packs);
        Self { holdings, valid_until, narrowing: facts.narrowing() }
    }

    /// The first moment, in Unix milliseconds, at which a time window opens or closes and this must be derived anew.
    #[must_use]
    pub const fn valid_until(&self) -> Option<i64> {
        self.valid_until
    }

    /// Every capability that is held on each of these scopes.
    ///
    /// Authority flows down from where it was given, so a scope also has capabilities that are judged on another kind
    /// of scope: below their level they mean nothing; above it they mean everything below, except what a row with the
    /// reach `parent` gave there alone. Those of environments are held above an environment only when they are held in
    /// both kinds. Whoever shows what can be done with an object keeps the capabilities whose [`Capability::level`] is
    /// the level of the scope.
    #[must_use]
    pub fn decide(&self, facts: &Facts, scopes: &[Scope]) -> FxHashMap<Scope, Mask> {
        let held = self.decide_by_kind(facts, scopes);
        held.into_iter().map(|(scope, masks)| (scope, masks.every())).collect()
    }

    /// As [`Authority::decide`], told apart by kind: what is held above environments for those of each kind. For an
    /// environment it is what is held there, twice.
    #[must_use]
    pub fn decide_by_kind(&self, facts: &Facts, scopes: &[Scope]) -> FxHashMap<Scope, Masks> {
        program::decide(&self.holdings, self.narrowing, facts, scopes)
    }

    /// Whether the capability is held anywhere on the scope or below it, on environments of one of these kinds when it is
    /// a capability of environments. The facts must be as for [`Authority::visible`], and have the scope.
    #[must_use]
    pub fn reaches(&self, facts: &Facts, capability: Capability, scope: Scope, kinds: &[EnvironmentKind]) -> bool {
        let judged_by_kind = capability.level() == Level::Environment;
        let own = facts.kind(scope);
        let (seen, _) = program::list(&self.holdings, self.narrowing, facts, capability);
        seen.into_iter().any(|(at, kind)| {
            let of_kind = !judged_by_kind || (kinds.contains(&kind) && own.is_none_or(|own| own == kind));
            of_kind && facts.lower(at, scope).is_some()
        })
    }

    /// Whether the capability is held on the scope.
    #[must_use]
    pub fn allows(&self, facts: &Facts, scope: Scope, capability: Capability) -> bool {
        self.holds(facts, scope, View::AsItIs).contains(capability)
    }

    /// Whether the capability is held on the scope under both kinds of environment, as rule 9 wants before an
    /// environment changes its kind.
    #[must_use]
    pub fn allows_in_both_kinds(&self, facts: &Facts, scope: Scope, capability: Capability) -> bool {
        self.holds(facts, scope, View::UnderBothKinds).contains(capability)
    }

    fn holds(&self, facts: &Facts, scope: Scope, view: View) -> Mask {
        program::decide_one(&self.holdings, self.narrowing, facts, scope, view).every()
    }

    /// Where the capability is held, for a condition on a list of scopes of its level. The facts must have every scope
    /// on which something is bound or managed, that of the key, and those above.
    #[must_use]
    pub fn visible(&self, facts: &Facts, capability: Capability) -> VisibleScopes {
        let (seen, unless_frozen) = program::list(&self.holdings, self.narrowing, facts, capability);
        let mut kinds: FxHashMap<Scope, Option<EnvironmentKind>> = FxHashMap::default();
        for (scope, kind) in seen {
            kinds.entry(scope).and_modify(|only| *only = None).or_insert(Some(kind));
        }
        let mut visible = VisibleScopes { unless_frozen, ..VisibleScopes::default() };
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_unstable();
        for (scope, only) in kinds {
            visible.add(scope, only);
        }
        visible
    }
}

/// The fewest scopes such that a capability is held on exactly the scopes of its level that are one of them or lie
/// below one. Where only one kind of environment is seen, `production` and `nonproduction` say which; no scope stands
/// twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VisibleScopes {
    /// All there is; the rest is empty.
    pub everything: bool,
    /// Every production environment.
    pub console_production: bool,
    /// Every environment that is not a production one.
    pub console_nonproduction: bool,
    /// These teams.
    pub teams: Vec<u128>,
    /// These organizations and everything below.
    pub organizations: Vec<u128>,
    /// The production environments below these organizations.
    pub organizations_production: Vec<u128>,
    /// The other environments below these organizations.
    pub organizations_nonproduction: Vec<u128>,
    /// These projects and everything below.
    pub projects: Vec<u128>,
    /// The production environments of these projects.
    pub projects_production: Vec<u128>,
    /// The other environments of these projects.
    pub projects_nonproduction: Vec<u128>,
    /// These environments.
    pub environments: Vec<u128>,
    /// None of all these environments while it is frozen (rule 6).
    pub unless_frozen: bool,
}

impl VisibleScopes {
    fn add(&mut self, scope: Scope, only: Option<EnvironmentKind>) {
        use EnvironmentKind::{Nonproduction, Production};
        match (scope, only) {
            (Scope::Console, None) => self.everything = true,
            (Scope::Console, Some(Production)) => self.console_production = true,
            (Scope::Console, Some(Nonproduction)) => self.console_nonproduction = true,
            (Scope::Team(id), _) => self.teams.push(id),
            (Scope::Organization(id), None) => self.organizations.push(id),
            (Scope::Organization(id), Some(Production)) => self.organizations_production.push(id),
            (Scope::Organization(id), Some(Nonproduction)) => self.organizations_nonproduction.push(id),
            (Scope::Project(id), None) => self.projects.push(id),
            (Scope::Project(id), Some(Production)) => self.projects_production.push(id),
            (Scope::Project(id), Some(Nonproduction)) => self.projects_nonproduction.push(id),
            (Scope::Environment(id), _) => self.environments.push(id),
        }
    }
}
