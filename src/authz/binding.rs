//! Who is bound, what is given and where; and to what a key narrows it. Plain data, as the database has it.
//!
//! It must not know a rule.

use super::capability::Capability;
use super::mask::Mask;
use super::packs::RoleIndex;
use super::scope::Scope;

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

/// What a key or token carries at most of what its holder holds (rule 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Narrowing {
    /// Nothing but these.
    pub capabilities: Mask,
    /// Nowhere but on this scope and below it; everywhere, when there is none.
    pub scope: Option<Scope>,
}
