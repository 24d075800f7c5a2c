//! The program against an oracle, over random worlds: every answer that it gives, for keys that are narrowed too.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use reeve::authz::*;

use super::world::{PACKS, World, all_scopes};
use super::worlds::{bestowal, world};

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

/// How much was compared, and how much of it was allowed.
#[derive(Default)]
struct Figure(Cell<usize>, Cell<usize>);

impl Figure {
    fn add(&self, allowed: bool) {
        self.0.set(self.0.get() + 1);
        self.1.set(self.1.get() + usize::from(allowed));
    }

    /// A generator that gives nobody anything would agree on everything.
    fn is_at_least(&self, what: &str, compared: usize, one_in: usize) {
        let (all, allowed) = (self.0.get(), self.1.get());
        assert!(all >= compared, "{all} {what}");
        assert!(allowed * one_in >= all, "{allowed} of {all} {what} allowed");
        assert!(allowed < all, "all {what} allowed");
    }
}

#[derive(Default)]
struct Figures {
    decisions: Figure,
    narrowed: Figure,
    listed: Figure,
    explained: Figure,
    key_narrowed: Figure,
    gifts: Figure,
    definitions: Figure,
    joins: Figure,
    changes: Figure,
}

fn check_decisions(
    world: &World,
    facts: &Facts,
    authority: &Authority,
    figures: &Figures,
) -> Result<Mask, TestCaseError> {
    let scopes = all_scopes();
    let decided = authority.decide(facts, &scopes);
    let by_kind = authority.decide_by_kind(facts, &scopes);
    prop_assert_eq!((decided.len(), by_kind.len()), (scopes.len(), scopes.len()));
    let mut given = Mask::EMPTY;
    for &scope in &scopes {
        for &capability in Capability::ALL {
            let allowed = world.allows(scope, capability);
            prop_assert_eq!(decided[&scope].contains(capability), allowed, "{:?} on {:?}", capability, scope);
            for kind in EnvironmentKind::BOTH {
                let allowed = world.allows_under(scope, capability, kind);
                let decided = by_kind[&scope].of(kind).contains(capability);
                prop_assert_eq!(decided, allowed, "{:?} on {:?} under {:?}", capability, scope, kind);
            }
            figures.decisions.add(allowed);
            if world.narrowing.is_some() {
                figures.narrowed.add(allowed);
            }
        }
        given |= decided[&scope];
    }
    Ok(given)
}

fn check_list(
    world: &World,
    facts: &Facts,
    authority: &Authority,
    capability: Capability,
    figures: &Figures,
) -> Result<(), TestCaseError> {
    let visible = authority.visible(facts, capability);
    prop_assert!(is_minimal(world, &visible), "{:?} {:?}", capability, visible);
    prop_assert!(capability.level() == Level::Team || visible.teams.is_empty());
    let listable = |scope: &Scope| scope.level() == capability.level() && world.is_known(*scope);
    for scope in all_scopes().into_iter().filter(listable) {
        let allowed = world.allows(scope, capability);
        let listed = is_listed(world, &visible, scope);
        prop_assert_eq!(listed, allowed, "{:?} on {:?} in {:?}", capability, scope, visible);
        figures.listed.add(allowed);
    }
    Ok(())
}

fn check_one(
    world: &World,
    facts: &Facts,
    authority: &Authority,
    (capability, scope): (Capability, Scope),
    figures: &Figures,
) -> Result<(), TestCaseError> {
    let expected = world.allows(scope, capability);
    prop_assert_eq!(allows(facts, &PACKS, scope, capability), expected, "{:?} on {:?}", capability, scope);
    prop_assert_eq!(authority.allows(facts, scope, capability), expected, "{:?} on {:?}", capability, scope);
    let decision = explain(facts, &PACKS, capability, scope);
    prop_assert_eq!(decision.allowed, expected, "{:?} on {:?}", capability, scope);
    prop_assert_eq!(decision.allowed, !decision.because.is_empty());
    prop_assert_eq!(decision.allowed, decision.refusal.is_none());
    figures.explained.add(expected);
    // The holder would be allowed it: then the key is the reason, and it is no reason for anybody else.
    let holder = World { narrowing: None, ..world.clone() };
    let is_key = decision.refusal.is_some_and(|refusal| refusal.reason == Reason::KeyNarrowed);
    prop_assert!(is_key || expected || !holder.allows(scope, capability), "{:?} on {:?}", capability, scope);
    let somehow = EnvironmentKind::BOTH.into_iter().any(|kind| holder.allows_under(scope, capability, kind));
    prop_assert!(!is_key || somehow && !world.carries(scope, capability), "{:?} on {:?}", capability, scope);
    figures.key_narrowed.add(is_key);

    let lacking = world.missing_to_change_kind(scope, capability);
    prop_assert_eq!(&missing_to_change_kind(facts, &PACKS, capability, scope), &lacking);
    let both = authority.allows_in_both_kinds(facts, scope, capability);
    prop_assert_eq!(both, lacking.is_empty(), "{:?} on {:?}", capability, scope);
    figures.changes.add(both);
    Ok(())
}

fn check_gift(
    world: &World,
    facts: &Facts,
    (grant, scope): (Grant, Scope),
    figures: &Figures,
) -> Result<(), TestCaseError> {
    let missing = world.missing_to_give(grant, scope, Capability::AccessManage);
    prop_assert_eq!(&missing_to_give(facts, &PACKS, grant, scope), &missing, "{:?} at {:?}", grant, scope);
    figures.gifts.add(missing.is_empty());
    let missing = world.missing_to_give(grant, scope, Capability::MemberInvite);
    prop_assert_eq!(&missing_to_invite(facts, &PACKS, grant, scope), &missing, "{:?} at {:?}", grant, scope);
    if let Grant::Role(role) = grant {
        let missing = world.missing_to_define(role, scope);
        prop_assert_eq!(&missing_to_define(facts, &PACKS, role, scope), &missing, "{:?} at {:?}", grant, scope);
        figures.definitions.add(missing.is_empty());
    }
    Ok(())
}

type Sample = (usize, usize);

fn check(world: &World, samples: &[Sample], gifts: &[(Grant, Scope)], figures: &Figures) -> Result<(), TestCaseError> {
    let facts = world.facts();
    let authority = Authority::of(&facts, &PACKS);
    // Capabilities that somebody was given say more than the others.
    let given: Vec<Capability> = check_decisions(world, &facts, &authority, figures)?.iter().collect();
    let scopes = all_scopes();
    for (turn, &(capability, scope)) in samples.iter().enumerate() {
        let from = if turn % 4 != 0 && !given.is_empty() { &given[..] } else { Capability::ALL };
        let capability = from[capability % from.len()];
        check_list(world, &facts, &authority, capability, figures)?;
        check_one(world, &facts, &authority, (capability, scopes[scope % scopes.len()]), figures)?;
    }
    for &gift in gifts {
        check_gift(world, &facts, gift, figures)?;
    }
    // A team is joined that has what the actor has, by an actor who has it or not.
    for some in [&world.bindings[..world.bindings.len().min(2)], &world.bindings[..]] {
        let missing = world.missing_to_join(some);
        prop_assert_eq!(&missing_to_join(&facts, &PACKS, some), &missing, "{:?}", some);
        figures.joins.add(missing.is_empty());
    }
    Ok(())
}

#[test]
fn the_program_agrees_with_the_rules_written_out() {
    let figures = Figures::default();
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let samples = prop::collection::vec((0..10_000_usize, 0..10_000_usize), 20);
    let gifts = prop::collection::vec(bestowal(), 6);
    let run =
        runner.run(&(world(), samples, gifts), |(world, samples, gifts)| check(&world, &samples, &gifts, &figures));
    if let Err(failure) = run {
        unreachable!("{failure}");
    }
    figures.decisions.is_at_least("decisions", 100_000, 20);
    figures.narrowed.is_at_least("decisions with a narrowed key", 100_000, 40);
    figures.listed.is_at_least("entries of lists", 50_000, 20);
    figures.explained.is_at_least("explanations", 10_000, 20);
    figures.key_narrowed.is_at_least("explanations", 10_000, 100);
    figures.changes.is_at_least("changes of a kind", 10_000, 20);
    figures.gifts.is_at_least("gifts", 3_000, 200);
    figures.definitions.is_at_least("definitions", 2_500, 400);
    figures.joins.is_at_least("joins", 1_000, 100);
}
