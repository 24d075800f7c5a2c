//! Questions about everybody: who can, who could give it, and what would be the least to give. Each answer is the program's,
//! asked for one person after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use entities::ids::UserId;

use super::role;
use crate::authz::{
    Authority, Capability, Decision, EnvironmentKind, Facts, Grant, Level, Masks, Packs, RoleIndex, Scope, cap,
    explain, missing_to_give, smallest_roles,
};
use crate::error::Result;
use crate::op::Op;
use crate::service::blocking;
use crate::store::{self, Source, facts, population};
use crate::sys::clock;

/// People who are named as able to give something.
const NAMED: usize = 10;

/// Somebody who can, and through what.
pub struct Able {
    /// Who.
    pub user: UserId,
    /// The decision.
    pub decision: Decision,
}

/// Who can do something, in the order of their ids, and the roles that it is told with.
pub struct WhoCan {
    /// Those of the page.
    pub able: Vec<Able>,
    /// How many there are.
    pub total: usize,
    /// The roles.
    pub packs: Arc<Packs>,
    /// There are more behind.
    pub has_next: bool,
}

/// Makes sure that the actor may see the people of a scope.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`; of a team by `team.view`.
pub async fn may_see_people(op: &Op, scope: Scope) -> Result<()> {
    match scope {
        Scope::Team(_) => op.permit::<cap::TeamView>(scope).await.map(|_| ()),
        Scope::Console | Scope::Organization(_) | Scope::Project(_) | Scope::Environment(_) => {
            op.permit::<cap::MemberView>(scope).await.map(|_| ())
        }
    }
}

/// Everybody who holds a capability on a scope, from the one behind `after`.
///
/// # Errors
/// As [`may_see_people`].
pub async fn can(op: &Op, capability: Capability, scope: Scope, after: Option<UserId>, limit: usize) -> Result<WhoCan> {
    may_see_people(op, scope).await?;
    let (packs, people) = everybody(op.store(), scope).await?;
    let told = packs.clone();
    let (able, total, has_next) = blocking(move || {
        let holds = |facts: &Facts| Authority::of(facts, &packs).allows(facts, scope, capability);
        let mut able: Vec<(UserId, Facts)> = people.into_iter().filter(|(_, facts)| holds(facts)).collect();
        able.sort_unstable_by_key(|(user, _)| *user);
        let total = able.len();
        let mut rest = able.into_iter().skip_while(|(user, _)| after.is_some_and(|after| *user <= after));
        let page: Vec<Able> = rest
            .by_ref()
            .take(limit)
            .map(|(user, facts)| Able { user, decision: explain(&facts, &packs, capability, scope) })
            .collect();
        (page, total, rest.next().is_some())
    })
    .await?;
    Ok(WhoCan { able, total, packs: told, has_next })
}

/// The facts of everybody who may hold something on a scope.
async fn everybody(source: &impl Source, scope: Scope) -> Result<(Arc<Packs>, Vec<(UserId, Facts)>)> {
    let packs = store::role::packs(source).await?;
    let candidates = population::candidates(source, &packs, scope).await?;
    let now = clock::now().timestamp_millis();
    let people = population::facts_of(source, &packs, &candidates, &BTreeSet::from([scope]), now).await?;
    Ok((packs, people))
}

/// The least that would have to be given for something to be held.
#[derive(Debug, Clone)]
pub struct MissingGrant {
    /// The role, by its full name; none when no role that may be bound here gives it.
    pub role: Option<String>,
    /// The capability itself, which can be given alone.
    pub capability: Capability,
    /// Where to give it.
    pub scope: Scope,
    /// People who could give it, at most ten.
    pub givers: Vec<UserId>,
}

/// The smallest role that gives the capability on the scope, bound on the scope itself or else as near above as the actor may
/// view, and who could give it. Roles of packs that are in use there come before others.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn missing_grant(op: &Op, capability: Capability, scope: Scope) -> Result<MissingGrant> {
    let source = op.store();
    let packs = store::role::packs(source).await?;
    let known = facts::of_scopes(source, &[scope]).await?;
    let kind = match scope {
        Scope::Environment(_) => known.get(&scope).map(|fact| fact.kind),
        _ => None,
    };
    let needed = needed(capability, kind);
    let owners = role::owners(source, scope).await?;
    let lineage: Vec<Scope> =
        std::iter::successors(Some(scope), |at| known.get(at).and_then(|fact| fact.parent)).collect();
    let held = op.masks(&lineage).await?;
    let seen = lineage.iter().filter(|at| held.get(at).is_some_and(|mask| mask.contains(at.view())));
    let used = packs_in_use(source, &lineage).await?;
    let mut found = None;
    for &at in seen {
        let fitting = smallest_roles(&packs, packs.roles_of(&owners), at.level(), needed);
        let familiar = fitting.iter().find(|index| used.contains(pack_of(&packs, **index)));
        if let Some(&index) = familiar.or(fitting.first()) {
            found = Some((index, at));
            break;
        }
    }
    let (grant, at) = match found {
        Some((index, at)) => (Grant::Role(index), at),
        None => (Grant::Capability(capability), scope),
    };
    let givers = givers(source, &packs, grant, at).await?;
    let role = found.map(|(index, _)| packs.name(index.into()).to_owned());
    Ok(MissingGrant { role, capability, scope: at, givers })
}

/// What has to be given so that the capability counts on environments of this kind.
fn needed(capability: Capability, kind: Option<EnvironmentKind>) -> Masks {
    let mask = capability.mask();
    match kind.filter(|_| capability.level() == Level::Environment) {
        None => Masks::both(mask),
        Some(EnvironmentKind::Production) => Masks { production: mask, ..Masks::default() },
        Some(EnvironmentKind::Nonproduction) => Masks { nonproduction: mask, ..Masks::default() },
    }
}

fn pack_of(packs: &Packs, index: RoleIndex) -> &str {
    packs.name(index.into()).split_once('/').map_or("", |(pack, _)| pack)
}

async fn packs_in_use(source: &impl Source, lineage: &[Scope]) -> Result<BTreeSet<String>> {
    let packs = store::role::packs(source).await?;
    let keys = population::roles_at(source, lineage).await?;
    let indexes = keys.iter().filter_map(|key| packs.role(key));
    Ok(indexes.map(|index| pack_of(&packs, index).to_owned()).collect())
}

/// People who could give this here.
async fn givers(source: &impl Source, packs: &Packs, grant: Grant, scope: Scope) -> Result<Vec<UserId>> {
    let candidates = population::candidates(source, packs, scope).await?;
    let landing = population::landing(source, &[scope]).await?;
    let now = clock::now().timestamp_millis();
    let people = population::facts_of(source, packs, &candidates, &landing, now).await?;
    let able = people.iter().filter(|(_, facts)| missing_to_give(facts, packs, grant, scope).is_empty());
    Ok(able.map(|(user, _)| *user).take(NAMED).collect())
}
