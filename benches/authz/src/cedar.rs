//! Cedar: one policy for each thing that an actor holds, roles as groups of actions, and every scope as an entity in its
//! hierarchy. It must not know the others.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::rc::Rc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    Request as Query, SlotId, Template,
};
use reeve::authz::{Capability, EnvironmentKind, Scope};
use rustc_hash::FxHashMap;

use crate::contest::{Contestant, Page, Questions, Result};
use crate::host::{Held, Host, RowSet, action};
use crate::requests::Request;
use crate::world::{name, scopes};

/// The name under which the checks find its figures.
pub(crate) const BEST: &str = "Cedar (best): policies of the actor, parsed before, put together per request";

const BY_PLACE: &str = "Cedar, the same, but those on the scopes in question alone: the host matches scopes";

/// By where policies are put together: per request those of the actor, before anything is asked, per request those of
/// the actor on the scopes in question, or per request out of nothing but what the actor holds.
pub(crate) fn contestants<'a>(questions: &Questions<'a>) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let cedar = Rc::new(Cedar::new(questions)?);
    let mine = Sliced { cedar: cedar.clone(), name: BEST, by_place: false };
    let here = Sliced { cedar: cedar.clone(), name: BY_PLACE, by_place: true };
    let linked = Linked::new(cedar.clone(), questions.host)?;
    Ok(vec![Box::new(mine), Box::new(Prepared::new(cedar)?), Box::new(here), Box::new(linked)])
}

struct Cedar<'a> {
    requests: &'a [Request],
    authorizer: Authorizer,
    /// The whole world, with its hierarchy closed.
    entities: Entities,
    /// Parsed, in the order in which the actor holds things.
    policies: FxHashMap<usize, Vec<Policy>>,
    /// Principal, action and resource of each request.
    asked: Vec<[EntityUid; 3]>,
}

impl<'a> Cedar<'a> {
    fn new(&Questions { host, requests, .. }: &Questions<'a>) -> Result<Self> {
        let names = Names::new()?;
        let mut policies: FxHashMap<usize, Vec<Policy>> = FxHashMap::default();
        for request in requests {
            if let Entry::Vacant(actor) = policies.entry(request.actor) {
                actor.insert(parse(host, request.actor, &request.held)?);
            }
        }
        let asked = requests.iter().map(|request| names.asked(request)).collect();
        let entities = Entities::from_entities(names.world(host), None)?;
        Ok(Self { requests, authorizer: Authorizer::new(), entities, policies, asked })
    }

    fn query(&self, number: usize) -> Result<Query> {
        let [principal, action, resource] = self.asked[number].clone();
        Ok(Query::new(principal, action, resource, Context::empty(), None)?)
    }

    fn allows(&self, query: &Query, policies: &PolicySet) -> bool {
        self.authorizer.is_authorized(query, policies, &self.entities).decision() == Decision::Allow
    }
}

struct Sliced<'a> {
    cedar: Rc<Cedar<'a>>,
    name: &'static str,
    by_place: bool,
}

impl Sliced<'_> {
    fn policies(&self, request: &Request) -> Result<PolicySet> {
        let all = request.held.iter().zip(&self.cedar.policies[&request.actor]);
        let slice = all.filter(|((_, place), _)| !self.by_place || request.counting.contains(place));
        Ok(PolicySet::from_policies(slice.map(|(_, policy)| policy.clone()))?)
    }
}

impl Contestant for Sliced<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let policies = self.policies(&self.cedar.requests[number])?;
        Ok(self.cedar.allows(&self.cedar.query(number)?, &policies))
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        if self.by_place {
            return page.map(|number| self.ask(number)).collect::<Result<_>>().map(Page::Each);
        }
        let policies = self.policies(&self.cedar.requests[page.start])?;
        let each = page.map(|number| Ok(self.cedar.allows(&self.cedar.query(number)?, &policies)));
        each.collect::<Result<_>>().map(Page::Each)
    }
}

struct Prepared<'a> {
    cedar: Rc<Cedar<'a>>,
    policies: FxHashMap<usize, PolicySet>,
    queries: Vec<Query>,
}

impl<'a> Prepared<'a> {
    fn new(cedar: Rc<Cedar<'a>>) -> Result<Self> {
        let policies = cedar
            .policies
            .iter()
            .map(|(&actor, policies)| Ok((actor, PolicySet::from_policies(policies.iter().cloned())?)));
        let policies = policies.collect::<Result<_>>()?;
        let queries = (0..cedar.requests.len()).map(|number| cedar.query(number)).collect::<Result<_>>()?;
        Ok(Self { cedar, policies, queries })
    }
}

impl Contestant for Prepared<'_> {
    fn name(&self) -> &'static str {
        "Cedar, evaluation alone, everything prebuilt"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let policies = &self.policies[&self.cedar.requests[number].actor];
        Ok(self.cedar.allows(&self.queries[number], policies))
    }
}

/// Nothing of the actor or the scope is in Cedar's form but single entities: policies are linked to templates, one for
/// each row set, and the entities of the request put together.
struct Linked<'a> {
    cedar: Rc<Cedar<'a>>,
    names: Names,
    templates: Vec<Template>,
}

impl<'a> Linked<'a> {
    fn new(cedar: Rc<Cedar<'a>>, host: &Host) -> Result<Self> {
        let template = |set: &RowSet| {
            let id = PolicyId::new(&set.name);
            let head = format!("principal == ?principal, action in Action::\"{}\"", set.name);
            let relation = if set.is_alone() { "==" } else { "in" };
            Ok(Template::parse(Some(id), format!("permit({head}, resource {relation} ?resource);"))?)
        };
        let templates = host.sets.iter().map(template).collect::<Result<_>>()?;
        Ok(Self { cedar, names: Names::new()?, templates })
    }

    fn policies(&self, number: usize) -> Result<PolicySet> {
        let (request, [principal, ..]) = (&self.cedar.requests[number], &self.cedar.asked[number]);
        let mut policies = PolicySet::new();
        for (link, (set, place)) in request.held.iter().enumerate() {
            let template = &self.templates[*set];
            if policies.template(template.id()).is_none() {
                policies.add_template(template.clone())?;
            }
            let resource = uid(&self.names.scope, &name(place.scope));
            let values = [(SlotId::principal(), principal.clone()), (SlotId::resource(), resource)];
            policies.link(template.id().clone(), PolicyId::new(link.to_string()), values.into())?;
        }
        Ok(policies)
    }

    fn allows(&self, number: usize, policies: &PolicySet) -> Result<bool> {
        let (request, [_, action, resource]) = (&self.cedar.requests[number], &self.cedar.asked[number]);
        let above = request.counting.iter().map(|place| uid(&self.names.scope, &name(place.scope)));
        let wanted: HashSet<EntityUid> = above.chain([action.clone(), resource.clone()]).collect();
        let found = wanted.iter().filter_map(|uid| self.cedar.entities.get(uid).cloned());
        let entities = Entities::from_entities(found, None)?;
        let query = self.cedar.query(number)?;
        Ok(self.cedar.authorizer.is_authorized(&query, policies, &entities).decision() == Decision::Allow)
    }
}

impl Contestant for Linked<'_> {
    fn name(&self) -> &'static str {
        "Cedar, policies and entities made per request of the actor's rows"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        self.allows(number, &self.policies(number)?)
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let policies = self.policies(page.start)?;
        page.map(|number| self.allows(number, &policies)).collect::<Result<_>>().map(Page::Each)
    }
}

fn parse(host: &Host, actor: usize, held: &[Held]) -> Result<Vec<Policy>> {
    let policy = |(number, (set, place)): (usize, &Held)| {
        let (set, relation) = (&host.sets[*set].name, if place.alone { "==" } else { "in" });
        let text = format!(
            "permit(principal == User::\"{actor}\", action in Action::\"{set}\", resource {relation} Scope::\"{}\");",
            name(place.scope)
        );
        Ok(Policy::parse(Some(PolicyId::new(format!("{actor}.{number}"))), text)?)
    };
    held.iter().enumerate().map(policy).collect()
}

/// The types of entities.
struct Names {
    user: EntityTypeName,
    action: EntityTypeName,
    scope: EntityTypeName,
    suspended: EntityTypeName,
    locked: EntityTypeName,
}

impl Names {
    fn new() -> Result<Self> {
        let [user, action, scope] = ["User".parse()?, "Action".parse()?, "Scope".parse()?];
        Ok(Self { user, action, scope, suspended: "Suspended".parse()?, locked: "Locked".parse()? })
    }

    /// A scope is named by the type that says where grants count for the request: a locked one is below nothing, one in
    /// a suspended organization below the console alone.
    fn asked(&self, request: &Request) -> [EntityUid; 3] {
        let kind = match &request.counting[..] {
            [] => &self.locked,
            [only] if only.scope != request.scope => &self.suspended,
            _ => &self.scope,
        };
        let principal = uid(&self.user, &request.actor.to_string());
        [principal, uid(&self.action, &request.action()), uid(kind, &name(request.scope))]
    }

    fn world(&self, host: &Host) -> Vec<Entity> {
        let mut all = self.actions(host);
        for scope in scopes() {
            let parent = host.world.fact(scope).and_then(|fact| fact.parent);
            let parents = parent.map(|parent| uid(&self.scope, &name(parent)));
            all.push(Entity::new_no_attrs(uid(&self.scope, &name(scope)), parents.into_iter().collect()));
            let console = HashSet::from([uid(&self.scope, &name(Scope::Console))]);
            all.push(Entity::new_no_attrs(uid(&self.suspended, &name(scope)), console));
            all.push(Entity::new_no_attrs(uid(&self.locked, &name(scope)), HashSet::new()));
        }
        all
    }

    /// Each row set is a group of actions.
    fn actions(&self, host: &Host) -> Vec<Entity> {
        let mut groups: FxHashMap<String, HashSet<EntityUid>> = FxHashMap::default();
        for &capability in Capability::ALL {
            for kind in EnvironmentKind::BOTH {
                groups.entry(action(capability, Some(kind))).or_default();
            }
        }
        for set in &host.sets {
            for action in set.actions() {
                groups.entry(action).or_default().insert(uid(&self.action, &set.name));
            }
        }
        let sets = host.sets.iter().map(|set| Entity::new_no_attrs(uid(&self.action, &set.name), HashSet::new()));
        let actions = groups.into_iter().map(|(name, groups)| Entity::new_no_attrs(uid(&self.action, &name), groups));
        sets.chain(actions).collect()
    }
}

fn uid(of: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(name))
}
