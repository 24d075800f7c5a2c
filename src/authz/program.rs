//! The Datalog program: rules 1 to 6 and 8 of `policy/README.md`, written once and nowhere else.
//!
//! It is driven by questions: a rule whose question is not asked does nothing. It reads the facts where they are,
//! through a reference, so that a question costs what it touches and not what there is. This is the only user of
//! crepe. It must not know the database, nor how an answer is presented; whoever runs it folds what it derives with
//! OR, and over the kinds of environment with AND, and adds no rule.
//!
//! A variable bound by `for` must never stand in a later atom: crepe binds it again, which makes a cross product where
//! a join was meant. Name it anew with `let` first; a test reads this file and refuses anything else.

#![expect(for_loops_over_fallibles, reason = "in a rule, `for` over an option means: if there is one")]

use std::sync::LazyLock;

use crepe::crepe;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::capability::Capability;
use super::explain::Reason;
use super::facts::{BindingIndex, EnvironmentKind, Facts, Grant, Scope, Subject};
use super::mask::{Mask, Masks};
use super::packs::{Packs, Reach};
use super::terms::{Holdings, Origin, Ref, Spread, Via};

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

/// From an environment over its project and organization to the console. A longer way up is no hierarchy but a cycle.
const STEPS_TO_CONSOLE: u8 = 3;

crepe! {
    // What there is.
    @input struct Known<'a>(Ref<'a, Facts>);
    @input struct Defined<'a>(Ref<'a, Packs>);
    @input struct Remembered<'a>(Ref<'a, Holdings>);

    // The questions: derive what an actor holds; decide a scope as it is, or under both kinds of environment (rule 9);
    // explain one decision; list where a capability is held; may this be given here by one who holds the capability?
    @input struct Derive(u128);
    @input struct Decide(Scope);
    @input struct DecideBoth(Scope);
    @input struct Explain(Scope, Capability);
    @input struct List(Capability);
    @input struct Give(Grant, Scope, Capability);

    // WHO. An actor acts as itself and as each of its teams (rule 2); a suspended one acts as nobody (rule 5).
    struct SuspendedActor(u128);
    SuspendedActor(actor) <- Derive(actor), Known(facts), (facts.actor_suspended());
    struct Acts(Subject);
    Acts(Subject::User(actor)) <- Derive(actor), !SuspendedActor(actor);
    Acts(Subject::Team(team)) <- Derive(actor), !SuspendedActor(actor), Known(facts), for &team in facts.teams();

    // WHERE. The way up from each scope that matters. One that does not arrive at the console is not known well enough
    // to tell whether its organization is suspended, so nothing is granted there.
    struct Place(Scope);
    Place(scope) <- Judged(scope, _);
    Place(bound) <- OnBehalf(_, _, bound);
    Place(at) <- List(_), At(at, _, _, _);
    struct Up(Scope, Scope, u8);
    Up(scope, scope, 0) <- Place(scope), Known(facts), (facts.knows(scope));
    Up(scope, parent, distance + 1) <- Up(scope, at, distance), (distance < STEPS_TO_CONSOLE), Known(facts),
        for parent in facts.parent(at);
    struct Rooted(Scope);
    Rooted(scope) <- Up(scope, at, _), (at == Scope::Console);
    struct On(Scope, Scope, u8);
    On(scope, at, distance) <- Rooted(scope), Up(scope, at, distance);

    // WHICH BINDINGS COUNT: those within their time window (rule 4) and, when given on behalf of a team, while the
    // actor is in the team and the team manages the organization that the bound scope belongs to (rule 3). At a team or
    // at the console there is no such organization, so there such a binding never counts.
    struct Mine(BindingIndex, Grant, Scope);
    Mine(index, binding.grant, binding.scope) <- Acts(subject), Known(facts),
        for (index, binding) in facts.bindings_of(subject);
    struct Early(BindingIndex);
    Early(index) <- Mine(index, _, _), Known(facts), for binding in facts.binding(index),
        (!binding.has_begun(facts.now()));
    struct Ended(BindingIndex);
    Ended(index) <- Mine(index, _, _), Known(facts), for binding in facts.binding(index),
        (binding.has_ended(facts.now()));
    struct OnBehalf(BindingIndex, u128, Scope);
    OnBehalf(index, team, bound) <- Mine(index, _, bound), Known(facts), for binding in facts.binding(index),
        for team in binding.on_behalf_of;
    struct Qualified(BindingIndex);
    Qualified(index) <- Mine(index, _, _), Known(facts), for binding in facts.binding(index),
        (binding.on_behalf_of.is_none());
    Qualified(index) <- OnBehalf(index, team, bound), Acts(Subject::Team(team)), On(bound, above, _), Known(facts),
        (facts.manages(team, above));
    struct Live(BindingIndex);
    Live(index) <- Mine(index, _, _), !Early(index), !Ended(index);
    struct Counts(BindingIndex);
    Counts(index) <- Qualified(index), Live(index);

    // What is derived stops being true when a window opens or closes.
    @output struct ChangesAt(i64);
    ChangesAt(moment) <- Mine(index, _, _), Known(facts), for binding in facts.binding(index),
        for moment in [binding.not_before, binding.not_after].into_iter().flatten(), (moment > facts.now());

    // WHAT A GRANT GIVES WHERE. A row counts only if the binding sits on the kind of scope that the row names. The same
    // rules tell what is held and what a gift would give.
    struct Bestowed(Grant, Scope);
    Bestowed(grant, bound) <- Mine(_, grant, bound);
    Bestowed(grant, scope) <- Give(grant, scope, _);
    struct Gets(Grant, Scope, Reach, Masks);
    Gets(grant, bound, row.reach, row.masks) <- Bestowed(grant, bound), Defined(packs), for role in grant.role(),
        for row in packs.rows(role), (row.bound_at == bound.level());
    Gets(grant, bound, Reach::Itself, Masks::both(capability.mask())) <- Bestowed(grant, bound),
        for capability in grant.capability();
    struct Lands(Grant, Scope, Reach, Scope, Spread, Masks);
    Lands(grant, bound, reach, bound, Spread::Below, masks) <- Gets(grant, bound, reach, masks),
        (reach == Reach::Itself);
    Lands(grant, bound, reach, parent, Spread::Here, masks) <- Gets(grant, bound, reach, masks),
        (reach == Reach::Parent), Known(facts), for parent in facts.parent(bound);
    Lands(grant, bound, reach, organization, Spread::Below, masks) <- Gets(grant, bound, reach, masks),
        (reach == Reach::Managed), Known(facts), for &organization in facts.managed_by(bound);

    // An offer becomes a grant when its binding counts; the others explain refusals.
    struct Offer(BindingIndex, Reach, Scope, Spread, Masks);
    Offer(index, reach, at, spread, masks) <- Mine(index, grant, bound), Lands(grant, bound, reach, at, spread, masks);
    @output struct Granted(Scope, Spread, Masks, Option<Via>);
    Granted(at, spread, masks, Via::row(index, reach)) <- Offer(index, reach, at, spread, masks),
        Counts(index);
    struct At(Scope, Spread, Masks, Option<Via>);
    At(at, spread, masks, via) <- Granted(at, spread, masks, via);
    At(at, spread, masks, None) <- List(_), Remembered(holdings), for (&(at, spread), &masks) in holdings.iter();
    struct Above(Scope);
    Above(at) <- On(_, at, _);
    At(at, spread, masks, None) <- Remembered(holdings), Above(at), for spread in Spread::BOTH,
        for &masks in holdings.get(&(at, spread));

    // DECISIONS. An environment is judged under its own kind. Above environments both kinds are judged: what is held
    // there must be held on whatever lies below. A gift is weighed in both kinds everywhere, since kinds change.
    struct Asked(Scope);
    Asked(scope) <- Decide(scope);
    Asked(scope) <- Explain(scope, _);
    @output struct Judged(Scope, EnvironmentKind);
    Judged(scope, kind) <- Asked(scope), Known(facts), for kind in EnvironmentKind::BOTH,
        (facts.kind(scope).is_none_or(|own| own == kind));
    Judged(scope, kind) <- DecideBoth(scope), for kind in EnvironmentKind::BOTH;
    Judged(scope, kind) <- Needs(scope, kind, _, _);
    struct Inherits(Scope, EnvironmentKind, Mask, Origin);
    Inherits(scope, kind, masks.of(kind), Origin { distance: Some(distance), at, spread, via }) <- Judged(scope, kind),
        On(scope, at, distance), At(at, spread, masks, via), (spread.spans(distance));

    // Rule 5: in a suspended organization most of it does not count, unless it was given at the console. Nothing
    // reaches below the console but what is bound there, so where a grant landed tells.
    struct Withheld(Scope, Scope);
    Withheld(scope, at) <- On(scope, organization, _), Known(facts), (facts.is_suspended(organization)),
        On(scope, at, _), (at != Scope::Console);
    struct Enabled(Scope, EnvironmentKind, Mask, Origin);
    Enabled(scope, kind, mask, origin) <- Inherits(scope, kind, mask, origin), !Withheld(scope, origin.at);
    Enabled(scope, kind, mask & *OPEN_WHILE_SUSPENDED, origin) <- Inherits(scope, kind, mask, origin),
        Withheld(scope, origin.at);

    // Rule 6: a freeze binds everybody.
    struct Frozen(Scope);
    Frozen(scope) <- Judged(scope, _), Known(facts), (facts.is_frozen(scope));
    @output struct Gives(Scope, EnvironmentKind, Mask, Origin);
    Gives(scope, kind, mask, origin) <- Enabled(scope, kind, mask, origin), !Frozen(scope);
    Gives(scope, kind, mask.minus(CLOSED_WHILE_FROZEN), origin) <- Enabled(scope, kind, mask, origin), Frozen(scope);

    // WHERE A CAPABILITY IS HELD, as few scopes as possible: one below another that is seen goes without saying. A
    // scope counts when scopes of the capability's level can be it or lie below it and the grant reaches them.
    // Environments that are frozen are not all among the facts, so whoever asks leaves them out.
    struct Seen(Scope, EnvironmentKind);
    Seen(at, kind) <- List(capability), At(at, spread, masks, _), Rooted(at), Known(facts),
        (at.level().spans(capability.level())), (spread == Spread::Below || at.level() == capability.level()),
        for kind in EnvironmentKind::BOTH, (masks.of(kind).contains(capability)),
        (facts.kind(at).is_none_or(|own| own == kind));
    struct Shut(Scope);
    Shut(scope) <- List(capability), Withheld(scope, at), (scope == at), (!OPEN_WHILE_SUSPENDED.contains(capability));
    struct Sees(Scope, EnvironmentKind);
    Sees(at, kind) <- Seen(at, kind), !Shut(at);
    struct Covered(Scope, EnvironmentKind);
    Covered(at, kind) <- Sees(at, kind), On(at, above, distance), (distance > 0), Sees(above, kind);
    @output struct Visible(Scope, EnvironmentKind);
    Visible(at, kind) <- Sees(at, kind), !Covered(at, kind);
    @output struct UnlessFrozen(Capability);
    UnlessFrozen(capability) <- List(capability), (CLOSED_WHILE_FROZEN.contains(capability));

    // WHY, AND WHY NOT. A decision is allowed when every kind under which it is judged is given; the reasons of a
    // refusal are sought for the kinds that lack, and the nearest one is told.
    struct Given(EnvironmentKind);
    Given(kind) <- Explain(scope, capability), Gives(scope, kind, mask, _), (mask.contains(capability));
    struct Lacking(EnvironmentKind);
    Lacking(kind) <- Explain(scope, _), Judged(scope, kind), !Given(kind);
    struct Refused(Scope, Capability);
    Refused(scope, capability) <- Explain(scope, capability), Lacking(_);
    @output struct Because(Origin);
    Because(origin) <- Explain(scope, capability), Gives(scope, _, mask, origin), (mask.contains(capability)),
        !Refused(scope, capability);

    // What would be given here if every binding counted and nothing were locked.
    struct Fits(EnvironmentKind, BindingIndex, Origin);
    Fits(kind, index, Origin { distance: Some(distance), at, spread, via: Via::row(index, reach) }) <-
        Refused(scope, capability), Offer(index, reach, at, spread, masks), On(scope, at, distance),
        (spread.spans(distance)), for kind in EnvironmentKind::BOTH, (masks.of(kind).contains(capability));
    struct Passes(EnvironmentKind, Origin);
    Passes(kind, origin) <- Refused(scope, capability), Enabled(scope, kind, mask, origin), (mask.contains(capability));
    struct Names(BindingIndex);
    Names(index) <- Refused(_, capability), Offer(index, _, _, _, masks), (masks.either().contains(capability));

    struct WhyNot(Reason, Option<Origin>);
    WhyNot(Reason::ActorSuspended, None) <- Refused(_, _), SuspendedActor(_);
    WhyNot(Reason::OrganizationSuspended, Some(origin)) <- Lacking(kind), Fits(kind, index, origin), Counts(index),
        !Passes(kind, origin);
    WhyNot(Reason::EnvironmentFrozen, Some(origin)) <- Lacking(kind), Passes(kind, origin);
    WhyNot(Reason::Expired, Some(origin)) <- Lacking(kind), Fits(kind, index, origin), Qualified(index), Ended(index);
    WhyNot(Reason::NotYetValid, Some(origin)) <- Lacking(kind), Fits(kind, index, origin), Qualified(index),
        Early(index);
    WhyNot(Reason::NotInTeam, Some(origin)) <- Lacking(kind), Fits(kind, index, origin), Live(index),
        OnBehalf(index, team, _), !Acts(Subject::Team(team));
    WhyNot(Reason::TeamDoesNotManage, Some(origin)) <- Lacking(kind), Fits(kind, index, origin), Live(index),
        OnBehalf(index, team, _), Acts(Subject::Team(team)), !Qualified(index);
    WhyNot(Reason::OtherEnvironmentKind, Some(origin)) <- Lacking(kind), Fits(other, index, origin), (other != kind),
        Counts(index);
    WhyNot(Reason::HeldElsewhere, Some(Origin { distance: None, at, spread, via: Via::row(index, reach) })) <-
        Refused(scope, capability), Offer(index, reach, at, spread, masks), (masks.either().contains(capability)),
        Counts(index), !Reaches(scope, at, spread);
    struct Reaches(Scope, Scope, Spread);
    Reaches(scope, at, spread) <- Refused(scope, _), On(scope, at, distance), for spread in Spread::BOTH,
        (spread.spans(distance));
    WhyNot(
        Reason::RoleLacksIt,
        Some(Origin { distance: Some(distance), at, spread: Spread::Below, via: Via::nothing(index) }),
    ) <- Refused(scope, _), Mine(index, _, at), On(scope, at, distance), Counts(index), !Names(index);
    WhyNot(Reason::NoBinding, None) <- Refused(_, _);
    struct Beaten(Reason);
    Beaten(reason) <- WhyNot(reason, _), WhyNot(nearer, _), (nearer < reason);
    @output struct Nearest(Reason, Option<Origin>);
    Nearest(reason, origin) <- WhyNot(reason, origin), !Beaten(reason);

    // GIVING (rule 8). The giver holds the capability to give, and every row of the gift where it would land, in both
    // kinds and reaching as far. A freeze does not count here: it binds the receiver as it binds the giver.
    struct Needs(Scope, EnvironmentKind, Mask, Spread);
    Needs(scope, kind, capability.mask(), Spread::Below) <- Give(_, scope, capability),
        for kind in EnvironmentKind::BOTH;
    Needs(at, kind, masks.of(kind), spread) <- Give(grant, scope, _), Lands(grant, scope, _, at, spread, masks),
        for kind in EnvironmentKind::BOTH;
    struct Backed(Scope, EnvironmentKind, Spread, Capability);
    Backed(at, kind, spread, capability) <- Needs(at, kind, wanted, spread), Enabled(at, kind, mask, origin),
        (spread == Spread::Here || origin.spread == Spread::Below), for capability in (wanted & mask).iter();
    @output struct Missing(Capability, EnvironmentKind);
    Missing(capability, kind) <- Needs(at, kind, wanted, spread), for needed in wanted.iter(), let capability = needed,
        !Backed(at, kind, spread, capability);
}

/// What the actor of these facts holds, and the first moment at which that may change by itself.
pub(super) fn derive(facts: &Facts, packs: &Packs) -> (Holdings, Option<i64>) {
    let mut program = about_actor(facts, packs);
    program.extend([Derive(facts.actor())]);
    let (changes, granted, ..) = program.run_with_hasher::<FxBuildHasher>();
    let mut holdings = Holdings::default();
    for Granted(at, spread, masks, _) in granted {
        *holdings.entry((at, spread)).or_default() |= masks;
    }
    (holdings, changes.into_iter().map(|ChangesAt(moment)| moment).min())
}

/// What of the holdings counts on each scope, for environments under the kind that they have.
pub(super) fn decide(holdings: &Holdings, facts: &Facts, scopes: &[Scope]) -> FxHashMap<Scope, Mask> {
    let mut program = about_holdings(holdings, facts);
    program.extend(scopes.iter().copied().map(Decide));
    fold_decisions(program)
}

/// What of the holdings counts on each scope, by kind of environment.
pub(super) fn decide_by_kind(holdings: &Holdings, facts: &Facts, scopes: &[Scope]) -> FxHashMap<Scope, Masks> {
    let mut program = about_holdings(holdings, facts);
    program.extend(scopes.iter().copied().map(Decide));
    let (_, _, _, gives, ..) = program.run_with_hasher::<FxBuildHasher>();
    let mut held: FxHashMap<Scope, Masks> = FxHashMap::default();
    for Gives(scope, kind, mask, _) in gives {
        let masks = held.entry(scope).or_default();
        if facts.kind(scope).is_some() {
            *masks |= Masks::both(mask);
        } else if kind == EnvironmentKind::Production {
            masks.production |= mask;
        } else {
            masks.nonproduction |= mask;
        }
    }
    held
}

/// What of the holdings counts on each scope, whichever kind an environment has or would have.
pub(super) fn decide_both(holdings: &Holdings, facts: &Facts, scopes: &[Scope]) -> FxHashMap<Scope, Mask> {
    let mut program = about_holdings(holdings, facts);
    program.extend(scopes.iter().copied().map(DecideBoth));
    fold_decisions(program)
}

/// The fewest scopes on which the capability is held, by kind, and whether frozen environments below are excepted.
pub(super) fn list(
    holdings: &Holdings,
    facts: &Facts,
    capability: Capability,
) -> (Vec<(Scope, EnvironmentKind)>, bool) {
    let mut program = about_holdings(holdings, facts);
    program.extend([List(capability)]);
    let (_, _, _, _, visible, unless_frozen, ..) = program.run_with_hasher::<FxBuildHasher>();
    let visible = visible.into_iter().map(|Visible(scope, kind)| (scope, kind));
    (visible.collect(), !unless_frozen.is_empty())
}

/// What gives the capability on the scope, or the nearest reason why nothing does, with each origin that has it.
pub(super) fn explain(
    facts: &Facts,
    packs: &Packs,
    capability: Capability,
    scope: Scope,
) -> (Vec<Origin>, Vec<(Reason, Option<Origin>)>) {
    let mut program = about_actor(facts, packs);
    program.extend([Derive(facts.actor())]);
    program.extend([Explain(scope, capability)]);
    let (_, _, _, _, _, _, because, nearest, _) = program.run_with_hasher::<FxBuildHasher>();
    let because = because.into_iter().map(|Because(origin)| origin);
    let nearest = nearest.into_iter().map(|Nearest(reason, origin)| (reason, origin));
    (because.collect(), nearest.collect())
}

/// What the actor lacks to give the grant on the scope, when giving needs the capability.
pub(super) fn missing(
    facts: &Facts,
    packs: &Packs,
    grant: Grant,
    scope: Scope,
    capability: Capability,
) -> Vec<(Capability, EnvironmentKind)> {
    let mut program = about_actor(facts, packs);
    program.extend([Derive(facts.actor())]);
    program.extend([Give(grant, scope, capability)]);
    let (.., missing) = program.run_with_hasher::<FxBuildHasher>();
    let missing = missing.into_iter().map(|Missing(capability, kind)| (capability, kind));
    missing.collect()
}

fn about_actor<'a>(facts: &'a Facts, packs: &'a Packs) -> Crepe<'a> {
    let mut program = Crepe::new();
    program.extend([Known(Ref(facts))]);
    program.extend([Defined(Ref(packs))]);
    program
}

fn about_holdings<'a>(holdings: &'a Holdings, facts: &'a Facts) -> Crepe<'a> {
    let mut program = Crepe::new();
    program.extend([Known(Ref(facts))]);
    program.extend([Remembered(Ref(holdings))]);
    program
}

fn fold_decisions(program: Crepe<'_>) -> FxHashMap<Scope, Mask> {
    let (_, _, judged, gives, ..) = program.run_with_hasher::<FxBuildHasher>();
    let mut given: FxHashMap<(Scope, EnvironmentKind), Mask> = FxHashMap::default();
    for Gives(scope, kind, mask, _) in gives {
        *given.entry((scope, kind)).or_default() |= mask;
    }
    let mut held = FxHashMap::default();
    for Judged(scope, kind) in judged {
        let mask = given.get(&(scope, kind)).copied().unwrap_or_default();
        let all = held.entry(scope).or_insert(mask);
        *all = *all & mask;
    }
    held
}
