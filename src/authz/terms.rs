//! The values that the program's relations carry besides facts: where a grant landed and what gave it.
//!
//! It must not know a rule beyond what the words mean.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

use rustc_hash::FxHashMap;

use super::facts::{BindingIndex, Scope};
use super::mask::Masks;
use super::packs::Reach;

/// How far a grant counts from the scope where it lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Spread {
    /// There and on everything below.
    Below,
    /// There only.
    Here,
}

impl Spread {
    pub(super) const BOTH: [Self; 2] = [Self::Below, Self::Here];

    pub(super) fn spans(self, distance: u8) -> bool {
        self == Self::Below || distance == 0
    }
}

/// The row that gives: the binding and the reach name it. A single capability reaches itself; a binding that gives
/// nothing has no reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Via {
    pub(super) binding: BindingIndex,
    pub(super) reach: Option<Reach>,
}

impl Via {
    pub(super) fn row(binding: BindingIndex, reach: Reach) -> Option<Self> {
        let reach = Some(reach);
        Some(Self { binding, reach })
    }

    pub(super) fn nothing(binding: BindingIndex) -> Option<Self> {
        let reach = None;
        Some(Self { binding, reach })
    }
}

/// Where a grant landed, how many steps above the scope in question that is, and what gave it: the witness. A grant
/// that is remembered from an earlier run has forgotten what gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    pub(super) distance: Option<u8>,
    pub(super) at: Scope,
    pub(super) spread: Spread,
    pub(super) via: Option<Via>,
}

/// What an actor holds, folded by where it landed.
pub(super) type Holdings = FxHashMap<(Scope, Spread), Masks>;

/// A reference that is equal to itself only, so that the program can carry it at no cost.
#[derive(Debug)]
pub(super) struct Ref<'a, T>(pub(super) &'a T);

impl<T> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<'_, T> {}

impl<T> PartialEq for Ref<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Ref<'_, T> {}

impl<T> Hash for Ref<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl<'a, T> Deref for Ref<'a, T> {
    type Target = &'a T;

    fn deref(&self) -> &&'a T {
        &self.0
    }
}
