//! Asks the programs: puts the facts and the question in, and folds what comes out.
//!
//! It must not know a rule. It folds what is given with OR, and limits and kinds of environment with AND.

mod lists;
mod locks;
mod rules;
mod verdicts;

use rustc_hash::FxHashMap;

use super::capability::Capability;
use super::explain::Reason;
use super::facts::{Binding, EnvironmentKind, Facts, Narrowing, Scope};
use super::mask::Masks;
use super::packs::{Packs, RoleIndex};
use super::terms::{Aim, Holdings, Origin, Ref, View, Way};
use super::violation::{Guarded, Violation};
use rules::{About, ChangesAt, Decide, Define, Derive, Give, Granted, Holds, Known, Limits, Narrowed, Remembered};

/// What the actor of these facts holds, and the first moment at which that may change by itself.
pub(super) fn derive(facts: &Facts, packs: &Packs) -> (Holdings, Option<i64>) {
    let mut program = about_actor(facts, packs, &Aim::Anything);
    program.extend([Derive(facts.actor())]);
    let derived = rules::run(program);
    let mut holdings = Holdings::with_capacity(derived.granted.len());
    for Granted(at, spread, masks) in derived.granted {
        holdings.add(at, spread, masks);
    }
    (holdings, derived.changes.into_iter().map(|ChangesAt(moment)| moment).min())
}

/// Whether the capability counts on the scope, by the facts alone.
pub(super) fn judge(facts: &Facts, packs: &Packs, scope: Scope, capability: Capability) -> bool {
    let aim = Aim::One(capability, scope, facts.lineage(scope));
    fold_one(about_actor(facts, packs, &aim)).every().contains(capability)
}

/// What of the holdings counts on the scope.
pub(super) fn decide_one(
    holdings: &Holdings,
    narrowing: Option<Narrowing>,
    facts: &Facts,
    scope: Scope,
    view: View,
) -> Masks {
    let mut program = about_holdings(holdings, narrowing, facts);
    program.extend([Decide(scope, view)]);
    fold_one(program)
}

/// What of the holdings counts on each scope, environments as they are.
pub(super) fn decide(
    holdings: &Holdings,
    narrowing: Option<Narrowing>,
    facts: &Facts,
    scopes: &[Scope],
) -> FxHashMap<Scope, Masks> {
    let mut program = about_holdings(holdings, narrowing, facts);
    program.extend(scopes.iter().map(|&scope| Decide(scope, View::AsItIs)));
    let derived = rules::run(program);
    let mut held: FxHashMap<Scope, Masks> = scopes.iter().map(|&scope| (scope, Masks::default())).collect();
    for Holds(scope, masks) in derived.holds {
        *held.entry(scope).or_default() |= masks;
    }
    for Limits(scope, _, mask) in derived.limits {
        *held.entry(scope).or_default() &= mask;
    }
    held
}

/// The fewest scopes on which the capability is held, by kind, and whether frozen environments below are excepted.
pub(super) fn list(
    holdings: &Holdings,
    narrowing: Option<Narrowing>,
    facts: &Facts,
    capability: Capability,
) -> (Vec<(Scope, EnvironmentKind)>, bool) {
    let mut program = lists::Crepe::new();
    program.extend([lists::Known(Ref(facts))]);
    program.extend([lists::Remembered(Ref(holdings))]);
    program.extend(narrowing.map(lists::Narrowed));
    program.extend([lists::List(capability)]);
    let (visible, unless_frozen) = lists::run(program);
    (visible.into_iter().map(|lists::Visible(scope, kind)| (scope, kind)).collect(), unless_frozen)
}

/// What gives the capability on the scope, or the nearest reason why nothing does, with each origin that has it.
pub(super) fn explain<'a>(
    facts: &'a Facts,
    packs: &'a Packs,
    capability: Capability,
    scope: Scope,
) -> (Vec<Origin<'a>>, Vec<(Reason, Option<Origin<'a>>)>) {
    let mut program = about_actor(facts, packs, &Aim::Anything);
    program.extend([rules::Explain(scope)]);
    let mut program = weigh(facts, program);
    program.extend([verdicts::Explain(scope, capability)]);
    let derived = verdicts::run(program);
    let because = derived.because.into_iter().map(|verdicts::Because(origin)| origin);
    let nearest = derived.nearest.into_iter().map(|verdicts::Nearest(reason, origin)| (reason, origin));
    (because.collect(), nearest.collect())
}

/// What is wrong with the actor giving these bindings in this way.
pub(super) fn give(facts: &Facts, packs: &Packs, gifts: &[Binding], way: Way) -> Vec<Violation> {
    let mut program = about_actor(facts, packs, &Aim::Anything);
    program.extend(gifts.iter().map(|gift| Give(Ref(packs), Ref(gift), way)));
    violations(weigh(facts, program))
}

/// What is wrong with the actor giving the role its rows, for the scope that owns it.
pub(super) fn define(facts: &Facts, packs: &Packs, role: RoleIndex, scope: Scope) -> Vec<Violation> {
    let mut program = about_actor(facts, packs, &Aim::Anything);
    program.extend([Define(Ref(packs), role, scope)]);
    violations(weigh(facts, program))
}

/// What is wrong with the actor changing by this capability what kind of environment there is on the scope.
pub(super) fn change_kind(facts: &Facts, packs: &Packs, capability: Capability, scope: Scope) -> Vec<Violation> {
    let mut program = about_actor(facts, packs, &Aim::Anything);
    program.extend([Decide(scope, View::UnderBothKinds)]);
    let mut program = weigh(facts, program);
    program.extend([verdicts::ChangeKind(scope, capability)]);
    violations(program)
}

/// What is wrong with the teams and organizations.
pub(super) fn guard(guarded: &Guarded) -> Vec<Violation> {
    let mut program = verdicts::Crepe::new();
    program.extend([verdicts::Guarding(Ref(guarded))]);
    violations(program)
}

/// Which of the candidates give what is needed where they would be bound, and what they give there.
pub(super) fn suffice<'a>(
    facts: &'a Facts,
    packs: &'a Packs,
    candidates: &'a [Binding],
    needed: Masks,
) -> Vec<(&'a Binding, Masks)> {
    let mut program = rules::Crepe::new();
    program.extend([Known(Ref(facts))]);
    program.extend(candidates.iter().map(|candidate| rules::Candidate(Ref(packs), Ref(candidate))));
    let mut program = weigh(facts, program);
    program.extend([verdicts::Suffice(needed)]);
    let suffices = verdicts::run(program).suffices;
    suffices.into_iter().map(|verdicts::Suffices(Ref(candidate), masks)| (candidate, masks)).collect()
}

fn about_actor<'a>(facts: &'a Facts, packs: &'a Packs, aim: &'a Aim) -> rules::Crepe<'a> {
    let mut program = rules::Crepe::new();
    program.extend([Known(Ref(facts))]);
    program.extend(facts.narrowing().map(Narrowed));
    program.extend([About(Ref(packs), Ref(aim))]);
    program
}

fn about_holdings<'a>(holdings: &'a Holdings, narrowing: Option<Narrowing>, facts: &'a Facts) -> rules::Crepe<'a> {
    let mut program = rules::Crepe::new();
    program.extend([Known(Ref(facts))]);
    program.extend([Remembered(Ref(holdings))]);
    program.extend(narrowing.map(Narrowed));
    program
}

/// The decision of a program that was asked about one scope.
fn fold_one(program: rules::Crepe<'_>) -> Masks {
    let derived = rules::run(program);
    let mut held = Masks::default();
    for rules::Gives(_, masks, _) in derived.gives {
        held |= masks;
    }
    for Holds(_, masks) in derived.holds {
        held |= masks;
    }
    for Limits(_, _, mask) in derived.limits {
        held &= mask;
    }
    held
}

/// Hands over what comes out of the one program to the other.
fn weigh<'a>(facts: &'a Facts, program: rules::Crepe<'a>) -> verdicts::Crepe<'a> {
    use verdicts::{Considered, Flawed, Gives, Judged, Landed, Limits, Needs, SuspendedActor};
    let from = rules::run(program);
    let mut program = verdicts::Crepe::new();
    program.extend([verdicts::Known(Ref(facts))]);
    program.extend(from.suspended.into_iter().map(|rules::SuspendedActor(actor)| SuspendedActor(actor)));
    let landed = from.landed.into_iter();
    program.extend(
        landed.map(|rules::Landed(binding, reach, at, spread, masks)| Landed(binding, reach, at, spread, masks)),
    );
    program.extend(from.considered.into_iter().map(|rules::Considered(binding)| Considered(binding)));
    program.extend(from.flawed.into_iter().map(|rules::Flawed(binding, flaw)| Flawed(binding, flaw)));
    program.extend(from.judged.into_iter().map(|rules::Judged(scope, only, open)| Judged(scope, only, open)));
    program.extend(from.gives.into_iter().map(|rules::Gives(scope, masks, origin)| Gives(scope, masks, origin)));
    program.extend(from.limits.into_iter().map(|rules::Limits(scope, limit, mask)| Limits(scope, limit, mask)));
    program.extend(from.needs.into_iter().map(|rules::Needs(scope, masks, spread)| Needs(scope, masks, spread)));
    program
}

fn violations(program: verdicts::Crepe<'_>) -> Vec<Violation> {
    let violated = verdicts::run(program).violated.into_iter();
    let mut violations: Vec<Violation> = violated.map(|verdicts::Violated(each)| each).collect();
    violations.sort_unstable();
    violations
}
