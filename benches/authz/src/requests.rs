//! The requests that everybody is asked: who, what, where. It must not know who answers.

use std::ops::Range;

use reeve::authz::{Capability, EnvironmentKind, Level, Scope};

use crate::host::{Held, Host, Place, action};
use crate::random::Random;
use crate::world::{ENVIRONMENTS, HEAVY_USERS, ORGANIZATIONS, PROJECTS, USERS, World, environment, number};

/// How many requests there are; half of them are allowed.
pub(crate) const REQUESTS: usize = 4_000;
/// How many pages there are.
pub(crate) const PAGES: usize = 50;
/// How many environments a page has.
pub(crate) const PAGE: usize = 100;
/// What a page asks of the engines that answer one capability at a time.
pub(crate) const PAGE_CAPABILITY: Capability = Capability::DeploymentCreate;

/// One request, with what the host has resolved for the engines.
pub(crate) struct Request {
    pub(crate) actor: usize,
    pub(crate) scope: Scope,
    pub(crate) capability: Capability,
    /// Of the environment, if the scope is one.
    pub(crate) kind: Option<EnvironmentKind>,
    /// What the actor holds.
    pub(crate) held: Vec<Held>,
    /// Where a grant counts.
    pub(crate) counting: Vec<Place>,
    /// What the host itself says.
    pub(crate) allowed: bool,
}

impl Request {
    fn new(host: &Host, actor: usize, scope: Scope, capability: Capability) -> Self {
        let (kind, held, counting) = (host.kind(scope), host.held(actor), host.counting(scope, capability));
        let allowed = host.allows(&held, &counting, (capability, kind));
        Self { actor, scope, capability, kind, held, counting, allowed }
    }

    /// The capability as an engine is asked for it.
    pub(crate) fn action(&self) -> String {
        action(self.capability, self.kind)
    }
}

/// Half of the requests allowed, half refused; most refusals are near misses.
pub(crate) fn requests(host: &Host, seed: u64) -> Vec<Request> {
    let random = &mut Random::new(seed);
    let (mut allowed, mut refused) = (Vec::new(), Vec::new());
    while allowed.len() + refused.len() < REQUESTS {
        let request = request(host, random);
        let those = if request.allowed { &mut allowed } else { &mut refused };
        if those.len() < REQUESTS / 2 {
            those.push(request);
        }
    }
    let mut requests: Vec<Request> = allowed.into_iter().chain(refused).collect();
    for place in (1..requests.len()).rev() {
        requests.swap(place, random.below(place + 1));
    }
    requests
}

fn request(host: &Host, random: &mut Random) -> Request {
    let actor = random.below(USERS);
    let level = match random.below(100) {
        0..60 => Level::Environment,
        60..85 => Level::Project,
        85..96 => Level::Organization,
        96..99 => Level::Team,
        _ => Level::Console,
    };
    let judged: Vec<Capability> = Capability::ALL.iter().copied().filter(|each| each.level() == level).collect();
    let bound: Vec<Scope> = host.bound(actor).map(|binding| binding.scope).collect();
    let scope = if bound.is_empty() || random.percent(15) {
        World::within(random.below(ORGANIZATIONS), level, random)
    } else {
        let from = random.pick(&bound);
        near(host, from, level, random)
    };
    Request::new(host, actor, scope, random.pick(&judged))
}

/// A scope of the level: above this one, below it, or elsewhere in its organization.
fn near(host: &Host, from: Scope, level: Level, random: &mut Random) -> Scope {
    if let Some(above) = host.world.lineage(from).find(|above| above.level() == level)
        && random.percent(80)
    {
        return above;
    }
    if let (Scope::Project(project), Level::Environment) = (from, level) {
        let each = ENVIRONMENTS / PROJECTS;
        return environment(number(project) * each + random.below(each));
    }
    let organization = organization(host, from).unwrap_or_else(|| random.below(ORGANIZATIONS));
    World::within(organization, level, random)
}

fn organization(host: &Host, scope: Scope) -> Option<usize> {
    host.world.lineage(scope).find_map(|above| match above {
        Scope::Organization(organization) => Some(number(organization)),
        _ => None,
    })
}

/// Adds pages of environments, each asked about for one actor: those of an organization in which the actor has
/// something, and some of the next one. It tells which of the requests belong to each page.
pub(crate) fn pages(host: &Host, seed: u64, requests: &mut Vec<Request>) -> Vec<Range<usize>> {
    let random = &mut Random::new(seed);
    let mut pages = Vec::new();
    while pages.len() < PAGES {
        let actor = random.below(USERS - HEAVY_USERS);
        let bound: Vec<usize> = host.bound(actor).filter_map(|binding| organization(host, binding.scope)).collect();
        if bound.is_empty() {
            continue;
        }
        let first = random.pick(&bound) * (ENVIRONMENTS / ORGANIZATIONS);
        let scopes = (first..first + PAGE).map(|each| environment(each % ENVIRONMENTS));
        pages.push(requests.len()..requests.len() + PAGE);
        requests.extend(scopes.map(|scope| Request::new(host, actor, scope, PAGE_CAPABILITY)));
    }
    pages
}
