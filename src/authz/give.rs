//! Whether somebody may hand on what they have (rule 8): nobody grants more than they hold.
//!
//! It must not know a rule: the program says what is missing.

use super::capability::Capability;
use super::facts::{Binding, EnvironmentKind, Facts, Grant, Scope, Subject};
use super::packs::{Packs, RoleIndex};
use super::program;
use super::terms::Way;
use super::violation::missing;

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
    missing(program::give(facts, packs, &[gift(facts, grant.into(), scope)], Way::Binding))
}

/// As [`missing_to_give`], for an invitation that carries the grant.
#[must_use]
pub fn missing_to_invite(
    facts: &Facts,
    packs: &Packs,
    grant: impl Into<Grant>,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    missing(program::give(facts, packs, &[gift(facts, grant.into(), scope)], Way::Invitation))
}

/// What the actor lacks to let somebody join the team that has these bindings: every row of each of them where it
/// lands, unless it has ended. What somebody was given by name on behalf of the team is not weighed: the membership was its
/// condition from the beginning. The facts must have the scopes that they are bound on, those above, and the organizations
/// managed by the teams among them.
#[must_use]
pub fn missing_to_join(facts: &Facts, packs: &Packs, team_bindings: &[Binding]) -> Vec<(Capability, EnvironmentKind)> {
    missing(program::give(facts, packs, team_bindings, Way::Membership))
}

/// What the actor lacks to define the role, as it stands in the packs, for a scope and everything below it: the same as
/// to give all of its rows on that scope, whatever they would be bound at; and above it those that reach up from it. The
/// facts must have the scope above.
#[must_use]
pub fn missing_to_define(
    facts: &Facts,
    packs: &Packs,
    role: RoleIndex,
    scope: Scope,
) -> Vec<(Capability, EnvironmentKind)> {
    missing(program::define(facts, packs, role, scope))
}

/// The binding that would be made, as far as the program looks at it.
fn gift(facts: &Facts, grant: Grant, scope: Scope) -> Binding {
    let subject = Subject::User(facts.actor());
    Binding { id: 0, subject, grant, scope, on_behalf_of: None, not_before: None, not_after: None }
}
