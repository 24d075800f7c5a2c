//! oso: Polar rules, roles as Polar facts, and what the actor holds as an argument or as Polar facts too. It must not know
//! the others.

use std::ops::Range;

use oso::{Oso, PolarValue};

use crate::contest::{Contestant, Page, Questions, Result};
use crate::host::{Held, Host, Place};
use crate::requests::Request;
use crate::world::USERS;

const OF_ARGUMENT: &str = "
allow(held, action, counting) if
    [set, place] in held and
    place in counting and
    gives(set, action);
";

const OF_FACTS: &str = "
allow(actor, action, counting) if
    place in counting and
    held(actor, place, set) and
    gives(set, action);
";

/// With what the actor holds made into a list per request, and with everybody's as facts that Polar has indexed.
pub(crate) fn contestants<'a>(questions: &Questions<'a>) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let &Questions { host, requests, .. } = questions;
    let oso = knowing(&[OF_ARGUMENT, &roles(host)])?;
    let fresh = Fresh { oso, host, requests };
    let oso = knowing(&[OF_FACTS, &roles(host), &everything_held(host)])?;
    let counting = requests.iter().map(|request| names(&request.counting)).collect();
    let prepared = Prepared { oso, requests, counting };
    Ok(vec![Box::new(fresh), Box::new(prepared)])
}

struct Fresh<'a> {
    oso: Oso,
    host: &'a Host,
    requests: &'a [Request],
}

impl Contestant for Fresh<'_> {
    fn name(&self) -> &'static str {
        "oso, actor's rows as a list made per request"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.requests[number];
        let counting = names(&request.counting);
        allows(&self.oso, pairs(self.host, &request.held), request.action(), counting)
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let requests = &self.requests[page];
        let held = requests.first().map_or(PolarValue::List(Vec::new()), |request| pairs(self.host, &request.held));
        let each =
            requests.iter().map(|request| allows(&self.oso, held.clone(), request.action(), names(&request.counting)));
        each.collect::<Result<_>>().map(Page::Each)
    }
}

struct Prepared<'a> {
    oso: Oso,
    requests: &'a [Request],
    counting: Vec<PolarValue>,
}

impl Contestant for Prepared<'_> {
    fn name(&self) -> &'static str {
        "oso, everything prebuilt"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.requests[number];
        let actor = PolarValue::Integer(i64::try_from(request.actor)?);
        allows(&self.oso, actor, request.action(), self.counting[number].clone())
    }
}

fn knowing(rules: &[&str]) -> Result<Oso> {
    let mut oso = Oso::new();
    oso.load_str(&rules.concat())?;
    Ok(oso)
}

fn allows(oso: &Oso, actor: PolarValue, action: String, counting: PolarValue) -> Result<bool> {
    Ok(oso.query_rule("allow", (actor, action, counting))?.next_result().transpose()?.is_some())
}

fn roles(host: &Host) -> String {
    let facts = host.sets.iter().flat_map(|set| {
        let each = |action: String| format!("gives(\"{}\", \"{action}\");\n", set.name);
        set.actions().into_iter().map(each)
    });
    facts.collect()
}

fn everything_held(host: &Host) -> String {
    let facts = (0..USERS).flat_map(|actor| {
        let each =
            move |(set, place): Held| format!("held({actor}, \"{}\", \"{}\");\n", place.name(), host.sets[set].name);
        host.held(actor).into_iter().map(each)
    });
    facts.collect()
}

fn pairs(host: &Host, held: &[Held]) -> PolarValue {
    let pair = |(set, place): &Held| {
        let set = PolarValue::String(host.sets[*set].name.clone());
        PolarValue::List(vec![set, PolarValue::String(place.name())])
    };
    PolarValue::List(held.iter().map(pair).collect())
}

fn names(places: &[Place]) -> PolarValue {
    PolarValue::List(places.iter().map(|place| PolarValue::String(place.name())).collect())
}
