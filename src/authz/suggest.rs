//! Which role would be enough: the least privilege for whoever grants, and the nearest grant for whoever lacks.
//!
//! It must not know a rule: the program says what a role gives where it is bound.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::capability::Level;
use super::facts::{ActorFacts, Binding, Facts, Grant, Scope, Subject};
use super::mask::Masks;
use super::packs::{Packs, RoleIndex};
use super::program;

/// The candidates that, bound on a scope of this level, give at least what is needed there and on what lies below: the
/// one that gives the fewest capabilities first, each kind of environment counted by itself, then by name.
#[must_use]
pub fn smallest_roles(
    packs: &Packs,
    candidates: impl Iterator<Item = RoleIndex>,
    at: Level,
    needed: Masks,
) -> Vec<RoleIndex> {
    let scope = match at {
        Level::Console => Scope::Console,
        Level::Team => Scope::Team(0),
        Level::Organization => Scope::Organization(0),
        Level::Project => Scope::Project(0),
        Level::Environment => Scope::Environment(0),
    };
    let nobody = ActorFacts::new(0, false, Vec::new(), Vec::new(), FxHashMap::default());
    let facts = Facts::about(0, Arc::new(nobody), FxHashMap::default());
    let (subject, on_behalf_of, not_before, not_after) = (Subject::User(0), None, None, None);
    let bind = |role| Binding { id: 0, subject, grant: Grant::Role(role), scope, on_behalf_of, not_before, not_after };
    let bindings: Vec<Binding> = candidates.map(bind).collect();
    let enough = program::suffice(&facts, packs, &bindings, needed).into_iter();
    let mut roles: Vec<(u32, &str, RoleIndex)> = enough
        .filter_map(|(binding, masks)| {
            let size = masks.production.len() + masks.nonproduction.len();
            Some((size, packs.name(binding.grant), binding.grant.role()?))
        })
        .collect();
    roles.sort_unstable();
    roles.into_iter().map(|(_, _, role)| role).collect()
}
