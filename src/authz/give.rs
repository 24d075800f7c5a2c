//! Whether somebody may hand a grant on (rule 8): nobody grants more than they hold.
//!
//! It must not know a rule: the program says what is missing.

use super::capability::Capability;
use super::facts::{EnvironmentKind, Facts, Grant, Scope};
use super::packs::Packs;
use super::program;

/// What the actor lacks to bind this role or capability on the scope; nothing, when the grant may be made. The same is
/// asked for the new content of a role that is edited, on every scope where it is bound.
///
/// Both kinds of environment are weighed on every scope, an environment too, since it may change its kind. A row that
/// reaches below must be held with the same reach. When the role is bound at a team, the facts must have the
/// organizations that this team manages.
#[must_use]
pub fn missing_to_give(
    facts: &Facts,
    packs: &Packs,
    grant: impl Into<Grant>,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    missing(facts, packs, grant.into(), scope, Capability::AccessManage)
}

/// As [`missing_to_give`], for an invitation that carries the grant.
#[must_use]
pub fn missing_to_invite(
    facts: &Facts,
    packs: &Packs,
    grant: impl Into<Grant>,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    missing(facts, packs, grant.into(), scope, Capability::MemberInvite)
}

/// What the actor lacks to define a role on a scope: every row of it, whatever it is bound at, weighed there.
#[must_use]
pub fn missing_to_define(
    facts: &Facts,
    packs: &Packs,
    role: super::packs::RoleIndex,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    let mut all = Vec::new();
    for row in packs.rows(role) {
        for capability in row.masks.either().iter() {
            all.extend(missing_to_give(facts, packs, capability, scope));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn missing(
    facts: &Facts,
    packs: &Packs,
    grant: Grant,
    scope: Scope,
    needed: Capability,
) -> Vec<(Capability, EnvironmentKind)> {
    let mut missing = program::missing(facts, packs, grant, scope, needed);
    missing.sort_unstable();
    missing
}
