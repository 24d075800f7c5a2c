//! Rules 1 to 6 and 8 to 11 of `policy/README.md`, written once and nowhere else. This is the only user of crepe.
//!
//! They are driven by questions: a rule whose question is not asked does nothing. They read the facts where they are,
//! through references, so that a question costs what it touches and not what there is. They must not know the database,
//! nor how an answer is presented.
//!
//! A variable bound by `for` must never stand in a later atom: crepe binds it again, which makes a cross product where
//! a join was meant. Name it anew with `let` first; a test reads this file and refuses anything else.
//!
//! An atom with a column that is known already needs an index, which costs more than most rules. So the relations that
//! every decision fills are walked through, with a guard; and what is exceptional is a relation of its own, which costs
//! nothing to negate while it is empty.

#![expect(for_loops_over_fallibles, reason = "in a rule, `for` over an option means: if there is one")]

use std::collections::HashSet;
use std::slice::from_ref;
use std::sync::LazyLock;

use crepe::crepe;
use rustc_hash::FxBuildHasher;

use crate::authz::capability::Capability;
use crate::authz::explain::Reason;
use crate::authz::facts::{Binding, EnvironmentKind, Facts, Narrowing, Scope, Subject};
use crate::authz::mask::{Mask, Masks};
use crate::authz::packs::{Packs, Reach, RoleIndex};
use crate::authz::terms::{Aim, Flaw, Holdings, Limit, Origin, Ref, Spread, Via, View, Way};
use crate::authz::violation::{Guarded, Violation};

/// Rule 5: what still counts in a suspended organization. By pattern, as the rule is: a new `*.view` is open too.
static OPEN_WHILE_SUSPENDED: LazyLock<Mask> = LazyLock::new(|| {
    let open = |capability: &Capability| match capability {
        Capability::SecretView => false,
        Capability::OrganizationTransfer => true,
        other => other.name().ends_with(".view") || other.name().starts_with("billing."),
    };
    Capability::ALL.iter().copied().filter(open).collect()
});

/// Rule 6: what does not count in a frozen environment.
const CLOSED_WHILE_FROZEN: Mask = Mask::of(&[
    Capability::DeploymentCreate,
    Capability::DeploymentRedeploy,
    Capability::EnvironmentUpdate,
    Capability::EnvironmentDelete,
]);

crepe! {
    // What there is.
    @input pub(super) struct Known<'a>(pub(super) Ref<'a, Facts>);
    @input pub(super) struct Defined<'a>(pub(super) Ref<'a, Packs>);
    @input pub(super) struct Remembered<'a>(pub(super) Ref<'a, Holdings>);
    @input pub(super) struct Narrowed(pub(super) Narrowing);
    @input pub(super) struct Guarding<'a>(pub(super) Ref<'a, Guarded>);

    // The questions. What do the bindings of an actor give, and may all of it be remembered? What counts on a scope?
    // Why? Where is a capability held? May this be given, may this role have its rows here, may an environment change
    // its kind by this capability? Which of the candidates would give all of this?
    @input pub(super) struct About<'a>(pub(super) u128, pub(super) Ref<'a, Aim>);
    @input pub(super) struct Derive(pub(super) u128);
    @input pub(super) struct Decide(pub(super) Scope, pub(super) View);
    @input pub(super) struct Explain(pub(super) Scope, pub(super) Capability);
    @input pub(super) struct List(pub(super) Capability);
    @input pub(super) struct Give<'a>(pub(super) Ref<'a, Binding>, pub(super) Way);
    @input pub(super) struct Define(pub(super) RoleIndex, pub(super) Scope);
    @input pub(super) struct ChangeKind(pub(super) Scope, pub(super) Capability);
    @input pub(super) struct Candidate<'a>(pub(super) Ref<'a, Binding>);
    @input pub(super) struct Suffice(pub(super) Masks);

    // WHO. An actor acts as itself and as each of its teams (rule 2); a suspended one acts as nobody (rule 5). What
    // would be given is offered like what is given. Bindings lie side by side, so that all of a subject are one tuple.
    struct SuspendedActor(u128);
    SuspendedActor(actor) <- About(actor, _), Known(facts), (facts.actor_suspended());
    struct Offered<'a>(Ref<'a, [Binding]>, Ref<'a, Aim>);
    Offered(Ref(facts.bindings_of(Subject::User(actor))), aim) <- About(actor, aim), !SuspendedActor(actor), Known(facts);
    Offered(Ref(facts.bindings_of(Subject::Team(team))), aim) <- About(actor, aim), !SuspendedActor(actor), Known(facts),
        for &team in facts.teams();
    Offered(Ref(from_ref(*gift)), Ref(&Aim::Anything)) <- Give(gift, _);
    Offered(Ref(from_ref(*candidate)), Ref(&Aim::Anything)) <- Candidate(candidate);

    // WHAT LANDS WHERE. A row counts only if the binding sits on the kind of scope that the row names. The same rules
    // tell what is held, what would be held if more bindings counted, and what a gift would give. When one thing is
    // asked, nothing is derived from rows that do not name it, nor where they land out of its way.
    struct Landed<'a>(Ref<'a, Binding>, Reach, Scope, Spread, Masks);
    Landed(Ref(binding), row.reach, binding.scope, Spread::Below, row.masks) <- Offered(bindings, aim), Defined(packs),
        for binding in *bindings, (aim.is_near(binding.scope)), for role in binding.grant.role(),
        for row in packs.rows(role), (row.bound_at == binding.scope.level()), (row.reach == Reach::Itself),
        (aim.wants(row.masks));
    Landed(Ref(binding), row.reach, parent, Spread::Here, row.masks) <- Offered(bindings, aim), Defined(packs), Known(facts),
        for binding in *bindings, for role in binding.grant.role(), for row in packs.rows(role),
        (row.bound_at == binding.scope.level()), (row.reach == Reach::Parent), (aim.wants(row.masks)),
        for parent in facts.parent(binding.scope), (aim.is_near(parent));
    Landed(Ref(binding), row.reach, organization, Spread::Below, row.masks) <- Offered(bindings, aim), Defined(packs),
        Known(facts), for binding in *bindings, for role in binding.grant.role(), for row in packs.rows(role),
        (row.bound_at == binding.scope.level()), (row.reach == Reach::Managed), (aim.wants(row.masks)),
        for organization in facts.managed_by(binding.scope), (aim.is_near(organization));
    Landed(Ref(binding), Reach::Itself, binding.scope, Spread::Below, Masks::both(capability.mask())) <-
        Offered(bindings, aim), for binding in *bindings, (aim.is_near(binding.scope)),
        for capability in binding.grant.capability(), (aim.wants(Masks::both(capability.mask())));

    // WHICH BINDINGS COUNT: those that are not outside their time window (rule 4) and, when given on behalf of a team,
    // while the actor is in the team and the team manages the organization that the bound scope belongs to (rule 3).
    // At a team or at the console there is no such organization, so there such a binding never counts. What lands
    // nowhere is looked at only to say why.
    struct Considered<'a>(Ref<'a, Binding>);
    Considered(binding) <- Landed(binding, _, _, _, _);
    Considered(Ref(binding)) <- Explain(_, _), Offered(bindings, _), for binding in *bindings;
    struct Vouched<'a>(Ref<'a, Binding>);
    Vouched(binding) <- Considered(binding), Known(facts), for team in binding.on_behalf_of, (facts.is_member(team)),
        for &above in facts.lineage(binding.scope).scopes(), (facts.manages(team, above));
    struct Flawed<'a>(Ref<'a, Binding>, Flaw);
    Flawed(binding, Flaw::NotBegun) <- Considered(binding), Known(facts), (!binding.has_begun(facts.now()));
    Flawed(binding, Flaw::Ended) <- Considered(binding), Known(facts), (binding.has_ended(facts.now()));
    Flawed(binding, Flaw::NotMember) <- Considered(binding), Known(facts), for team in binding.on_behalf_of,
        (!facts.is_member(team));
    Flawed(binding, Flaw::NotManaging) <- Considered(binding), Known(facts), for team in binding.on_behalf_of,
        (facts.is_member(team)), !Vouched(binding);

    // What is derived stops being true when a window opens or closes.
    @output pub(super) struct ChangesAt(pub(super) i64);
    ChangesAt(moment) <- Derive(_), Offered(bindings, _), Known(facts), for binding in *bindings,
        for moment in [binding.not_before, binding.not_after].into_iter().flatten(), (moment > facts.now());

    @output pub(super) struct Granted(pub(super) Scope, pub(super) Spread, pub(super) Masks);
    Granted(at, spread, masks) <- Derive(_), Landed(binding, _, at, spread, masks), !Flawed(binding, _);

    // DECISIONS. An environment is judged under its own kind. Above environments both kinds are judged: what is held
    // there must be held on whatever lies below. A gift is weighed in both kinds everywhere, since kinds change. Where
    // the way up to the console is not known nothing is granted: nobody could tell whether its organization is suspended.
    struct Place(Scope, View);
    Place(scope, view) <- Decide(scope, view);
    Place(scope, View::AsItIs) <- Explain(scope, _);
    Place(scope, View::UnderBothKinds) <- ChangeKind(scope, _);
    Place(scope, View::UnderBothKinds) <- Needs(scope, _, _);

    // Rule 5: in a suspended organization most of it does not count, unless it was given at the console. Nothing
    // reaches below the console but what is bound there, so where a grant landed tells.
    struct Suspended(Scope);
    Suspended(scope) <- Known(facts), for organization in facts.suspended(), Place(scope, _),
        (facts.lineage(scope).contains(organization));
    struct Judged(Scope, Option<EnvironmentKind>, Mask);
    Judged(scope, view.only(facts.kind(scope)), Mask::ALL) <- Place(scope, view), Known(facts), !Suspended(scope);
    Judged(scope, view.only(facts.kind(scope)), *OPEN_WHILE_SUSPENDED) <- Place(scope, view), Known(facts),
        Suspended(scope);
    @output pub(super) struct Gives<'a>(pub(super) Scope, pub(super) Masks, pub(super) Origin<'a>);
    Gives(scope, given, Origin { distance: Some(distance), at, spread, via: Via { binding, reach: Some(reach) } }) <-
        Judged(scope, only, open), Known(facts), let lineage = facts.lineage(scope),
        Landed(binding, reach, at, spread, masks), for distance in lineage.distance(at), (spread.spans(distance)),
        !Flawed(binding, _), !Give(binding, _),
        let given = masks.under(only) & if at == Scope::Console { Mask::ALL } else { open }, (!given.is_empty());
    @output pub(super) struct Holds(pub(super) Scope, pub(super) Masks);
    Holds(scope, given) <- Judged(scope, only, open), Known(facts), Remembered(holdings),
        for (distance, at) in facts.lineage(scope).steps(), for held in holdings.at(at), for (spread, masks) in held.by_spread(),
        (spread.spans(distance)), let given = masks.under(only) & if at == Scope::Console { Mask::ALL } else { open },
        (!given.is_empty());

    // What binds whoever asks, whatever they hold: a freeze (rule 6) and what the key carries at most (rule 11).
    @output pub(super) struct Limits(pub(super) Scope, pub(super) Limit, pub(super) Mask);
    Limits(scope, Limit::Freeze, Mask::ALL.minus(CLOSED_WHILE_FROZEN)) <- Place(scope, _), Known(facts),
        (facts.is_frozen(scope));
    Limits(scope, Limit::Key, narrowing.capabilities) <- Narrowed(narrowing), Place(scope, _);
    Limits(scope, Limit::Key, Mask::EMPTY) <- Place(scope, _), Known(facts), Narrowed(narrowing),
        for top in narrowing.scope, (!facts.lineage(scope).contains(top));

    // WHERE A CAPABILITY IS HELD, as few scopes as possible: one below another that is seen goes without saying. A
    // scope counts when scopes of the capability's level can be it or lie below it and the grant reaches them; of a
    // scope above that of the key, that of the key is left. Environments that are frozen are not all among the facts, so
    // whoever asks leaves them out.
    struct Uncarried(Capability);
    Uncarried(capability) <- List(capability), Narrowed(narrowing), (!narrowing.capabilities.contains(capability));
    struct Within(Scope);
    Within(narrowing.scope.unwrap_or(Scope::Console)) <- List(_), Narrowed(narrowing);
    Within(Scope::Console) <- List(_), !Narrowed(_);
    struct Shut(Scope);
    Shut(at) <- List(capability), (!OPEN_WHILE_SUSPENDED.contains(capability)), Remembered(holdings), Known(facts),
        for organization in facts.suspended(),
        for (at, _) in holdings.iter(), (facts.lineage(at).contains(organization));
    struct Sees(Scope, EnvironmentKind);
    Sees(place, kind) <- List(capability), !Uncarried(capability), Within(top), Remembered(holdings), Known(facts),
        for (at, held) in holdings.iter(), for (spread, masks) in held.by_spread(), (masks.either().contains(capability)),
        for place in facts.lower(at, top), (place.level().spans(capability.level())),
        (spread == Spread::Below || at.level() == capability.level()), !Shut(at),
        for kind in EnvironmentKind::BOTH, (masks.of(kind).contains(capability)),
        (facts.kind(place).is_none_or(|own| own == kind));
    struct Covered(Scope, EnvironmentKind);
    Covered(place, kind) <- Sees(place, kind), Known(facts), for &above in facts.lineage(place).above(),
        let higher = above, Sees(higher, kind);
    @output pub(super) struct Visible(pub(super) Scope, pub(super) EnvironmentKind);
    Visible(place, kind) <- Sees(place, kind), !Covered(place, kind);
    @output pub(super) struct UnlessFrozen(pub(super) Capability);
    UnlessFrozen(capability) <- List(capability), (CLOSED_WHILE_FROZEN.contains(capability));

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
    WhyNot(Reason::HeldElsewhere, Some(Origin { distance: None, at, spread, via: Via { binding, reach: Some(reach) } })) <-
        Refused(scope, capability), Known(facts), let lineage = facts.lineage(scope),
        Landed(binding, reach, at, spread, masks), (masks.either().contains(capability)), !Flawed(binding, _),
        (!lineage.distance(at).is_some_and(|distance| spread.spans(distance)));
    WhyNot(
        Reason::RoleLacksIt,
        Some(Origin { distance: Some(distance), at: binding.scope, spread: Spread::Below, via: Via { binding, reach: None } }),
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

    // Giving (rule 8). The giver holds what the way of giving needs, and every row of the gift where it would land, in
    // both kinds and reaching as far. Whoever joins a team is given what the team has and has not lost. A role may be bound anywhere
    // below the scope that owns it, so its rows are weighed there, whatever they would be bound at; and bound at the
    // owner itself, those that reach up land above it. A freeze does not count here: it binds the receiver as it binds
    // the giver.
    struct Needs(Scope, Masks, Spread);
    Needs(gift.scope, Masks::both(Capability::AccessManage.mask()), Spread::Below) <- Give(gift, way),
        (way == Way::Binding);
    Needs(gift.scope, Masks::both(Capability::MemberInvite.mask()), Spread::Below) <- Give(gift, way),
        (way == Way::Invitation);
    Needs(at, masks, spread) <- Give(gift, _), !Flawed(gift, Flaw::Ended), Landed(binding, _, at, spread, masks), (binding == gift);
    Needs(scope, Masks::both(Capability::AccessManage.mask()), Spread::Below) <- Define(_, scope);
    Needs(scope, row.masks, Spread::Below) <- Define(role, scope), Defined(packs), for row in packs.rows(role);
    Needs(parent, row.masks, Spread::Here) <- Define(role, scope), Defined(packs), for row in packs.rows(role),
        (row.bound_at == scope.level() && row.reach == Reach::Parent), Known(facts), for parent in facts.parent(scope);
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
    pub(super) changes: Set<ChangesAt>,
    pub(super) granted: Set<Granted>,
    pub(super) gives: Set<Gives<'a>>,
    pub(super) holds: Set<Holds>,
    pub(super) limits: Set<Limits>,
    pub(super) visible: Set<Visible>,
    pub(super) unless_frozen: bool,
    pub(super) because: Set<Because<'a>>,
    pub(super) nearest: Set<Nearest<'a>>,
    pub(super) violated: Set<Violated>,
    pub(super) suffices: Set<Suffices<'a>>,
}

/// Runs the program on what it was given.
pub(super) fn run(program: Crepe<'_>) -> Derived<'_> {
    let (changes, granted, gives, holds, limits, visible, unless_frozen, because, nearest, violated, suffices) =
        program.run_with_hasher::<FxBuildHasher>();
    let unless_frozen = !unless_frozen.is_empty();
    Derived { changes, granted, gives, holds, limits, visible, unless_frozen, because, nearest, violated, suffices }
}
