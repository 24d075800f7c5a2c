//! Reeve's authorization beside Cedar, casbin, oso and regorus: the same model, the same requests, one run.
//!
//! `cargo run --release -p authz-bench` makes the same world every time (100 organizations, 2,000 projects, 8,000
//! environments, 5,000 users, 500 teams, 20,000 bindings of the built-in roles) and 4,000 requests of which half are
//! allowed. It first compares every answer of everybody with the host's own; when one differs it says which, and fails.
//! Then it times every request of everybody in nine rounds, one contestant after the other in each round, and takes the
//! median of a request's nine times as its time; p50 and p99 are over the requests. A page is 100 environments: Reeve
//! tells every capability on each of them, the engines tell one.
//!
//! What is in memory before the clock starts: for Reeve the rows of the actor and of the scopes in question, as
//! [`::reeve::authz::Facts`]; for the engines what the host has resolved of these rows for them (time windows, the
//! conditions of teams, the way up to the console, suspended organizations and frozen environments), so that what is
//! left to them is to match what the actor holds with where it counts, and what a role gives; roles, policies and
//! entities are in their own form already. "Prebuilt" is more than that: everything of the actor is in the engine's
//! form, as in Reeve's line with the actor's authority. Cedar's "best" is the fastest in which nothing of the actor is
//! put together before and Cedar itself matches the scopes.
//!
//! Nobody remembers a decision but the first line of the table, which asks the cache of Reeve's server, with the world in
//! a database; decisions of any engine could be remembered likewise.
//!
//! This part must not know an engine beyond its name.

mod casbin;
mod cedar;
mod contest;
mod floor;
mod host;
mod oso;
mod random;
mod reeve;
mod regorus;
mod requests;
mod server;
mod table;
mod world;

use std::io::{Write, stdout};
use std::process::ExitCode;

use ::reeve::authz::Packs;
use ::reeve::sys::clock;

use contest::{Contestant, Questions, Result};
use host::Host;
use requests::REQUESTS;
use world::World;

const SEED: u64 = 20_260_721;
/// How many differences are told.
const TOLD: usize = 10;

fn main() -> Result<ExitCode> {
    let packs = Packs::built_in().map_err(|bad| format!("the built-in packs are refused: {bad:?}"))?;
    let host = Host::new(World::new(packs, clock::now().timestamp_millis(), SEED));
    let mut requests = requests::requests(&host, SEED + 1);
    let pages = requests::pages(&host, SEED + 2, &mut requests);
    let questions = Questions { host: &host, requests: &requests, pages: &pages };
    let mut contestants = contestants(&questions)?;

    let mut out = stdout().lock();
    let mut different = Vec::new();
    for contestant in &mut contestants {
        different.extend(contest::differences(contestant.as_mut(), &questions)?);
    }
    if !different.is_empty() {
        writeln!(out, "{}\n{} answers differ", different[..different.len().min(TOLD)].join("\n"), different.len())?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "{}\n", setting(&questions, contestants.len())?)?;
    let scores = contest::race(&mut contestants, &pages)?;
    let heavy = reeve::heavy(&host)?;
    writeln!(out, "{}\n{}", table::table(&scores), table::checks(&scores, heavy))?;
    Ok(ExitCode::SUCCESS)
}

fn contestants<'a>(questions: &'a Questions<'a>) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let mut all = vec![server::contestant(questions)?];
    all.extend(reeve::contestants(questions));
    all.extend(regorus::contestants(questions)?);
    all.extend(cedar::contestants(questions)?);
    all.extend(oso::contestants(questions)?);
    all.extend(casbin::contestants(questions)?);
    all.push(floor::contestant(questions));
    Ok(all)
}

/// What was asked of whom, in words.
fn setting(questions: &Questions<'_>, contestants: usize) -> Result<String> {
    let requests = &questions.requests[..REQUESTS];
    let mut bound: Vec<usize> = requests.iter().map(|each| questions.host.bound(each.actor).count()).collect();
    bound.sort_unstable();
    let (p50, p99) = (bound[bound.len() / 2], bound[bound.len() * 99 / 100]);
    let allowed = requests.iter().filter(|request| request.allowed).count();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "{REQUESTS} requests, {allowed} allowed, and {} pages; {contestants} contestants agree on every answer.\n\
         The actors have {p50} bindings with those of their teams, one in a hundred has {p99} or more.\n\
         {}; {cores} cores; {} ns of every time are the look at the clock.",
        questions.pages.len(),
        table::versions(),
        contest::clock_alone()?.p50.as_nanos(),
    ))
}
