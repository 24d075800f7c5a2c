//! Where a capability is held, derived from what is held: written once and nowhere else.
//!
//! As in [`super::rules`], where the traps are told too. It must not know how holdings come about.

#![expect(for_loops_over_fallibles, reason = "in a rule, `for` over an option means: if there is one")]

use std::collections::HashSet;

use crepe::crepe;
use rustc_hash::FxBuildHasher;

use super::locks::{CLOSED_WHILE_FROZEN, OPEN_WHILE_SUSPENDED};
use crate::authz::capability::Capability;
use crate::authz::facts::{EnvironmentKind, Facts, Narrowing, Scope};
use crate::authz::terms::{Holdings, Ref, Spread};

crepe! {
    // What there is, and the question.
    @input pub(super) struct Known<'a>(pub(super) Ref<'a, Facts>);
    @input pub(super) struct Remembered<'a>(pub(super) Ref<'a, Holdings>);
    @input pub(super) struct Narrowed(pub(super) Narrowing);
    @input pub(super) struct List(pub(super) Capability);

    // WHERE A CAPABILITY IS HELD, as few scopes as possible: one below another that is seen goes without saying. A
    // scope counts when scopes of the capability's level can be it or lie below it and the grant reaches them; of a
    // scope above that of the key, that of the key is left. Environments that are frozen are not all among the facts,
    // so whoever asks leaves them out.
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
        for (at, held) in holdings.iter(), for (spread, masks) in held.by_spread(),
        (masks.either().contains(capability)), for place in facts.lower(at, top),
        (place.level().spans(capability.level())),
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
}

type Set<T> = HashSet<T, FxBuildHasher>;

/// Runs the program on what it was given: where the capability is held, and whether frozen environments are excepted.
pub(super) fn run(program: Crepe<'_>) -> (Set<Visible>, bool) {
    let (visible, unless_frozen) = program.run_with_hasher::<FxBuildHasher>();
    (visible, !unless_frozen.is_empty())
}
