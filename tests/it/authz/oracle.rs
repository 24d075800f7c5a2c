//! The program against an oracle, over random worlds.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use reeve::authz::*;

use super::world::{ACTOR, LINES, ODD, PACKS, STRANGER, TEAMS, World, all_scopes};

/// What a list filtered by the condition would have in it.
fn is_listed(world: &World, visible: &VisibleScopes, scope: Scope) -> bool {
    let mut listed = visible.everything;
    let kind = match scope {
        Scope::Environment(id) => Some(world.kind(id)),
        _ => None,
    };
    let (production, nonproduction) = (kind == Some(Production), kind == Some(Nonproduction));
    listed |= production && visible.console_production || nonproduction && visible.console_nonproduction;
    for above in World::lineage(scope) {
        listed |= match above {
            Scope::Console => false,
            Scope::Team(id) => visible.teams.contains(&id),
            Scope::Organization(id) => {
                visible.organizations.contains(&id)
                    || production && visible.organizations_production.contains(&id)
                    || nonproduction && visible.organizations_nonproduction.contains(&id)
            }
            Scope::Project(id) => {
                visible.projects.contains(&id)
                    || production && visible.projects_production.contains(&id)
                    || nonproduction && visible.projects_nonproduction.contains(&id)
            }
            Scope::Environment(id) => visible.environments.contains(&id),
        };
    }
    listed && !(visible.unless_frozen && world.is_frozen(scope))
}

/// Nothing stands below another that already says as much.
fn is_minimal(world: &World, visible: &VisibleScopes) -> bool {
    let mut said: Vec<(Scope, EnvironmentKind)> = Vec::new();
    let mut say = |scopes: Vec<Scope>, kinds: &[EnvironmentKind]| {
        said.extend(scopes.iter().flat_map(|&scope| kinds.iter().map(move |&kind| (scope, kind))));
    };
    let organizations = |ids: &[u128]| ids.iter().copied().map(Scope::Organization).collect::<Vec<_>>();
    let projects = |ids: &[u128]| ids.iter().copied().map(Scope::Project).collect::<Vec<_>>();
    let both = [Production, Nonproduction];
    say(visible.everything.then_some(Scope::Console).into_iter().collect(), &both);
    say(visible.console_production.then_some(Scope::Console).into_iter().collect(), &[Production]);
    say(visible.console_nonproduction.then_some(Scope::Console).into_iter().collect(), &[Nonproduction]);
    say(visible.teams.iter().copied().map(Scope::Team).collect(), &both);
    say(organizations(&visible.organizations), &both);
    say(organizations(&visible.organizations_production), &[Production]);
    say(organizations(&visible.organizations_nonproduction), &[Nonproduction]);
    say(projects(&visible.projects), &both);
    say(projects(&visible.projects_production), &[Production]);
    say(projects(&visible.projects_nonproduction), &[Nonproduction]);
    for &id in &visible.environments {
        say(vec![Scope::Environment(id)], &[world.kind(id)]);
    }
    let unique: BTreeSet<_> = said.iter().copied().collect();
    unique.len() == said.len()
        && said
            .iter()
            .all(|&(scope, kind)| World::lineage(scope).iter().skip(1).all(|&above| !unique.contains(&(above, kind))))
}

fn scope_of_level(level: &str, pick: usize) -> Scope {
    let fitting: Vec<Scope> = all_scopes().into_iter().filter(|scope| scope.level().name() == level).collect();
    fitting[pick % fitting.len()]
}

/// A grant and a scope, mostly one on which some row of the grant counts.
fn bestowal() -> impl Strategy<Value = (Grant, Scope)> {
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

fn world() -> impl Strategy<Value = World> {
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
        prop::option::weighted(0.1, 4..all_scopes().len()),
    )
        .prop_map(|((now, actor_suspended), teams, mut bindings, managing, suspended, kinds, frozen, unknown)| {
            for (id, binding) in (100..).zip(&mut bindings) {
                binding.id = id;
            }
            let unknown = unknown.map(|place| all_scopes()[place]);
            World { now, actor_suspended, teams, bindings, managing, suspended, kinds, frozen, unknown }
        })
}

#[derive(Default)]
struct Figures {
    decisions: Cell<usize>,
    allowed: Cell<usize>,
    gifts: Cell<usize>,
}

fn add(figure: &Cell<usize>, more: bool) {
    figure.set(figure.get() + usize::from(more));
}

fn check(world: &World, samples: &[usize], gift: (Grant, Scope), figures: &Figures) -> Result<(), TestCaseError> {
    let facts = world.facts();
    let authority = Authority::of(&facts, &PACKS);
    let scopes = all_scopes();
    let decided = authority.decide(&facts, &scopes);
    prop_assert_eq!(decided.len(), scopes.len());
    for &scope in &scopes {
        for &capability in Capability::ALL {
            let allowed = world.allows(scope, capability);
            prop_assert_eq!(decided[&scope].contains(capability), allowed, "{:?} on {:?}", capability, scope);
            add(&figures.decisions, true);
            add(&figures.allowed, allowed);
        }
    }
    // Capabilities that somebody was given say more than the others.
    let given: Mask = decided.values().fold(Mask::EMPTY, |all, &mask| all | mask);
    let given: Vec<Capability> = given.iter().collect();
    for (turn, &sample) in samples.iter().enumerate() {
        let from = if turn % 2 == 0 && !given.is_empty() { &given[..] } else { Capability::ALL };
        let capability = from[sample % from.len()];
        let visible = authority.visible(&facts, capability);
        prop_assert!(is_minimal(world, &visible), "{:?} {:?}", capability, visible);
        prop_assert!(capability.level() == Level::Team || visible.teams.is_empty());
        for &scope in scopes.iter().filter(|&&scope| scope.level() == capability.level() && world.is_known(scope)) {
            let listed = is_listed(world, &visible, scope);
            prop_assert_eq!(
                listed,
                world.allows(scope, capability),
                "{:?} on {:?} in {:?}",
                capability,
                scope,
                visible
            );
        }
        let scope = scopes[sample / 7 % scopes.len()];
        let decision = explain(&facts, &PACKS, capability, scope);
        prop_assert_eq!(decision.allowed, world.allows(scope, capability), "{:?} on {:?}", capability, scope);
        prop_assert_eq!(decision.allowed, !decision.because.is_empty());
        prop_assert_eq!(decision.allowed, decision.refusal.is_none());
    }
    let (grant, scope) = gift;
    let missing = world.missing_to_give(grant, scope);
    prop_assert_eq!(&missing_to_give(&facts, &PACKS, grant, scope), &missing, "{:?} at {:?}", grant, scope);
    add(&figures.gifts, missing.is_empty());
    Ok(())
}

#[test]
fn the_program_agrees_with_the_rules_written_out() {
    let figures = Figures::default();
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let samples = prop::collection::vec(0..10_000_usize, 6);
    let run =
        runner.run(&(world(), samples, bestowal()), |(world, samples, gift)| check(&world, &samples, gift, &figures));
    if let Err(failure) = run {
        unreachable!("{failure}");
    }
    // A generator that gives nobody anything would agree on everything.
    let (decisions, allowed) = (figures.decisions.get(), figures.allowed.get());
    assert!(decisions >= 20_000, "{decisions} decisions");
    assert!(allowed * 20 >= decisions, "{allowed} of {decisions} allowed");
    assert!(figures.gifts.get() >= 5, "{} gifts could be made", figures.gifts.get());
}
