//! Who holds what on a few scopes, and how that differs before and after a change. The program says what is held; this
//! compares.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use entities::ids::UserId;

use crate::authz::{Authority, Capability, Facts, Mask, Masks, Packs, Scope};
use crate::error::Result;
use crate::store::population;
use crate::store::write::Write;
use crate::sys::clock;

/// The people and the scopes that a change may touch.
#[derive(Debug, Default, Clone)]
pub(super) struct Affected {
    pub(super) users: BTreeSet<UserId>,
    pub(super) scopes: BTreeSet<Scope>,
}

impl Affected {
    pub(super) fn add(&mut self, other: Self) {
        self.users.extend(other.users);
        self.scopes.extend(other.scopes);
    }
}

/// The facts of somebody other than the actor about what lands from these scopes, as the change sees them; none when they
/// are gone.
pub(super) async fn facts_of_one(
    write: &Write,
    packs: &Packs,
    user: UserId,
    scopes: &[Scope],
) -> Result<Option<Facts>> {
    let now = clock::now().timestamp_millis();
    let landing = population::landing(write, scopes).await?;
    let people = population::facts_of(write, packs, &BTreeSet::from([user]), &landing, now).await?;
    Ok(people.into_iter().next().map(|(_, facts)| facts))
}

/// What each of some people holds on some scopes.
pub(super) struct Standing(BTreeMap<UserId, FxHashMap<Scope, Masks>>);

impl Standing {
    /// What the people hold now, as the change sees it.
    pub(super) async fn read(write: &Write, packs: &Packs, affected: &Affected) -> Result<Self> {
        let now = clock::now().timestamp_millis();
        let scopes: Vec<Scope> = affected.scopes.iter().copied().collect();
        let people = population::facts_of(write, packs, &affected.users, &affected.scopes, now).await?;
        let held = people.into_iter().map(|(user, facts)| {
            let authority = Authority::of(&facts, packs);
            (user, authority.decide_by_kind(&facts, &scopes))
        });
        Ok(Self(held.collect()))
    }

    fn of(&self, user: UserId, scope: Scope) -> Masks {
        self.0.get(&user).and_then(|held| held.get(&scope)).copied().unwrap_or_default()
    }

    /// What those who are in `after` gained and lost since.
    pub(super) fn differences(&self, after: &Self, affected: &Affected) -> Vec<Difference> {
        let pairs = affected.users.iter().flat_map(|user| affected.scopes.iter().map(move |scope| (*user, *scope)));
        pairs
            .filter_map(|(user, scope)| {
                let (old, new) = (self.of(user, scope), after.of(user, scope));
                let difference =
                    Difference { user, scope, gained: shifts(scope, new, old), lost: shifts(scope, old, new) };
                (!difference.gained.is_empty() || !difference.lost.is_empty()).then_some(difference)
            })
            .collect()
    }
}

/// What somebody gains and loses on a scope, and by inheritance below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who.
    pub user: UserId,
    /// Where.
    pub scope: Scope,
    /// What they have more.
    pub gained: Vec<Shift>,
    /// What they have no longer.
    pub lost: Vec<Shift>,
}

/// A capability that is gained or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Its name.
    pub capability: String,
    /// `any`, `production` or `nonproduction`.
    pub environments: String,
}

/// What is in `more` and not in `less`, of what means something on the scope or below it.
fn shifts(scope: Scope, more: Masks, less: Masks) -> Vec<Shift> {
    let production = more.production.minus(less.production);
    let nonproduction = more.nonproduction.minus(less.nonproduction);
    listed(scope, Masks { production, nonproduction })
}

/// Capabilities in words, of those that mean something on the scope or below it.
pub(super) fn listed(scope: Scope, masks: Masks) -> Vec<Shift> {
    let here = |capability: &Capability| scope.level().spans(capability.level());
    let in_words = |capability: Capability| {
        let has = |mask: Mask| mask.contains(capability);
        let environments = match (has(masks.production), has(masks.nonproduction)) {
            (true, false) => "production",
            (false, true) => "nonproduction",
            (true, true) | (false, false) => "any",
        };
        Shift { capability: capability.name().to_owned(), environments: environments.to_owned() }
    };
    masks.either().iter().filter(here).map(in_words).collect()
}
