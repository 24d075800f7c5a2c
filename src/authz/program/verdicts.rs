//! Verdicts on what was decided: why, why not, and what must not be (rules 8 to 10 of `policy/README.md`), written once
//! and nowhere else.
//!
//! As in [`super::rules`], where the traps are told too, and with what came out there for facts. It must not know how
//! that came about.

#![expect(for_loops_over_fallibles, reason = "in a rule, `for` over an option means: if there is one")]

use std::collections::HashSet;

use crepe::crepe;
use rustc_hash::FxBuildHasher;

use crate::authz::capability::Capability;
use crate::authz::explain::Reason;
use crate::authz::facts::{Binding, EnvironmentKind, Facts, Scope};
use crate::authz::mask::{Mask, Masks};
use crate::authz::packs::Reach;
use crate::authz::terms::{Flaw, Limit, Origin, Ref, Spread, Via};
use crate::authz::violation::{Guarded, Violation};

crepe! {
    // What there is.
    @input pub(super) struct Known<'a>(pub(super) Ref<'a, Facts>);
    @input pub(super) struct Guarding<'a>(pub(super) Ref<'a, Guarded>);

    // What was derived.
    @input pub(super) struct SuspendedActor(pub(super) u128);
    @input pub(super) struct Landed<'a>(
        pub(super) Ref<'a, Binding>, pub(super) Reach, pub(super) Scope, pub(super) Spread, pub(super) Masks,
    );
    @input pub(super) struct Considered<'a>(pub(super) Ref<'a, Binding>);
    @input pub(super) struct Flawed<'a>(pub(super) Ref<'a, Binding>, pub(super) Flaw);
    @input pub(super) struct Judged(pub(super) Scope, pub(super) Option<EnvironmentKind>, pub(super) Mask);
    @input pub(super) struct Gives<'a>(pub(super) Scope, pub(super) Masks, pub(super) Origin<'a>);
    @input pub(super) struct Limits(pub(super) Scope, pub(super) Limit, pub(super) Mask);
    @input pub(super) struct Needs(pub(super) Scope, pub(super) Masks, pub(super) Spread);

    // The questions. Why is this so? May an environment change its kind by this capability? Which of the candidates
    // would give all of this? What is needed and what is guarded need no more question.
    @input pub(super) struct Explain(pub(super) Scope, pub(super) Capability);
    @input pub(super) struct ChangeKind(pub(super) Scope, pub(super) Capability);
    @input pub(super) struct Suffice(pub(super) Masks);

    // ONE CAPABILITY ON ONE SCOPE is allowed when every kind under which it is judged is given.
    struct Weighed(Scope, Capability);
    Weighed(scope, capability) <- Explain(scope, capability);
    Weighed(scope, capability) <- ChangeKind(scope, capability);
    struct Barred(Limit);
    Barred(limit) <- Weighed(_, capability), Limits(_, limit, mask), (!mask.contains(capability));
    struct Passes<'a>(EnvironmentKind, Origin<'a>);
    Passes(kind, origin) <- Weighed(scope, capability), Judged(at, only, _), (at == scope),
        Gives(given, masks, origin), (given == scope), for kind in EnvironmentKind::BOTH,
        (only.is_none_or(|only| only == kind) && masks.of(kind).contains(capability));
    struct Given(EnvironmentKind);
    Given(kind) <- Passes(kind, _), !Barred(_);
    struct Lacking(EnvironmentKind);
    Lacking(kind) <- Weighed(scope, _), Judged(at, only, _), (at == scope), for kind in EnvironmentKind::BOTH,
        (only.is_none_or(|only| only == kind)), !Given(kind);

    // WHY, AND WHY NOT. The reasons of a refusal are sought for the kinds that lack, and the nearest one is told.
    struct Refused(Scope, Capability);
    Refused(scope, capability) <- Explain(scope, capability), Lacking(_);
    @output pub(super) struct Because<'a>(pub(super) Origin<'a>);
    Because(origin) <- Explain(scope, capability), !Refused(scope, capability), Passes(_, origin);

    // What would be given here if every binding counted and nothing were locked.
    struct Fits<'a>(EnvironmentKind, Ref<'a, Binding>, Origin<'a>);
    Fits(kind, binding, Origin { distance: Some(distance), at, spread, via: Via { binding, reach: Some(reach) } }) <-
        Refused(scope, capability), Known(facts), let lineage = facts.lineage(scope),
        Landed(binding, reach, at, spread, masks), for distance in lineage.distance(at), (spread.spans(distance)),
        for kind in EnvironmentKind::BOTH, (masks.of(kind).contains(capability));
    struct Names<'a>(Ref<'a, Binding>);
    Names(binding) <- Refused(_, capability), Landed(binding, _, _, _, masks), (masks.either().contains(capability));

    struct WhyNot<'a>(Reason, Option<Origin<'a>>);
    WhyNot(Reason::ActorSuspended, None) <- Refused(_, _), SuspendedActor(_);
    WhyNot(Reason::OrganizationSuspended, Some(origin)) <- Refused(_, _), Lacking(kind), Fits(kind, binding, origin),
        !Flawed(binding, _), !Passes(kind, _);
    WhyNot(Reason::EnvironmentFrozen, Some(origin)) <- Refused(_, _), Barred(Limit::Freeze), Lacking(kind),
        Passes(kind, origin);
    WhyNot(Reason::KeyNarrowed, Some(origin)) <- Refused(_, _), Barred(Limit::Key), Lacking(kind),
        Passes(kind, origin);
    WhyNot(Reason::Expired, Some(origin)) <- Lacking(kind), Fits(kind, binding, origin), Flawed(binding, Flaw::Ended),
        !Flawed(binding, Flaw::NotMember), !Flawed(binding, Flaw::NotManaging);
    WhyNot(Reason::NotYetValid, Some(origin)) <- Lacking(kind), Fits(kind, binding, origin),
        Flawed(binding, Flaw::NotBegun), !Flawed(binding, Flaw::NotMember), !Flawed(binding, Flaw::NotManaging);
    WhyNot(Reason::NotInTeam, Some(origin)) <- Lacking(kind), Fits(kind, binding, origin),
        Flawed(binding, Flaw::NotMember), !Flawed(binding, Flaw::NotBegun), !Flawed(binding, Flaw::Ended);
    WhyNot(Reason::TeamDoesNotManage, Some(origin)) <- Lacking(kind), Fits(kind, binding, origin),
        Flawed(binding, Flaw::NotManaging), !Flawed(binding, Flaw::NotBegun), !Flawed(binding, Flaw::Ended);
    WhyNot(Reason::OtherEnvironmentKind, Some(origin)) <- Lacking(kind), Fits(other, binding, origin),
        (other != kind), !Flawed(binding, _);
    WhyNot(
        Reason::HeldElsewhere,
        Some(Origin { distance: None, at, spread, via: Via { binding, reach: Some(reach) } }),
    ) <- Refused(scope, capability), Known(facts), let lineage = facts.lineage(scope),
        Landed(binding, reach, at, spread, masks), (masks.either().contains(capability)), !Flawed(binding, _),
        (!lineage.distance(at).is_some_and(|distance| spread.spans(distance)));
    WhyNot(
        Reason::RoleLacksIt,
        Some(Origin {
            distance: Some(distance), at: binding.scope, spread: Spread::Below, via: Via { binding, reach: None },
        }),
    ) <- Refused(scope, _), Known(facts), let lineage = facts.lineage(scope), Considered(binding),
        for distance in lineage.distance(binding.scope), !Flawed(binding, _), !Names(binding);
    WhyNot(Reason::NoBinding, None) <- Refused(_, _);
    struct Told(Reason);
    Told(reason) <- WhyNot(reason, _);
    struct Beaten(Reason);
    Beaten(reason) <- Told(reason), Told(nearer), (nearer < reason);
    @output pub(super) struct Nearest<'a>(pub(super) Reason, pub(super) Option<Origin<'a>>);
    Nearest(reason, origin) <- WhyNot(reason, origin), !Beaten(reason);

    // WHAT MUST NOT BE, before a change or after it.
    @output pub(super) struct Violated(pub(super) Violation);

    // Giving (rule 8): whatever is needed is held, and carried by the key.
    struct Withheld(Scope, Capability);
    Withheld(at, capability) <- Needs(at, wanted, _), Limits(scope, limit, mask), (scope == at && limit == Limit::Key),
        for capability in wanted.either().minus(mask).iter();
    struct Backed(Scope, EnvironmentKind, Spread, Capability);
    Backed(at, kind, spread, capability) <- Needs(at, wanted, spread), Gives(scope, masks, origin), (scope == at),
        (spread == Spread::Here || origin.spread == Spread::Below), for kind in EnvironmentKind::BOTH,
        for capability in (wanted.of(kind) & masks.of(kind)).iter(), !Withheld(at, capability);
    Violated(Violation::Beyond { scope, capability, kind }) <- Needs(scope, wanted, spread),
        for kind in EnvironmentKind::BOTH, for capability in wanted.of(kind).iter(),
        !Backed(scope, kind, spread, capability);

    // Changing what an environment is (rule 9) needs the capability under both kinds.
    Violated(Violation::NotUnderKind { scope, capability, kind }) <- ChangeKind(scope, capability), Lacking(kind);

    // Nobody is locked out for ever, and a personal team stays one person's (rule 10).
    struct Owned(u128);
    Owned(team.team) <- Guarding(guarded), for team in &guarded.teams, for _ in &team.owners;
    Violated(Violation::TeamWithoutOwner { team: team.team }) <- Guarding(guarded), for team in &guarded.teams,
        !Owned(team.team);
    struct Managed(u128);
    Managed(*organization) <- Guarding(guarded), for (organization, managers) in &guarded.organizations,
        for _ in managers;
    Violated(Violation::OrganizationWithoutManager { organization }) <- Guarding(guarded),
        for &(organization, _) in &guarded.organizations, !Managed(organization);
    struct Belongs(u128, u128);
    Belongs(team.team, person) <- Guarding(guarded), for team in &guarded.teams, for &person in &team.members;
    Violated(Violation::PersonalTeamNotAlone { team: team.team }) <- Guarding(guarded), for team in &guarded.teams,
        for person in team.personal_user, !Belongs(team.team, person);
    Violated(Violation::PersonalTeamNotAlone { team: team.team }) <- Guarding(guarded), for team in &guarded.teams,
        for person in team.personal_user, for &member in &team.members, (member != person);

    // WHAT WOULD BE ENOUGH, on the scope where it would be bound and on what lies below.
    @output pub(super) struct Suffices<'a>(pub(super) Ref<'a, Binding>, pub(super) Masks);
    Suffices(binding, masks) <- Suffice(needed), Landed(binding, reach, _, _, masks), (reach == Reach::Itself),
        (needed.is_subset(masks));
}

type Set<T> = HashSet<T, FxBuildHasher>;

/// Everything that came out, by name.
pub(super) struct Derived<'a> {
    pub(super) because: Set<Because<'a>>,
    pub(super) nearest: Set<Nearest<'a>>,
    pub(super) violated: Set<Violated>,
    pub(super) suffices: Set<Suffices<'a>>,
}

/// Runs the program on what it was given.
pub(super) fn run(program: Crepe<'_>) -> Derived<'_> {
    let (because, nearest, violated, suffices) = program.run_with_hasher::<FxBuildHasher>();
    Derived { because, nearest, violated, suffices }
}
