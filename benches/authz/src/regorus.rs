//! regorus: a Rego policy compiled for its virtual machine, roles as data, and what the actor holds as input. It must not
//! know the others.

use std::collections::BTreeMap;
use std::ops::Range;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Rc, Value};
use rustc_hash::FxHashMap;

use crate::contest::{Contestant, Page, Questions, Result};
use crate::host::{Held, Host, Place};
use crate::requests::Request;

const ENTRY: &str = "data.authz.allow";
const POLICY: &str = "
package authz
default allow := false
allow if {
    some place in input.counting
    some set in input.held[place]
    data.gives[set][input.action]
}
";

/// With the input made per request, and with its parts made before.
pub(crate) fn contestants<'a>(questions: &Questions<'a>) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let &Questions { host, requests, .. } = questions;
    let fresh = Fresh { machine: Machine::new(host)?, host, requests };
    let prepared = Prepared { machine: Machine::new(host)?, inputs: inputs(host, requests) };
    Ok(vec![Box::new(fresh), Box::new(prepared)])
}

struct Machine(RegoVM);

impl Machine {
    fn new(host: &Host) -> Result<Self> {
        let data = roles(host);
        let mut engine = Engine::new();
        engine.add_policy("authz.rego".to_owned(), POLICY.to_owned())?;
        engine.add_data(data.clone())?;
        let policy = engine.compile_with_entrypoint(&Rc::from(ENTRY))?;
        let program = Compiler::compile_from_policy(&policy, &[ENTRY]).map_err(|error| format!("{error:?}"))?;
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine.set_data(data)?;
        Ok(Self(machine))
    }

    fn allows(&mut self, Input { action, counting, held }: Input) -> Result<bool> {
        let fields = [("action", action), ("counting", counting), ("held", held)];
        self.0.set_input(object(fields.into_iter().map(|(name, value)| (Value::from(name), value))));
        Ok(*self.0.execute()?.as_bool()?)
    }
}

#[derive(Clone)]
struct Input {
    action: Value,
    counting: Value,
    held: Value,
}

impl Input {
    fn new(request: &Request, held: Value) -> Self {
        Self { action: Value::from(request.action()), counting: names(&request.counting), held }
    }
}

struct Fresh<'a> {
    machine: Machine,
    host: &'a Host,
    requests: &'a [Request],
}

impl Contestant for Fresh<'_> {
    fn name(&self) -> &'static str {
        "regorus, compiled, input made per request"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.requests[number];
        self.machine.allows(Input::new(request, by_place(self.host, &request.held)))
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let requests = &self.requests[page];
        let held = requests.first().map_or_else(Value::new_object, |request| by_place(self.host, &request.held));
        let each = requests.iter().map(|request| self.machine.allows(Input::new(request, held.clone())));
        each.collect::<Result<_>>().map(Page::Each)
    }
}

struct Prepared {
    machine: Machine,
    inputs: Vec<Input>,
}

impl Contestant for Prepared {
    fn name(&self) -> &'static str {
        "regorus, compiled, everything prebuilt"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        self.machine.allows(self.inputs[number].clone())
    }
}

fn inputs(host: &Host, requests: &[Request]) -> Vec<Input> {
    let mut actors: FxHashMap<usize, Value> = FxHashMap::default();
    let mut held =
        |request: &Request| actors.entry(request.actor).or_insert_with(|| by_place(host, &request.held)).clone();
    requests.iter().map(|request| Input::new(request, held(request))).collect()
}

fn object(fields: impl Iterator<Item = (Value, Value)>) -> Value {
    Value::from(fields.collect::<BTreeMap<_, _>>())
}

fn roles(host: &Host) -> Value {
    let sets = host.sets.iter().map(|set| {
        let actions = set.actions().into_iter().map(|action| (Value::from(action), Value::from(true)));
        (Value::from(set.name.as_str()), object(actions))
    });
    object([(Value::from("gives"), object(sets))].into_iter())
}

fn by_place(host: &Host, held: &[Held]) -> Value {
    let mut places: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for (set, place) in held {
        places.entry(Value::from(place.name())).or_default().push(Value::from(host.sets[*set].name.as_str()));
    }
    object(places.into_iter().map(|(place, sets)| (place, Value::from(sets))))
}

fn names(places: &[Place]) -> Value {
    Value::from(places.iter().map(|place| Value::from(place.name())).collect::<Vec<_>>())
}
