//! The values that the program's relations carry besides facts: where a grant landed and what gave it.
//!
//! It must not know a rule beyond what the words mean.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

use rustc_hash::FxHashMap;

use super::binding::Binding;
use super::capability::Capability;
use super::mask::Masks;
use super::packs::Reach;
use super::scope::{EnvironmentKind, Lineage, Scope};

/// How far a grant counts from the scope where it lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Spread {
    /// There and on everything below.
    Below,
    /// There only.
    Here,
}

impl Spread {
    pub(super) fn spans(self, distance: u8) -> bool {
        self == Self::Below || distance == 0
    }
}

/// How an environment is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// Under the kind that it has.
    AsItIs,
    /// Under both kinds.
    UnderBothKinds,
}

impl View {
    /// The only kind under which an environment of this kind is looked at.
    pub(super) fn only(self, own: Option<EnvironmentKind>) -> Option<EnvironmentKind> {
        own.filter(|_| self == Self::AsItIs)
    }
}

/// How a grant is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// As a binding that is made or changed.
    Binding,
    /// As an invitation that carries it.
    Invitation,
    /// To somebody who joins the team that is bound.
    Membership,
}

/// What a question is after, when that is one thing: then whatever is out of its way need not be derived.
#[derive(Debug)]
pub(super) enum Aim {
    /// Everything that is held.
    Anything,
    /// One capability on one scope, with the way up from there.
    One(Capability, Scope, Lineage),
}

impl Aim {
    /// The scope that is asked about, when it is one.
    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Self::Anything => None,
            Self::One(_, scope, _) => Some(*scope),
        }
    }

    /// Whether what is given here may have what is asked for.
    pub(super) fn wants(&self, masks: Masks) -> bool {
        match self {
            Self::Anything => true,
            Self::One(capability, ..) => masks.either().contains(*capability),
        }
    }

    /// Whether what lands here may reach where it is asked for.
    pub(super) fn is_near(&self, at: Scope) -> bool {
        match self {
            Self::Anything => true,
            Self::One(.., lineage) => lineage.contains(at),
        }
    }
}

/// Why a binding does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flaw {
    /// Its time has not come (rule 4).
    NotBegun,
    /// Its time is over (rule 4).
    Ended,
    /// It is on behalf of a team that the actor is not in (rule 3).
    NotMember,
    /// It is on behalf of a team of the actor that does not manage the organization (rule 3).
    NotManaging,
}

/// What takes from everything that is given on a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    /// The environment is frozen.
    Freeze,
    /// The key carries less.
    Key,
}

/// The row that gives: the binding and the reach name it. A single capability reaches itself; a binding that gives
/// nothing has no reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Via<'a> {
    pub(super) binding: Ref<'a, Binding>,
    pub(super) reach: Option<Reach>,
}

/// Where a grant landed, how many steps above the scope in question that is, and what gave it: the witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin<'a> {
    pub(super) distance: Option<u8>,
    pub(super) at: Scope,
    pub(super) spread: Spread,
    pub(super) via: Via<'a>,
}

/// What an actor holds, folded by where it landed.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings(FxHashMap<Scope, HeldAt>);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeldAt {
    below: Masks,
    here: Masks,
}

impl HeldAt {
    pub(super) fn by_spread(&self) -> [(Spread, Masks); 2] {
        [(Spread::Below, self.below), (Spread::Here, self.here)]
    }
}

impl Holdings {
    pub(super) fn with_capacity(scopes: usize) -> Self {
        Self(FxHashMap::with_capacity_and_hasher(scopes, rustc_hash::FxBuildHasher))
    }

    pub(super) fn add(&mut self, at: Scope, spread: Spread, masks: Masks) {
        let held = self.0.entry(at).or_default();
        match spread {
            Spread::Below => held.below |= masks,
            Spread::Here => held.here |= masks,
        }
    }

    pub(super) fn at(&self, scope: Scope) -> Option<&HeldAt> {
        self.0.get(&scope)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Scope, &HeldAt)> {
        self.0.iter().map(|(&scope, held)| (scope, held))
    }
}

/// A reference that is equal to itself only, so that the program can carry it at no cost.
#[derive(Debug)]
pub(super) struct Ref<'a, T: ?Sized>(pub(super) &'a T);

impl<T: ?Sized> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Ref<'_, T> {}

impl<T: ?Sized> PartialEq for Ref<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T: ?Sized> Eq for Ref<'_, T> {}

impl<T: ?Sized> Hash for Ref<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl<'a, T: ?Sized> Deref for Ref<'a, T> {
    type Target = &'a T;

    fn deref(&self) -> &&'a T {
        &self.0
    }
}
