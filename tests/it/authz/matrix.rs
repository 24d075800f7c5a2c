//! The golden matrix: each role, bound on each kind of scope, gives what its cells in the packs say and nothing else.

use std::collections::HashSet;

use reeve::authz::*;

use super::world::{ACTOR, LINES, Line, PACKS, TEAMS, World, all_scopes};

type Cell = (Scope, EnvironmentKind, Capability);

/// What one line of a pack gives to whoever has the role on the scope.
fn cells(world: &World, line: &Line, bound: Scope) -> Vec<Cell> {
    if line.bound_at != bound.level().name() {
        return Vec::new();
    }
    let is_reached = |scope: &Scope| {
        let lineage = World::lineage(*scope);
        match line.reach.as_str() {
            "self" => lineage.contains(&bound),
            "parent" => World::lineage(bound).get(1) == Some(scope),
            "managed" => lineage.contains(&Scope::Organization(21)),
            other => unreachable!("{other}"),
        }
    };
    let kinds: &[EnvironmentKind] = match line.environments.as_str() {
        "any" => &EnvironmentKind::BOTH,
        "production" => &[EnvironmentKind::Production],
        "nonproduction" => &[EnvironmentKind::Nonproduction],
        other => unreachable!("{other}"),
    };
    let mut cells = Vec::new();
    for scope in all_scopes().into_iter().filter(is_reached) {
        let judged = |kind: &&EnvironmentKind| match scope {
            Scope::Environment(id) => world.kind(id) == **kind,
            _ => true,
        };
        let kinds = kinds.iter().filter(judged);
        cells.extend(kinds.map(|&kind| (scope, kind, line.capability)));
    }
    cells
}

#[test]
fn every_cell_is_decided_as_it_stands_and_nothing_else_is_given() {
    let places = [
        Scope::Console,
        Scope::Team(TEAMS[0]),
        Scope::Organization(21),
        Scope::Project(31),
        Scope::Environment(41),
        Scope::Environment(42),
    ];
    let mut decided = 0;
    for (role, name) in PACKS.roles() {
        for bound in places {
            let binding = Binding {
                id: 1,
                subject: Subject::User(ACTOR),
                grant: role.into(),
                scope: bound,
                on_behalf_of: None,
                not_before: None,
                not_after: None,
            };
            let world = World::plain(vec![binding]);
            let lines = LINES.iter().filter(|line| line.role == role);
            let cells: HashSet<Cell> = lines.flat_map(|line| cells(&world, line, bound)).collect();
            let facts = world.facts();
            let held = Authority::of(&facts, &PACKS).decide(&facts, &all_scopes());
            for (scope, mask) in held {
                for &capability in Capability::ALL {
                    let mut kinds = EnvironmentKind::BOTH.into_iter().filter(|&kind| match scope {
                        Scope::Environment(id) => world.kind(id) == kind,
                        _ => true,
                    });
                    let expected = kinds.all(|kind| cells.contains(&(scope, kind, capability)));
                    let what = capability.name();
                    assert_eq!(mask.contains(capability), expected, "{name} at {bound:?}: {what} on {scope:?}");
                    decided += 1;
                }
            }
        }
    }
    assert!(decided > 100_000, "{decided} cells");
}

#[test]
fn a_line_that_is_bound_where_it_says_gives_something() {
    for line in LINES.iter() {
        let places = all_scopes().into_iter().filter(|scope| scope.level().name() == line.bound_at);
        let world = World::plain(Vec::new());
        let mut cells = places.flat_map(|bound| cells(&world, line, bound));
        assert!(cells.next().is_some(), "{} is a dead line", line.capability.name());
    }
}
