//! The facts of one question: who asks, what is bound to them, and the scopes in play, as the database has them.
//!
//! Plain data and look-ups by key. It must not know what a fact implies: every conclusion is drawn by the program.

use rustc_hash::FxHashMap;

use super::capability::{Capability, Level};
use super::packs::RoleIndex;

/// What a binding sits on, and what a question is about. The keys are database ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole installation.
    Console,
    /// A team of people.
    Team(u128),
    /// An organization.
    Organization(u128),
    /// A project.
    Project(u128),
    /// An environment.
    Environment(u128),
}

impl Scope {
    /// The kind of the scope.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Console => Level::Console,
            Self::Team(_) => Level::Team,
            Self::Organization(_) => Level::Organization,
            Self::Project(_) => Level::Project,
            Self::Environment(_) => Level::Environment,
        }
    }
}

/// Whether an environment serves the public for real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EnvironmentKind {
    /// It does.
    Production,
    /// It is for development, testing or preview.
    Nonproduction,
}

impl EnvironmentKind {
    /// Both kinds.
    pub const BOTH: [Self; 2] = [Self::Production, Self::Nonproduction];
}

/// Who is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user or a service account.
    User(u128),
    /// A team, and so each of its members.
    Team(u128),
}

/// What a binding gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// The rows of a role.
    Role(RoleIndex),
    /// One capability: on the bound scope and everything below it, on both kinds of environment.
    Capability(Capability),
}

impl Grant {
    pub(super) fn role(self) -> Option<RoleIndex> {
        match self {
            Self::Role(role) => Some(role),
            Self::Capability(_) => None,
        }
    }

    pub(super) fn capability(self) -> Option<Capability> {
        match self {
            Self::Role(_) => None,
            Self::Capability(capability) => Some(capability),
        }
    }
}

impl From<RoleIndex> for Grant {
    fn from(role: RoleIndex) -> Self {
        Self::Role(role)
    }
}

impl From<Capability> for Grant {
    fn from(capability: Capability) -> Self {
        Self::Capability(capability)
    }
}

/// A subject, what it is given, and where. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The database id.
    pub id: u128,
    /// Who is bound.
    pub subject: Subject,
    /// What is given.
    pub grant: Grant,
    /// Where it is given.
    pub scope: Scope,
    /// The team on whose behalf it was given (rule 3).
    pub on_behalf_of: Option<u128>,
    /// The first moment at which it counts.
    pub not_before: Option<i64>,
    /// The first moment at which it counts no longer.
    pub not_after: Option<i64>,
}

impl Binding {
    pub(super) fn has_begun(&self, now: i64) -> bool {
        self.not_before.is_none_or(|from| from <= now)
    }

    pub(super) fn has_ended(&self, now: i64) -> bool {
        self.not_after.is_some_and(|until| until <= now)
    }
}

/// What is known about one scope. Make it with the constructors: they leave out what its kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeFact {
    /// The scope above.
    pub parent: Option<Scope>,
    /// Read for environments only.
    pub kind: EnvironmentKind,
    /// Read for environments only (rule 6).
    pub frozen: bool,
    /// Read for organizations only (rule 5).
    pub suspended: bool,
    /// Read for organizations only.
    pub managing_team: Option<u128>,
}

impl ScopeFact {
    /// A team.
    #[must_use]
    pub const fn team() -> Self {
        Self::below(Scope::Console)
    }

    /// An organization.
    #[must_use]
    pub const fn organization(managing_team: Option<u128>, suspended: bool) -> Self {
        Self { managing_team, suspended, ..Self::below(Scope::Console) }
    }

    /// A project of an organization.
    #[must_use]
    pub const fn project(organization: u128) -> Self {
        Self::below(Scope::Organization(organization))
    }

    /// An environment of a project.
    #[must_use]
    pub const fn environment(project: u128, kind: EnvironmentKind, frozen: bool) -> Self {
        Self { kind, frozen, ..Self::below(Scope::Project(project)) }
    }

    const fn below(parent: Scope) -> Self {
        Self {
            parent: Some(parent),
            kind: EnvironmentKind::Production,
            frozen: false,
            suspended: false,
            managing_team: None,
        }
    }
}

/// Everything that a question about one actor may touch.
///
/// `scopes` must hold each scope that is asked about or bound, everything above it, and each organization managed by a
/// team on which something is bound. A scope whose way up to the console is not known grants nothing and is granted
/// nothing. The console itself is always known.
#[derive(Debug, Clone)]
pub struct Facts {
    now: i64,
    actor: u128,
    actor_suspended: bool,
    teams: Vec<u128>,
    bindings: Vec<Binding>,
    scopes: FxHashMap<Scope, ScopeFact>,
    by_subject: FxHashMap<Subject, Vec<BindingIndex>>,
    managed: FxHashMap<Scope, Vec<Scope>>,
}

/// The place of a binding in the facts: short, where the program would otherwise copy the whole row.
pub(super) type BindingIndex = usize;

impl Facts {
    /// Takes the rows and makes them cheap to look up. `teams` are those whose membership the actor has accepted,
    /// `bindings` those of the actor and of these teams; bindings of anybody else change nothing.
    #[must_use]
    pub fn new(
        now: i64,
        actor: u128,
        actor_suspended: bool,
        teams: Vec<u128>,
        bindings: Vec<Binding>,
        scopes: FxHashMap<Scope, ScopeFact>,
    ) -> Self {
        let mut by_subject: FxHashMap<Subject, Vec<BindingIndex>> = FxHashMap::default();
        for (index, binding) in bindings.iter().enumerate() {
            by_subject.entry(binding.subject).or_default().push(index);
        }
        let mut managed: FxHashMap<Scope, Vec<Scope>> = FxHashMap::default();
        for (&scope, fact) in &scopes {
            if let (Scope::Organization(_), Some(team)) = (scope, fact.managing_team) {
                managed.entry(Scope::Team(team)).or_default().push(scope);
            }
        }
        Self { now, actor, actor_suspended, teams, bindings, scopes, by_subject, managed }
    }

    /// The moment of the question, in Unix milliseconds.
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// Who asks.
    #[must_use]
    pub const fn actor(&self) -> u128 {
        self.actor
    }

    pub(super) const fn actor_suspended(&self) -> bool {
        self.actor_suspended
    }

    pub(super) fn teams(&self) -> &[u128] {
        &self.teams
    }

    pub(super) fn bindings_of(&self, subject: Subject) -> impl Iterator<Item = (BindingIndex, &Binding)> {
        let indexes = self.by_subject.get(&subject).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|&index| Some((index, self.bindings.get(index)?)))
    }

    pub(super) fn binding(&self, index: BindingIndex) -> Option<&Binding> {
        self.bindings.get(index)
    }

    pub(super) fn knows(&self, scope: Scope) -> bool {
        scope == Scope::Console || self.scopes.contains_key(&scope)
    }

    pub(super) fn parent(&self, scope: Scope) -> Option<Scope> {
        let parent = self.scopes.get(&scope)?.parent?;
        self.knows(parent).then_some(parent)
    }

    /// The kind of an environment; other scopes have none.
    pub(super) fn kind(&self, scope: Scope) -> Option<EnvironmentKind> {
        let fact = self.scopes.get(&scope)?;
        matches!(scope, Scope::Environment(_)).then_some(fact.kind)
    }

    pub(super) fn is_frozen(&self, scope: Scope) -> bool {
        let fact = self.scopes.get(&scope);
        matches!(scope, Scope::Environment(_)) && fact.is_some_and(|fact| fact.frozen)
    }

    pub(super) fn is_suspended(&self, scope: Scope) -> bool {
        let fact = self.scopes.get(&scope);
        matches!(scope, Scope::Organization(_)) && fact.is_some_and(|fact| fact.suspended)
    }

    /// The organizations that a team manages; other scopes manage none.
    pub(super) fn managed_by(&self, team: Scope) -> &[Scope] {
        self.managed.get(&team).map_or(&[], Vec::as_slice)
    }

    pub(super) fn manages(&self, team: u128, organization: Scope) -> bool {
        self.managed_by(Scope::Team(team)).contains(&organization)
    }
}
