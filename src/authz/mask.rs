//! Sets of capabilities, one bit for each: a decision about all of them costs as much as a decision about one.
//! It must not know how such a set comes about.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign};

use super::capability::Capability;
use super::facts::{EnvironmentKind, Kinds};

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mask(u128);

const _: () = assert!(Capability::ALL.len() <= 128, "a mask has one bit per capability");

impl Mask {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// Every capability.
    pub const ALL: Self = Self::of(Capability::ALL);

    /// The set of these capabilities.
    #[must_use]
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut bits = 0;
        let mut rest = capabilities;
        while let [first, others @ ..] = rest {
            bits |= 1 << (*first as u8);
            rest = others;
        }
        Self(bits)
    }

    /// The capabilities of this set that are not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the capability is in the set.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 >> (capability as u8) & 1 == 1
    }

    /// Whether every capability of this set is also in the other.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.minus(other).is_empty()
    }

    /// Whether the set has no capability.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many capabilities the set has.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The capabilities of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let capability = Capability::ALL.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(*capability)
        })
    }
}

impl BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Mask {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Capability> for Mask {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let each = capabilities.into_iter().map(Capability::mask);
        each.fold(Self::EMPTY, Self::bitor)
    }
}

/// What is given on production environments and what on all others. A capability that is not judged on an environment
/// is in both or in neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Masks {
    /// What counts on production environments.
    pub production: Mask,
    /// What counts on every other environment.
    pub nonproduction: Mask,
}

impl Masks {
    /// The same on both kinds of environment.
    #[must_use]
    pub const fn both(mask: Mask) -> Self {
        Self { production: mask, nonproduction: mask }
    }

    /// What counts on environments of this kind.
    #[must_use]
    pub const fn of(self, kind: EnvironmentKind) -> Mask {
        match kind {
            EnvironmentKind::Production => self.production,
            EnvironmentKind::Nonproduction => self.nonproduction,
        }
    }

    /// What counts where only one kind is looked at, or both: under one kind it is the same in both fields.
    #[must_use]
    pub const fn under(self, only: Option<EnvironmentKind>) -> Self {
        match only {
            Some(kind) => Self::both(self.of(kind)),
            None => self,
        }
    }

    /// Whether nothing is given on either kind.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.production.is_empty() && self.nonproduction.is_empty()
    }

    /// Whether everything that is given here is also given there, on each kind.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.production.is_subset(other.production) && self.nonproduction.is_subset(other.nonproduction)
    }

    /// What counts on each of both kinds.
    #[must_use]
    pub fn every(self) -> Mask {
        self.production & self.nonproduction
    }

    /// What counts on all of these kinds.
    #[must_use]
    pub fn on(self, kinds: Kinds) -> Mask {
        match kinds {
            Kinds::Both => self.every(),
            Kinds::Only(kind) => self.of(kind),
        }
    }

    /// What counts on either kind.
    #[must_use]
    pub fn either(self) -> Mask {
        self.production | self.nonproduction
    }
}

impl BitOrAssign for Masks {
    fn bitor_assign(&mut self, other: Self) {
        self.production |= other.production;
        self.nonproduction |= other.nonproduction;
    }
}

impl BitAnd<Mask> for Masks {
    type Output = Self;

    fn bitand(self, mask: Mask) -> Self {
        Self { production: self.production & mask, nonproduction: self.nonproduction & mask }
    }
}

impl BitAndAssign<Mask> for Masks {
    fn bitand_assign(&mut self, mask: Mask) {
        *self = *self & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_set() {
        let all: Mask = Capability::ALL.iter().copied().collect();
        assert!(all.iter().eq(Capability::ALL.iter().copied()));
        let view = Capability::TeamView.mask();
        assert!(view.is_subset(all) && !all.is_subset(view));
        assert!(!all.minus(view).contains(Capability::TeamView));
        assert_eq!(all & view, view);
        assert_eq!(all.minus(view) | view, all);
    }
}
