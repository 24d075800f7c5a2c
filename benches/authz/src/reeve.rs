//! Reeve itself. It is given the rows of the actor and of the scopes in question, and applies the rules to them: nothing
//! of what the host resolves for the others. It must not know the others.

use std::ops::Range;

use reeve::authz::{Authority, Facts, Scope, allows};
use rustc_hash::FxHashMap;

use crate::contest::{Contestant, Figures, Page, Questions, Result, lap};
use crate::host::Host;
use crate::requests::Request;
use crate::world::{HEAVY_BINDINGS, HEAVY_USERS, USERS};

/// The names under which the checks find its figures.
pub(crate) const KNOWN: &str = "**Reeve**, actor's authority remembered";
pub(crate) const COLD: &str = "**Reeve**, nothing remembered";

/// Its modes without a cache of decisions.
pub(crate) fn contestants<'a>(questions: &Questions<'a>) -> Vec<Box<dyn Contestant + 'a>> {
    vec![Box::new(Known::new(questions)), Box::new(Cold::new(questions))]
}

/// The rows of every request and of every page, as the library takes them.
struct Rows<'a> {
    requests: &'a [Request],
    of_requests: Vec<Facts>,
    of_pages: FxHashMap<usize, (Facts, Vec<Scope>)>,
}

impl<'a> Rows<'a> {
    fn new(questions: &Questions<'a>, rows: impl Fn(usize, &[Scope]) -> Facts) -> Self {
        let requests = questions.requests;
        let of_requests = requests.iter().map(|each| rows(each.actor, &[each.scope])).collect();
        let of_page = |page: &Range<usize>| {
            let scopes: Vec<Scope> = requests[page.clone()].iter().map(|each| each.scope).collect();
            (page.start, (rows(requests[page.start].actor, &scopes), scopes))
        };
        Self { requests, of_requests, of_pages: questions.pages.iter().map(of_page).collect() }
    }
}

/// The authority of every actor is derived; the decision is not.
struct Known<'a> {
    rows: Rows<'a>,
    authorities: FxHashMap<usize, Authority>,
}

impl<'a> Known<'a> {
    fn new(questions: &Questions<'a>) -> Self {
        let host = questions.host;
        let authority = |actor: usize| (actor, Authority::of(&host.facts(actor, &[]), &host.world.packs));
        let authorities = questions.requests.iter().map(|request| authority(request.actor)).collect();
        Self { rows: Rows::new(questions, |actor, scopes| host.scope_facts(actor, scopes)), authorities }
    }
}

impl Contestant for Known<'_> {
    fn name(&self) -> &'static str {
        KNOWN
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let (request, facts) = (&self.rows.requests[number], &self.rows.of_requests[number]);
        Ok(self.authorities[&request.actor].allows(facts, request.scope, request.capability))
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let (facts, scopes) = &self.rows.of_pages[&page.start];
        Ok(Page::Masks(self.authorities[&self.rows.requests[page.start].actor].decide(facts, scopes)))
    }
}

/// Nothing is derived yet.
struct Cold<'a> {
    rows: Rows<'a>,
    host: &'a Host,
}

impl<'a> Cold<'a> {
    fn new(questions: &Questions<'a>) -> Self {
        let host = questions.host;
        Self { rows: Rows::new(questions, |actor, scopes| host.facts(actor, scopes)), host }
    }
}

impl Contestant for Cold<'_> {
    fn name(&self) -> &'static str {
        COLD
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let (request, facts) = (&self.rows.requests[number], &self.rows.of_requests[number]);
        Ok(allows(facts, &self.host.world.packs, request.scope, request.capability))
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let (facts, scopes) = &self.rows.of_pages[&page.start];
        Ok(Page::Masks(Authority::of(facts, &self.host.world.packs).decide(facts, scopes)))
    }
}

/// How long it takes to derive the authority of an actor with a hundred bindings.
///
/// # Errors
/// When the world has no such actors.
pub(crate) fn heavy(host: &Host) -> Result<Figures> {
    let actors = USERS - HEAVY_USERS..USERS;
    if actors.clone().any(|actor| host.bound(actor).count() != HEAVY_BINDINGS) {
        return Err(format!("a heavy user does not have {HEAVY_BINDINGS} bindings").into());
    }
    let facts: Vec<Facts> = actors.map(|actor| host.facts(actor, &[])).collect();
    lap(facts.len(), |number| Authority::of(&facts[number], &host.world.packs))
}
