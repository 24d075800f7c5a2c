//! The smallest roles that are enough, against a search through the lines of the packs.

use std::collections::BTreeSet;

use reeve::authz::*;

use super::world::{LINES, PACKS};

/// What a role gives on the scope that it is bound on and below, straight from the lines.
fn gives(role: RoleIndex, at: Level) -> BTreeSet<(Capability, EnvironmentKind)> {
    let mut gives = BTreeSet::new();
    for line in LINES.iter().filter(|line| line.role == role && line.bound_at == at.name() && line.reach == "self") {
        if line.environments != "nonproduction" {
            gives.insert((line.capability, EnvironmentKind::Production));
        }
        if line.environments != "production" {
            gives.insert((line.capability, EnvironmentKind::Nonproduction));
        }
    }
    gives
}

fn expected(at: Level, needed: &BTreeSet<(Capability, EnvironmentKind)>) -> Vec<RoleIndex> {
    let mut enough: Vec<(usize, &str, RoleIndex)> = Vec::new();
    for (role, name) in PACKS.roles() {
        let given = gives(role, at);
        if !given.is_empty() && given.is_superset(needed) {
            enough.push((given.len(), name, role));
        }
    }
    enough.sort_unstable();
    enough.into_iter().map(|(_, _, role)| role).collect()
}

#[test]
fn the_smallest_role_comes_first_and_no_role_that_lacks_something() {
    let mut found = 0;
    for at in Level::ALL {
        for &capability in Capability::ALL {
            for &other in [capability, Capability::LogView, Capability::AccessManage].iter() {
                for kinds in [&EnvironmentKind::BOTH[..], &EnvironmentKind::BOTH[..1], &EnvironmentKind::BOTH[1..]] {
                    let needed = |kind| kinds.contains(&kind).then_some([capability, other]).into_iter().flatten();
                    let masks = Masks {
                        production: needed(EnvironmentKind::Production).collect(),
                        nonproduction: needed(EnvironmentKind::Nonproduction).collect(),
                    };
                    let needed = kinds.iter().flat_map(|&kind| [(capability, kind), (other, kind)]).collect();
                    let roles = smallest_roles(&PACKS, PACKS.roles().map(|(role, _)| role), at, masks);
                    assert_eq!(roles, expected(at, &needed), "{capability:?} and {other:?} at {at:?}, {kinds:?}");
                    found += roles.len();
                }
            }
        }
    }
    assert!(found > 1000, "{found} roles are enough for something");
}

#[test]
fn only_candidates_are_suggested() {
    let needed = Masks::both(Capability::ProjectView.mask());
    assert_eq!(smallest_roles(&PACKS, [].into_iter(), Level::Project, needed), []);
    let all = smallest_roles(&PACKS, PACKS.roles().map(|(role, _)| role), Level::Project, needed);
    let last = all[all.len() - 1];
    assert_eq!(smallest_roles(&PACKS, [last].into_iter(), Level::Project, needed), [last]);
}
