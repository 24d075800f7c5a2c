//! The scopes and what is known of each: plain data, as the database has it.
//!
//! It must not know a rule, nor who is bound where.

use super::capability::Level;

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

/// The kinds of environment that something counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Both.
    Both,
    /// This one.
    Only(EnvironmentKind),
}

impl Kinds {
    /// Whether all of the `other` kinds are among these.
    #[must_use]
    pub fn cover(self, other: Self) -> bool {
        self == Self::Both || self == other
    }

    /// These and the `other` kinds.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
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

/// The most scopes on a way up: an environment, its project, its organization and the console. A longer way is no
/// hierarchy but a cycle.
const LONGEST: usize = 4;

/// The way from a scope up to the console, both included; empty when the way is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lineage {
    scopes: [Scope; LONGEST],
    length: usize,
}

impl Lineage {
    /// Follows the parents; a way that does not arrive at the console is none.
    pub(super) fn new(scope: Scope, parent: impl Fn(Scope) -> Option<Scope>) -> Self {
        let mut lineage = Self { scopes: [Scope::Console; LONGEST], length: 0 };
        let mut next = Some(scope);
        for (step, place) in (1..).zip(&mut lineage.scopes) {
            let Some(at) = next else { break };
            *place = at;
            if at == Scope::Console {
                lineage.length = step;
                break;
            }
            next = parent(at);
        }
        lineage
    }

    /// The scopes, from the lowest to the console.
    pub(super) fn scopes(&self) -> &[Scope] {
        self.scopes.get(..self.length).unwrap_or_default()
    }

    /// The scopes above the lowest.
    pub(super) fn above(&self) -> &[Scope] {
        self.scopes.get(1..self.length).unwrap_or_default()
    }

    /// The scopes with their distance from the lowest.
    pub(super) fn steps(self) -> impl Iterator<Item = (u8, Scope)> {
        (0..).zip(self.scopes).take(self.length)
    }

    /// How many steps above the lowest scope this one is.
    pub(super) fn distance(&self, at: Scope) -> Option<u8> {
        (0..).zip(self.scopes()).find_map(|(distance, &scope)| (scope == at).then_some(distance))
    }

    pub(super) fn contains(&self, at: Scope) -> bool {
        self.scopes().contains(&at)
    }
}
