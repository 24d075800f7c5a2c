//! Random worlds for the oracle: crowded, so that what is rare in life meets often.

use proptest::prelude::*;
use reeve::authz::*;

use super::world::{ACTOR, LINES, Narrowed, ODD, STRANGER, TEAMS, World, all_scopes};

fn scope_of_level(level: &str, pick: usize) -> Scope {
    let fitting: Vec<Scope> = all_scopes().into_iter().filter(|scope| scope.level().name() == level).collect();
    fitting[pick % fitting.len()]
}

/// A grant and a scope, mostly one on which some row of the grant counts.
pub(crate) fn bestowal() -> impl Strategy<Value = (Grant, Scope)> {
    let odd = LINES.len() - ODD.lines().count() + 1;
    let line = prop_oneof![3 => 0..odd, 2 => odd..LINES.len()];
    let scope = (0..1000_usize, prop::bool::weighted(0.9));
    (line, prop::bool::weighted(0.15), scope).prop_map(|(line, alone, (pick, fits))| {
        let line = &LINES[line];
        let grant = if alone { line.capability.into() } else { line.role.into() };
        let all = all_scopes();
        let scope = if fits && !alone { scope_of_level(&line.bound_at, pick) } else { all[pick % all.len()] };
        (grant, scope)
    })
}

fn binding() -> impl Strategy<Value = Binding> {
    let others = vec![Subject::User(STRANGER), Subject::Team(11), Subject::Team(12), Subject::Team(13)];
    let subject = prop_oneof![3 => Just(Subject::User(ACTOR)), 2 => prop::sample::select(others)];
    let on_behalf_of = prop::option::weighted(0.25, prop::sample::select(&TEAMS[..]));
    let moment = || prop::option::weighted(0.2, 0..10_i64);
    (bestowal(), subject, on_behalf_of, moment(), moment()).prop_map(
        |((grant, scope), subject, on_behalf_of, not_before, not_after)| Binding {
            id: 0,
            subject,
            grant,
            scope,
            on_behalf_of,
            not_before,
            not_after,
        },
    )
}

pub(crate) fn narrowing() -> impl Strategy<Value = Narrowed> {
    let carried = prop::collection::vec(prop::bool::weighted(0.7), Capability::ALL.len());
    let scope = prop::option::weighted(0.6, prop::sample::select(all_scopes()));
    (carried, scope).prop_map(|(carried, scope)| {
        let carried = Capability::ALL.iter().zip(carried).filter(|(_, carried)| *carried);
        Narrowed { capabilities: carried.map(|(&capability, _)| capability).collect(), scope }
    })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let team = prop::sample::select(&TEAMS[..]);
    let kind = prop::sample::select(&EnvironmentKind::BOTH[..]);
    (
        (0..10_i64, prop::bool::weighted(0.05)),
        prop::sample::subsequence(&TEAMS[..], 0..=3),
        prop::collection::vec(binding(), 0..7),
        prop::collection::vec(prop::option::weighted(0.8, team), 3),
        prop::collection::vec(prop::bool::weighted(0.2), 3),
        prop::collection::vec(kind, 6),
        prop::collection::vec(prop::bool::weighted(0.3), 6),
        (prop::option::weighted(0.1, 4..all_scopes().len()), prop::option::weighted(0.35, narrowing()), any::<bool>()),
    )
        .prop_map(
            |(
                (now, actor_suspended),
                teams,
                mut bindings,
                managing,
                suspended,
                kinds,
                frozen,
                (unknown, narrowing, stale),
            )| {
                for (id, binding) in (100..).zip(&mut bindings) {
                    binding.id = id;
                }
                let unknown = unknown.map(|place| all_scopes()[place]);
                World {
                    now,
                    actor_suspended,
                    teams,
                    bindings,
                    managing,
                    suspended,
                    kinds,
                    frozen,
                    unknown,
                    narrowing,
                    stale,
                }
            },
        )
}
