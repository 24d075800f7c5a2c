//! The tokens that the store asks for. They are made here and nowhere else, out of what the program derived; their fields
//! are private, so that a proof cannot be had by writing one down. Knows no database.

use std::marker::PhantomData;

use uuid::Uuid;

use super::capability::{Capability, Held, cap};
use super::decide::{Authority, VisibleScopes};
use super::facts::{EnvironmentKind, Facts, Kinds, Scope};
use super::mask::{Mask, Masks};

/// The actor holds `C` on this one scope.
#[derive(Debug)]
pub struct Permit<C> {
    scope: Scope,
    kinds: Kinds,
    capability: PhantomData<fn() -> C>,
}

impl<C: Held> Permit<C> {
    /// The permit, if the authority gives it under all of these kinds; they only count above environments.
    pub fn judge(authority: &Authority, facts: &Facts, scope: Scope, kinds: Kinds) -> Option<Self> {
        let held = masks(authority, facts, scope);
        held.on(kinds).contains(C::CAPABILITY).then_some(Self { scope, kinds, capability: PhantomData })
    }

    /// The permit for a change of an environment's kind: held under both kinds.
    pub fn judge_both_kinds(authority: &Authority, facts: &Facts, scope: Scope, kinds: Kinds) -> Option<Self> {
        let allowed = authority.allows_in_both_kinds(facts, scope, C::CAPABILITY);
        allowed.then_some(Self { scope, kinds, capability: PhantomData })
    }

    /// The permit for what counts under the kinds that the authority gives it under, if there is one.
    pub fn judge_any_kind(authority: &Authority, facts: &Facts, scope: Scope) -> Option<Self> {
        let held = masks(authority, facts, scope);
        let given = EnvironmentKind::BOTH.into_iter().filter(|kind| held.of(*kind).contains(C::CAPABILITY));
        let kinds = given.map(Kinds::Only).reduce(Kinds::and)?;
        Some(Self { scope, kinds, capability: PhantomData })
    }

    /// The scope that it speaks for.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The kinds of environment that it speaks for, where the scope lies above environments.
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Database key of the scope; nil for the console.
    pub fn key(&self) -> Uuid {
        self.scope.uuid()
    }
}

fn masks(authority: &Authority, facts: &Facts, scope: Scope) -> Masks {
    authority.decide_by_kind(facts, &[scope]).get(&scope).copied().unwrap_or_default()
}

/// What the program decided about one scope: every capability that is held there. It can be remembered, and is a proof as
/// long as what it was decided from is true.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    scope: Scope,
    held: Mask,
}

impl Decided {
    /// Decides each of these scopes.
    pub fn judge(authority: &Authority, facts: &Facts, scopes: &[Scope]) -> Vec<Self> {
        let held = authority.decide(facts, scopes);
        held.into_iter().map(|(scope, held)| Self { scope, held }).collect()
    }

    /// The scope that was decided.
    pub fn scope(self) -> Scope {
        self.scope
    }

    /// What is held there.
    pub fn held(self) -> Mask {
        self.held
    }

    /// The permit, if what is held gives it.
    pub fn permit<C: Held>(self) -> Option<Permit<C>> {
        let held = self.held.contains(C::CAPABILITY);
        held.then_some(Permit { scope: self.scope, kinds: Kinds::Both, capability: PhantomData })
    }
}

/// Where the actor holds `C`, as a condition for lists.
#[derive(Debug)]
pub struct Visible<C> {
    scopes: VisibleScopes,
    capability: PhantomData<fn() -> C>,
}

impl<C: Held> Visible<C> {
    /// What the authority makes visible.
    pub fn judge(authority: &Authority, facts: &Facts) -> Self {
        Self { scopes: authority.visible(facts, C::CAPABILITY), capability: PhantomData }
    }

    /// What nobody in particular may see.
    pub fn nothing() -> Self {
        Self { scopes: VisibleScopes::default(), capability: PhantomData }
    }

    /// The scopes.
    pub fn scopes(&self) -> &VisibleScopes {
        &self.scopes
    }
}

/// What the actor may view, of every kind of scope, as a condition for lists of what sits on them.
#[derive(Debug)]
pub struct Sight {
    teams: Visible<cap::TeamView>,
    organizations: Visible<cap::OrganizationView>,
    projects: Visible<cap::ProjectView>,
    environments: Visible<cap::EnvironmentView>,
}

impl Sight {
    /// What the authority makes visible.
    pub fn judge(authority: &Authority, facts: &Facts) -> Self {
        Self {
            teams: Visible::judge(authority, facts),
            organizations: Visible::judge(authority, facts),
            projects: Visible::judge(authority, facts),
            environments: Visible::judge(authority, facts),
        }
    }

    /// The teams.
    pub fn teams(&self) -> &Visible<cap::TeamView> {
        &self.teams
    }

    /// The organizations.
    pub fn organizations(&self) -> &Visible<cap::OrganizationView> {
        &self.organizations
    }

    /// The projects.
    pub fn projects(&self) -> &Visible<cap::ProjectView> {
        &self.projects
    }

    /// The environments.
    pub fn environments(&self) -> &Visible<cap::EnvironmentView> {
        &self.environments
    }
}

impl Scope {
    /// Database key of the scope; nil for the console.
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::Console => Uuid::nil(),
            Self::Team(key) | Self::Organization(key) | Self::Project(key) | Self::Environment(key) => {
                Uuid::from_u128(key)
            }
        }
    }

    /// The capability without which the scope does not exist for somebody.
    pub const fn view(self) -> Capability {
        match self {
            Self::Console => Capability::ConsoleView,
            Self::Team(_) => Capability::TeamView,
            Self::Organization(_) => Capability::OrganizationView,
            Self::Project(_) => Capability::ProjectView,
            Self::Environment(_) => Capability::EnvironmentView,
        }
    }
}
