//! The guard rails: what must not be after a change, and whether it would be. Typed data; who tells people about it finds
//! the words.
//!
//! It must not know a rule: the program says what is violated.

use super::capability::Capability;
use super::facts::{EnvironmentKind, Facts, Scope};
use super::packs::Packs;
use super::program;

/// Something that a rule forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// Somebody would give what they do not hold themselves (rule 8).
    Beyond {
        /// Where it is not held.
        scope: Scope,
        /// What is not held.
        capability: Capability,
        /// On environments of which kind.
        kind: EnvironmentKind,
    },
    /// Somebody would change what kind of environment there is without being allowed to under both kinds (rule 9).
    NotUnderKind {
        /// Where it is not held.
        scope: Scope,
        /// What is not held.
        capability: Capability,
        /// Under which kind.
        kind: EnvironmentKind,
    },
    /// The team has no owner (rule 10).
    TeamWithoutOwner {
        /// Database key of the team.
        team: u128,
    },
    /// Nobody in the organization holds `access.manage` there (rule 10).
    OrganizationWithoutManager {
        /// Database key of the organization.
        organization: u128,
    },
    /// The members of a personal team are not exactly its person (rule 10).
    PersonalTeamNotAlone {
        /// Database key of the team.
        team: u128,
    },
}

/// A team as rule 10 looks at it. All keys are database ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamFact {
    /// The team.
    pub team: u128,
    /// Whose personal team it is.
    pub personal_user: Option<u128>,
    /// Who owns it.
    pub owners: Vec<u128>,
    /// Who is in it.
    pub members: Vec<u128>,
}

/// What a change may have touched, as it is after the change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarded {
    /// The teams.
    pub teams: Vec<TeamFact>,
    /// The organizations, each with the people who hold `access.manage` there, as was decided for each of them.
    pub organizations: Vec<(u128, Vec<u128>)>,
}

/// What rule 10 forbids of this state; nothing, when the change may stand.
#[must_use]
pub fn violations(guarded: &Guarded) -> Vec<Violation> {
    program::guard(guarded)
}

/// The kinds under which the actor lacks the capability, `environment.create` on a project or `environment.update` on an
/// environment (rule 9); nothing, when what is created or changed may be of either kind.
#[must_use]
pub fn missing_to_change_kind(
    facts: &Facts,
    packs: &Packs,
    capability: Capability,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    missing(program::change_kind(facts, packs, capability, scope))
}

/// What is lacking, wherever it is.
pub(super) fn missing(violations: Vec<Violation>) -> Vec<(Capability, EnvironmentKind)> {
    let lacks = violations.into_iter().filter_map(|violation| match violation {
        Violation::Beyond { capability, kind, .. } | Violation::NotUnderKind { capability, kind, .. } => {
            Some((capability, kind))
        }
        Violation::TeamWithoutOwner { .. }
        | Violation::OrganizationWithoutManager { .. }
        | Violation::PersonalTeamNotAlone { .. } => None,
    });
    let mut missing: Vec<_> = lacks.collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
