//! What a contestant is, and how contestants are checked and timed. It must not know who there is.

use std::error::Error;
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use reeve::authz::{Capability, Level, Mask, Scope};
use reeve::sys::clock;
use rustc_hash::FxHashMap;

use crate::host::Host;
use crate::requests::{PAGE_CAPABILITY, PAGES, REQUESTS, Request};

/// How often everything is timed.
const ROUNDS: usize = 9;

/// What goes wrong in an engine; it ends the run.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Everything that is asked: first the single requests, then those of the pages.
pub(crate) struct Questions<'a> {
    pub(crate) host: &'a Host,
    pub(crate) requests: &'a [Request],
    pub(crate) pages: &'a [Range<usize>],
}

/// The answer for a page.
pub(crate) enum Page {
    /// Every capability on each environment.
    Masks(FxHashMap<Scope, Mask>),
    /// The one capability that was asked for, on each environment in order.
    Each(Vec<bool>),
}

/// One engine in one mode.
pub(crate) trait Contestant {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Answers the request with this number.
    fn ask(&mut self, number: usize) -> Result<bool>;

    /// Answers these requests, which are of one actor.
    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        page.map(|number| self.ask(number)).collect::<Result<_>>().map(Page::Each)
    }
}

/// What was measured of one thing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// A contestant's figures.
pub(crate) struct Score {
    pub(crate) name: &'static str,
    pub(crate) single: Figures,
    pub(crate) page: Figures,
}

/// Everything about which the contestant and the host differ, in words.
pub(crate) fn differences(contestant: &mut dyn Contestant, questions: &Questions<'_>) -> Result<Vec<String>> {
    let mut different = Vec::new();
    for (number, request) in questions.requests[..REQUESTS].iter().enumerate() {
        if contestant.ask(number)? != request.allowed {
            different.push(tell(contestant.name(), request, request.capability));
        }
    }
    for range in questions.pages {
        let requests = &questions.requests[range.clone()];
        match contestant.page(range.clone())? {
            Page::Each(allowed) => {
                let wrong = requests.iter().zip(&allowed).filter(|(request, allowed)| request.allowed != **allowed);
                different.extend(wrong.map(|(request, _)| tell(contestant.name(), request, PAGE_CAPABILITY)));
                if allowed.len() != requests.len() {
                    different.push(format!("{}: answers {} of {}", contestant.name(), allowed.len(), requests.len()));
                }
            }
            Page::Masks(masks) => {
                for request in requests {
                    let mask = masks.get(&request.scope).copied().unwrap_or_default();
                    let wrong = wrong_in(mask, request, questions.host);
                    different.extend(wrong.map(|capability| tell(contestant.name(), request, capability)));
                }
            }
        }
    }
    Ok(different)
}

/// The capabilities that the mask has and the host refuses on this environment, or the other way round.
fn wrong_in(mask: Mask, request: &Request, host: &Host) -> impl Iterator<Item = Capability> {
    let judged = Capability::ALL.iter().copied().filter(|each| each.level() == Level::Environment);
    judged.filter(move |&capability| {
        let counting = host.counting(request.scope, capability);
        host.allows(&request.held, &counting, (capability, request.kind)) != mask.contains(capability)
    })
}

fn tell(name: &str, request: &Request, capability: Capability) -> String {
    let (actor, scope, capability) = (request.actor, request.scope, capability.name());
    format!("{name}: user {actor}, `{capability}` on {scope:?} is answered otherwise than by the host")
}

/// Times everybody, round by round, so that whatever else the machine does hits all alike. A request's figure is the
/// median of its rounds.
pub(crate) fn race(contestants: &mut [Box<dyn Contestant + '_>], pages: &[Range<usize>]) -> Result<Vec<Score>> {
    let mut singles = vec![vec![Vec::new(); REQUESTS]; contestants.len()];
    let mut batches = vec![vec![Vec::new(); PAGES]; contestants.len()];
    for round in 0..ROUNDS {
        for turn in 0..contestants.len() {
            let place = (turn + round) % contestants.len();
            let contestant = &mut contestants[place];
            for (number, times) in singles[place].iter_mut().enumerate() {
                times.push(time(|| contestant.ask(number))?);
            }
            for (range, times) in pages.iter().zip(&mut batches[place]) {
                let range = range.clone();
                times.push(time(|| contestant.page(range))?);
            }
        }
    }
    let figured = singles.into_iter().map(figures).zip(batches.into_iter().map(figures));
    let scored = contestants.iter().zip(figured);
    Ok(scored.map(|(contestant, (single, page))| Score { name: contestant.name(), single, page }).collect())
}

/// Times one thing for each number below `count`, as [`race`] does.
pub(crate) fn lap<T>(count: usize, mut each: impl FnMut(usize) -> T) -> Result<Figures> {
    let mut all = vec![Vec::new(); count];
    for _ in 0..ROUNDS {
        for (number, times) in all.iter_mut().enumerate() {
            times.push(time(|| Ok(each(number)))?);
        }
    }
    Ok(figures(all))
}

/// How long it takes to look at the clock, which is part of every other time.
pub(crate) fn clock_alone() -> Result<Figures> {
    lap(REQUESTS, |_| ())
}

fn time<T>(run: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let began = clock::instant();
    let answer = black_box(run());
    let took = began.elapsed();
    answer.map(|_| took)
}

fn figures(all: Vec<Vec<Duration>>) -> Figures {
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let mut all: Vec<Duration> = all.into_iter().map(median).collect();
    all.sort_unstable();
    Figures { p50: all[all.len() / 2], p99: all[all.len() * 99 / 100] }
}
