//! casbin: an enforcer for each actor, of what that actor holds with every role written out. The classic model, roles in
//! domains with one question for each domain on the way up, took nearly three times as long. It must not know the others.

use std::collections::hash_map::Entry;

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use rustc_hash::FxHashMap;
use tokio::runtime::{Builder, Runtime};

use crate::contest::{Contestant, Questions, Result};
use crate::host::{Held, Host, suffix};
use crate::requests::Request;

const MODEL: &str = "
[request_definition]
r = counting, act
[policy_definition]
p = dom, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.act == p.act && p.dom in r.counting
";

/// Everything is prebuilt; making an enforcer takes longer than asking it.
pub(crate) fn contestants<'a>(questions: &Questions<'a>) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let &Questions { host, requests, .. } = questions;
    let runtime = Builder::new_current_thread().build()?;
    let mut enforcers: FxHashMap<usize, Enforcer> = FxHashMap::default();
    for request in requests {
        if let Entry::Vacant(actor) = enforcers.entry(request.actor) {
            actor.insert(enforcer(&runtime, written_out(host, &request.held))?);
        }
    }
    Ok(vec![Box::new(Prepared { enforcers, requests })])
}

struct Prepared<'a> {
    enforcers: FxHashMap<usize, Enforcer>,
    requests: &'a [Request],
}

impl Contestant for Prepared<'_> {
    fn name(&self) -> &'static str {
        "casbin, everything prebuilt"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.requests[number];
        let places = request.counting.iter().map(|place| place.name());
        let of_kind = request
            .kind
            .into_iter()
            .flat_map(|kind| request.counting.iter().map(move |place| place.name() + suffix(kind)));
        let counting: Vec<String> = places.chain(of_kind).collect();
        Ok(self.enforcers[&request.actor].enforce((counting, request.capability.name()))?)
    }
}

fn enforcer(runtime: &Runtime, rows: Vec<Vec<String>>) -> Result<Enforcer> {
    runtime.block_on(async {
        let model = DefaultModel::from_str(MODEL).await?;
        let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
        enforcer.enable_auto_save(false);
        enforcer.add_policies(rows).await?;
        Ok(enforcer)
    })
}

/// A row for each capability at each place; where only one kind of environment has it, the place is named with the kind.
fn written_out(host: &Host, held: &[Held]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (set, place) in held {
        let masks = host.sets[*set].masks;
        let (both, place) = (masks.production & masks.nonproduction, place.name());
        for capability in both.iter() {
            rows.push(vec![place.clone(), capability.name().to_owned()]);
        }
        for kind in [Production, Nonproduction] {
            for capability in masks.of(kind).minus(both).iter() {
                rows.push(vec![place.clone() + suffix(kind), capability.name().to_owned()]);
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}
