//! What an actor has: rules 1 to 6 and 11 of `policy/README.md`, and what rule 8 needs, written once and nowhere else.
//!
//! They are driven by questions: a rule whose question is not asked does nothing. They read the facts where they are,
//! through references, so that a question costs what it touches and not what there is. They must not know the database,
//! nor how an answer is presented. Every relation costs a little even when it is empty, so what is concluded from
//! decisions alone is a program of its own that starts where this one ends: [`super::verdicts`], [`super::lists`].
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

use crepe::crepe;
use rustc_hash::FxBuildHasher;

use super::locks::{CLOSED_WHILE_FROZEN, OPEN_WHILE_SUSPENDED};
use crate::authz::capability::Capability;
use crate::authz::facts::{Binding, EnvironmentKind, Facts, Narrowing, Scope, Subject};
use crate::authz::mask::{Mask, Masks};
use crate::authz::packs::{Packs, Reach, RoleIndex};
use crate::authz::terms::{Aim, Flaw, Holdings, Limit, Origin, Ref, Spread, Via, View, Way};

crepe! {
    // What there is.
    @input pub(super) struct Known<'a>(pub(super) Ref<'a, Facts>);
    @input pub(super) struct Remembered<'a>(pub(super) Ref<'a, Holdings>);
    @input pub(super) struct Narrowed(pub(super) Narrowing);

    // The questions. What do the bindings of an actor give, and may all of it be remembered? What counts on a scope?
    // Why? What is needed to give this, and for this role to have its rows here? What would these bindings give? An aim
    // that is one thing asks what counts on its scope too.
    @input pub(super) struct About<'a>(pub(super) Ref<'a, Packs>, pub(super) Ref<'a, Aim>);
    @input pub(super) struct Derive(pub(super) u128);
    @input pub(super) struct Decide(pub(super) Scope, pub(super) View);
    @input pub(super) struct Explain(pub(super) Scope);
    @input pub(super) struct Give<'a>(pub(super) Ref<'a, Packs>, pub(super) Ref<'a, Binding>, pub(super) Way);
    @input pub(super) struct Define<'a>(pub(super) Ref<'a, Packs>, pub(super) RoleIndex, pub(super) Scope);
    @input pub(super) struct Candidate<'a>(pub(super) Ref<'a, Packs>, pub(super) Ref<'a, Binding>);

    // WHO. An actor acts as itself and as each of its teams (rule 2); a suspended one acts as nobody (rule 5). What
    // would be given is offered like what is given. Bindings lie side by side, so that all of a subject are one tuple.
    @output pub(super) struct SuspendedActor(pub(super) u128);
    SuspendedActor(facts.actor()) <- About(_, _), Known(facts), (facts.actor_suspended());
    struct Offered<'a>(Ref<'a, [Binding]>, Ref<'a, Packs>, Ref<'a, Aim>);
    Offered(Ref(facts.bindings_of(Subject::User(facts.actor()))), packs, aim) <- About(packs, aim), Known(facts),
        !SuspendedActor(_);
    Offered(Ref(facts.bindings_of(Subject::Team(team))), packs, aim) <- About(packs, aim), Known(facts),
        !SuspendedActor(_), for &team in facts.teams();
    Offered(Ref(from_ref(*gift)), packs, Ref(&Aim::Anything)) <- Give(packs, gift, _);
    Offered(Ref(from_ref(*candidate)), packs, Ref(&Aim::Anything)) <- Candidate(packs, candidate);

    // WHAT LANDS WHERE. A row counts only if the binding sits on the kind of scope that the row names. The same rules
    // tell what is held, what would be held if more bindings counted, and what a gift would give. When one thing is
    // asked, nothing is derived from rows that do not name it, nor where they land out of its way.
    @output pub(super) struct Landed<'a>(
        pub(super) Ref<'a, Binding>, pub(super) Reach, pub(super) Scope, pub(super) Spread, pub(super) Masks,
    );
    Landed(Ref(binding), row.reach, binding.scope, Spread::Below, row.masks) <- Offered(bindings, packs, aim),
        for binding in *bindings, (aim.is_near(binding.scope)), for role in binding.grant.role(),
        for row in packs.rows(role), (row.bound_at == binding.scope.level()), (row.reach == Reach::Itself),
        (aim.wants(row.masks));
    Landed(Ref(binding), row.reach, parent, Spread::Here, row.masks) <- Offered(bindings, packs, aim), Known(facts),
        for binding in *bindings, for role in binding.grant.role(), for row in packs.rows(role),
        (row.bound_at == binding.scope.level()), (row.reach == Reach::Parent), (aim.wants(row.masks)),
        for parent in facts.parent(binding.scope), (aim.is_near(parent));
    Landed(Ref(binding), row.reach, organization, Spread::Below, row.masks) <- Offered(bindings, packs, aim),
        Known(facts), for binding in *bindings, for role in binding.grant.role(), for row in packs.rows(role),
        (row.bound_at == binding.scope.level()), (row.reach == Reach::Managed), (aim.wants(row.masks)),
        for organization in facts.managed_by(binding.scope), (aim.is_near(organization));
    Landed(Ref(binding), Reach::Itself, binding.scope, Spread::Below, Masks::both(capability.mask())) <-
        Offered(bindings, _, aim), for binding in *bindings, (aim.is_near(binding.scope)),
        for capability in binding.grant.capability(), (aim.wants(Masks::both(capability.mask())));

    // WHICH BINDINGS COUNT: those that are not outside their time window (rule 4) and, when given on behalf of a team,
    // while the actor is in the team and the team manages the organization that the bound scope belongs to (rule 3).
    // At a team or at the console there is no such organization, so there such a binding never counts. What lands
    // nowhere is looked at only to say why.
    @output pub(super) struct Considered<'a>(pub(super) Ref<'a, Binding>);
    Considered(binding) <- Landed(binding, _, _, _, _);
    Considered(Ref(binding)) <- Explain(_), Offered(bindings, _, _), for binding in *bindings;
    struct Vouched<'a>(Ref<'a, Binding>);
    Vouched(binding) <- Considered(binding), Known(facts), for team in binding.on_behalf_of, (facts.is_member(team)),
        for &above in facts.lineage(binding.scope).scopes(), (facts.manages(team, above));
    @output pub(super) struct Flawed<'a>(pub(super) Ref<'a, Binding>, pub(super) Flaw);
    Flawed(binding, Flaw::NotBegun) <- Considered(binding), Known(facts), (!binding.has_begun(facts.now()));
    Flawed(binding, Flaw::Ended) <- Considered(binding), Known(facts), (binding.has_ended(facts.now()));
    Flawed(binding, Flaw::NotMember) <- Considered(binding), Known(facts), for team in binding.on_behalf_of,
        (!facts.is_member(team));
    Flawed(binding, Flaw::NotManaging) <- Considered(binding), Known(facts), for team in binding.on_behalf_of,
        (facts.is_member(team)), !Vouched(binding);

    // What is derived stops being true when a window opens or closes.
    @output pub(super) struct ChangesAt(pub(super) i64);
    ChangesAt(moment) <- Derive(_), Offered(bindings, _, _), Known(facts), for binding in *bindings,
        for moment in [binding.not_before, binding.not_after].into_iter().flatten(), (moment > facts.now());

    @output pub(super) struct Granted(pub(super) Scope, pub(super) Spread, pub(super) Masks);
    Granted(at, spread, masks) <- Derive(_), Landed(binding, _, at, spread, masks), !Flawed(binding, _);

    // DECISIONS. An environment is judged under its own kind. Above environments both kinds are judged: what is held
    // there must be held on whatever lies below. A gift is weighed in both kinds everywhere, since kinds change. Where
    // the way up to the console is not known nothing is granted: nobody could tell whether its organization is
    // suspended.
    struct Place(Scope, View);
    Place(scope, view) <- Decide(scope, view);
    Place(scope, View::AsItIs) <- About(_, aim), for scope in aim.scope();
    Place(scope, View::AsItIs) <- Explain(scope);
    Place(scope, View::UnderBothKinds) <- Needs(scope, _, _);

    // Rule 5: in a suspended organization most of it does not count, unless it was given at the console. Nothing
    // reaches below the console but what is bound there, so where a grant landed tells.
    struct Suspended(Scope);
    Suspended(scope) <- Known(facts), for organization in facts.suspended(), Place(scope, _),
        (facts.lineage(scope).contains(organization));
    @output pub(super) struct Judged(pub(super) Scope, pub(super) Option<EnvironmentKind>, pub(super) Mask);
    Judged(scope, view.only(facts.kind(scope)), Mask::ALL) <- Place(scope, view), Known(facts), !Suspended(scope);
    Judged(scope, view.only(facts.kind(scope)), *OPEN_WHILE_SUSPENDED) <- Place(scope, view), Known(facts),
        Suspended(scope);
    @output pub(super) struct Gives<'a>(pub(super) Scope, pub(super) Masks, pub(super) Origin<'a>);
    Gives(scope, given, Origin { distance: Some(distance), at, spread, via: Via { binding, reach: Some(reach) } }) <-
        Judged(scope, only, open), Known(facts), let lineage = facts.lineage(scope),
        Landed(binding, reach, at, spread, masks), for distance in lineage.distance(at), (spread.spans(distance)),
        !Flawed(binding, _), !Give(_, binding, _),
        let given = masks.under(only) & if at == Scope::Console { Mask::ALL } else { open }, (!given.is_empty());
    @output pub(super) struct Holds(pub(super) Scope, pub(super) Masks);
    Holds(scope, given) <- Judged(scope, only, open), Known(facts), Remembered(holdings),
        for (distance, at) in facts.lineage(scope).steps(), for held in holdings.at(at),
        for (spread, masks) in held.by_spread(), (spread.spans(distance)),
        let given = masks.under(only) & if at == Scope::Console { Mask::ALL } else { open },
        (!given.is_empty());

    // What binds whoever asks, whatever they hold: a freeze (rule 6) and what the key carries at most (rule 11).
    @output pub(super) struct Limits(pub(super) Scope, pub(super) Limit, pub(super) Mask);
    Limits(scope, Limit::Freeze, Mask::ALL.minus(CLOSED_WHILE_FROZEN)) <- Place(scope, _), Known(facts),
        (facts.is_frozen(scope));
    Limits(scope, Limit::Key, narrowing.capabilities) <- Narrowed(narrowing), Place(scope, _);
    Limits(scope, Limit::Key, Mask::EMPTY) <- Place(scope, _), Known(facts), Narrowed(narrowing),
        for top in narrowing.scope, (!facts.lineage(scope).contains(top));

    // WHAT GIVING NEEDS (rule 8): what the way of giving needs, and every row of the gift where it would land, in both
    // kinds and reaching as far. Whoever joins a team is given what the team has and has not lost. A role may be bound
    // anywhere below the scope that owns it, so its rows are weighed there, whatever they would be bound at. A freeze
    // does not count here: it binds the receiver as it binds the giver.
    @output pub(super) struct Needs(pub(super) Scope, pub(super) Masks, pub(super) Spread);
    Needs(gift.scope, Masks::both(Capability::AccessManage.mask()), Spread::Below) <- Give(_, gift, way),
        (way == Way::Binding);
    Needs(gift.scope, Masks::both(Capability::MemberInvite.mask()), Spread::Below) <- Give(_, gift, way),
        (way == Way::Invitation);
    Needs(at, masks, spread) <- Give(_, gift, _), !Flawed(gift, Flaw::Ended), Landed(binding, _, at, spread, masks),
        (binding == gift);
    Needs(scope, Masks::both(Capability::AccessManage.mask()), Spread::Below) <- Define(_, _, scope);
    Needs(scope, row.masks, Spread::Below) <- Define(packs, role, scope), for row in packs.rows(role);
    // Bound at its owner itself, rows that reach up land above it.
    Needs(parent, row.masks, Spread::Here) <- Define(packs, role, scope), Known(facts), for row in packs.rows(role),
        (row.bound_at == scope.level() && row.reach == Reach::Parent), for parent in facts.parent(scope);
}

type Set<T> = HashSet<T, FxBuildHasher>;

/// Everything that came out, by name.
pub(super) struct Derived<'a> {
    pub(super) suspended: Set<SuspendedActor>,
    pub(super) landed: Set<Landed<'a>>,
    pub(super) considered: Set<Considered<'a>>,
    pub(super) flawed: Set<Flawed<'a>>,
    pub(super) changes: Set<ChangesAt>,
    pub(super) granted: Set<Granted>,
    pub(super) judged: Set<Judged>,
    pub(super) gives: Set<Gives<'a>>,
    pub(super) holds: Set<Holds>,
    pub(super) limits: Set<Limits>,
    pub(super) needs: Set<Needs>,
}

/// Runs the program on what it was given.
pub(super) fn run(program: Crepe<'_>) -> Derived<'_> {
    let (suspended, landed, considered, flawed, changes, granted, judged, gives, holds, limits, needs) =
        program.run_with_hasher::<FxBuildHasher>();
    Derived { suspended, landed, considered, flawed, changes, granted, judged, gives, holds, limits, needs }
}
