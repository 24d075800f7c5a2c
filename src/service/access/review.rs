//! The review of a scope: everybody who holds something there, through what, what of it they use, and what would be enough.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use entities::binding;
use entities::ids::{Id, TeamId, UserId};

use super::standing::listed;
use super::{Shift, role};
use crate::authz::{Authority, Capability, EnvironmentKind, Level, Masks, Packs, Scope, cap, smallest_roles};
use crate::error::Result;
use crate::op::Op;
use crate::store::population::{self, Counted};
use crate::store::usage::{self, Use};
use crate::store::{self, facts};
use crate::sys::clock;

/// What is known of one person on the scope.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Who.
    pub user: UserId,
    /// What they hold on the scope, and by inheritance below it.
    pub held: Vec<Shift>,
    /// What gives them something there or below: their own bindings and those of their teams.
    pub bindings: Vec<binding::Model>,
    /// What they used there or below, and when last.
    pub used: Vec<(Capability, DateTime<Utc>)>,
    /// What they hold and never used, as far as is known.
    pub never_used: Vec<Capability>,
    /// The smallest role that gives all they used lately; none when they used nothing, or no role is enough.
    pub enough: Option<String>,
}

/// A page of the review.
pub struct Review {
    /// The people, in the order of their ids.
    pub people: Vec<Reviewed>,
    /// How many there are.
    pub total: usize,
    /// There are more behind.
    pub has_next: bool,
}

/// Everybody who holds something on the scope, or where the actor may see it below, from the one behind `after`; what was used in the last `days`
/// days tells what would be enough.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`.
pub async fn review(op: &Op, scope: Scope, days: i64, after: Option<UserId>, limit: usize) -> Result<Review> {
    let permit = op.permit::<cap::MemberView>(scope).await?;
    let source = op.store();
    let packs = store::role::packs(source).await?;
    let sight = op.sight().await?;
    let rows = population::bound_on(source, scope, &sight).await?;
    let mut everybody = population::people(source, rows.iter().map(|row| (row.subject_kind, row.subject_id))).await?;
    everybody.extend(population::candidates(source, &packs, scope).await?);
    let total = everybody.len();
    let mut rest = everybody.into_iter().filter(|user| after.is_none_or(|after| *user > after));
    let page: BTreeSet<UserId> = rest.by_ref().take(limit).collect();
    let users: Vec<UserId> = page.iter().copied().collect();
    let uses = usage::of_each_scope(source, &permit, &sight, &users).await?;
    let places: Vec<Scope> = uses.iter().map(|used| used.scope).collect();
    let known = facts::of_scopes(source, &places).await?;
    let kind = |scope: Scope| match scope {
        Scope::Environment(_) => known.get(&scope).map(|fact| fact.kind),
        _ => None,
    };
    let owners = role::owners(source, scope).await?;
    let now = clock::now();
    let since = now - TimeDelta::days(days);
    let millis = now.timestamp_millis();
    let members = population::members(source, &packs, &page, &BTreeSet::from([scope]), millis, Counted::All).await?;
    let mut people: Vec<Reviewed> = members
        .into_iter()
        .map(|(user, facts, teams)| {
            let held = Authority::of(&facts, &packs).decide_by_kind(&facts, &[scope]);
            let held = held.get(&scope).copied().unwrap_or_default();
            let mine = uses.iter().filter(|used| used.user == user);
            let needed = needed(mine.clone().filter(|used| used.last_used_at >= since), kind);
            let used = latest(mine);
            let here = |capability: &Capability| scope.level().spans(capability.level());
            let unused = |capability: &Capability| used.iter().all(|(used, _)| used != capability);
            Reviewed {
                user,
                held: listed(scope, held),
                bindings: rows.iter().filter(|row| is_of(row, user, &teams)).cloned().collect(),
                never_used: held.either().iter().filter(here).filter(unused).collect(),
                enough: enough(&packs, &owners, scope.level(), needed),
                used,
            }
        })
        .collect();
    people.sort_unstable_by_key(|reviewed| reviewed.user);
    Ok(Review { people, total, has_next: rest.next().is_some() })
}

fn is_of(row: &binding::Model, user: UserId, teams: &[TeamId]) -> bool {
    row.subject_id == user.uuid() || teams.iter().any(|team| row.subject_id == team.uuid())
}

/// Each capability once, with its latest use.
fn latest<'a>(uses: impl Iterator<Item = &'a Use>) -> Vec<(Capability, DateTime<Utc>)> {
    let mut latest: Vec<(Capability, DateTime<Utc>)> = Vec::new();
    for used in uses {
        match latest.iter_mut().find(|(capability, _)| *capability == used.capability) {
            Some((_, at)) => *at = (*at).max(used.last_used_at),
            None => latest.push((used.capability, used.last_used_at)),
        }
    }
    latest.sort_unstable();
    latest
}

/// What has to be held for these uses: on environments of the kind that they were on.
fn needed<'a>(uses: impl Iterator<Item = &'a Use>, kind: impl Fn(Scope) -> Option<EnvironmentKind>) -> Masks {
    let mut needed = Masks::default();
    for used in uses {
        let mask = used.capability.mask();
        needed |= match kind(used.scope).filter(|_| used.capability.level() == Level::Environment) {
            None => Masks::both(mask),
            Some(EnvironmentKind::Production) => Masks { production: mask, ..Masks::default() },
            Some(EnvironmentKind::Nonproduction) => Masks { nonproduction: mask, ..Masks::default() },
        };
    }
    needed
}

/// The smallest role that gives what is needed.
fn enough(packs: &Packs, owners: &[Scope], at: Level, needed: Masks) -> Option<String> {
    if needed.either().is_empty() {
        return None;
    }
    let index = smallest_roles(packs, packs.roles_of(owners), at, needed).into_iter().next()?;
    Some(packs.name(index.into()).to_owned())
}
