//! The facts of one question: who asks, what is bound to them, and the scopes in play, as the database has them.
//!
//! Plain data and look-ups by key. It must not know what a fact implies: every conclusion is drawn by the program.

use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use super::binding::{Binding, Grant, Narrowing, Subject};
use super::scope::Lineage;
pub use super::scope::{EnvironmentKind, Kinds, Scope, ScopeFact};

/// What is known of one actor, whatever the question is about. It is sorted once and shared by every question.
///
/// `scopes` must hold each scope on which something is bound, everything above it, and each organization managed by a
/// team on which something is bound.
#[derive(Debug)]
pub struct ActorFacts {
    actor: u128,
    suspended: bool,
    teams: Vec<u128>,
    /// Sorted by subject.
    bindings: Vec<Binding>,
    known: KnownScopes,
}

impl ActorFacts {
    /// `teams` are those whose membership the actor has accepted, `bindings` those of the actor and of these teams;
    /// bindings of anybody else change nothing.
    #[must_use]
    pub fn new(
        actor: u128,
        suspended: bool,
        mut teams: Vec<u128>,
        mut bindings: Vec<Binding>,
        scopes: FxHashMap<Scope, ScopeFact>,
    ) -> Self {
        teams.sort_unstable();
        bindings.sort_by_key(|binding| binding.subject);
        Self { actor, suspended, teams, bindings, known: KnownScopes::new(scopes) }
    }

    /// What is known of the scopes that the actor's own bindings bring into play.
    #[must_use]
    pub fn scopes(&self) -> &FxHashMap<Scope, ScopeFact> {
        &self.known.scopes
    }

    /// How many bindings and scopes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bindings.len() + self.known.scopes.len()
    }
}

/// Everything that a question about one actor may touch.
///
/// It must know each scope that is asked about or bound, everything above it, each organization managed by a team on
/// which something is bound, and the scope that a key is narrowed to. A scope whose way up to the console is not known
/// grants nothing and is granted nothing. The console itself is always known.
#[derive(Debug, Clone)]
pub struct Facts {
    now: i64,
    actor: Arc<ActorFacts>,
    /// What this question is about. It is believed before what is known of the actor.
    more: KnownScopes,
    narrowing: Option<Narrowing>,
}

impl Facts {
    /// The facts of a question about nothing but these scopes. As [`ActorFacts::new`]; `now` is in Unix milliseconds.
    #[must_use]
    pub fn new(
        now: i64,
        actor: u128,
        actor_suspended: bool,
        teams: Vec<u128>,
        bindings: Vec<Binding>,
        scopes: FxHashMap<Scope, ScopeFact>,
    ) -> Self {
        let actor = ActorFacts::new(actor, actor_suspended, teams, bindings, scopes);
        Self::about(now, Arc::new(actor), FxHashMap::default())
    }

    /// The facts of a question about these scopes too, which is cheap: what is known of the actor is shared. `now` is
    /// in Unix milliseconds.
    #[must_use]
    pub fn about(now: i64, actor: Arc<ActorFacts>, scopes: FxHashMap<Scope, ScopeFact>) -> Self {
        Self { now, actor, more: KnownScopes::new(scopes), narrowing: None }
    }

    /// The same question, asked with a key that carries no more than this (rule 11).
    #[must_use]
    pub fn with_narrowing(mut self, narrowing: Narrowing) -> Self {
        self.narrowing = Some(narrowing);
        self
    }

    /// The moment of the question, in Unix milliseconds.
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> u128 {
        self.actor.actor
    }

    pub(super) const fn narrowing(&self) -> Option<Narrowing> {
        self.narrowing
    }

    pub(super) fn actor_suspended(&self) -> bool {
        self.actor.suspended
    }

    pub(super) fn teams(&self) -> &[u128] {
        &self.actor.teams
    }

    pub(super) fn is_member(&self, team: u128) -> bool {
        self.teams().binary_search(&team).is_ok()
    }

    pub(super) fn bindings_of(&self, subject: Subject) -> &[Binding] {
        run(&self.actor.bindings, |binding| binding.subject, subject)
    }

    fn fact(&self, scope: Scope) -> Option<&ScopeFact> {
        self.more.scopes.get(&scope).or_else(|| self.actor.known.scopes.get(&scope))
    }

    pub(super) fn parent(&self, scope: Scope) -> Option<Scope> {
        let parent = self.fact(scope)?.parent?;
        (parent == Scope::Console || self.fact(parent).is_some()).then_some(parent)
    }

    pub(super) fn lineage(&self, scope: Scope) -> Lineage {
        Lineage::new(scope, |at| self.fact(at)?.parent)
    }

    /// The lower of two scopes of which one is the other or lies below it.
    pub(super) fn lower(&self, one: Scope, other: Scope) -> Option<Scope> {
        if self.lineage(one).contains(other) {
            return Some(one);
        }
        self.lineage(other).contains(one).then_some(other)
    }

    /// The kind of an environment; other scopes have none.
    pub(super) fn kind(&self, scope: Scope) -> Option<EnvironmentKind> {
        let environment = matches!(scope, Scope::Environment(_)).then_some(scope)?;
        self.fact(environment).map(|fact| fact.kind)
    }

    pub(super) fn is_frozen(&self, scope: Scope) -> bool {
        matches!(scope, Scope::Environment(_)) && self.fact(scope).is_some_and(|fact| fact.frozen)
    }

    /// The suspended organizations: few, so that nobody has to look whether each scope lies in one.
    pub(super) fn suspended(&self) -> impl Iterator<Item = Scope> {
        let listed = self.more.suspended.iter().chain(&self.actor.known.suspended).copied();
        listed.filter(|&organization| self.fact(organization).is_some_and(|fact| fact.suspended))
    }

    pub(super) fn manages(&self, team: u128, organization: Scope) -> bool {
        matches!(organization, Scope::Organization(_))
            && self.fact(organization).is_some_and(|fact| fact.managing_team == Some(team))
    }

    /// The organizations that a team manages; other scopes manage none.
    pub(super) fn managed_by(&self, scope: Scope) -> impl Iterator<Item = Scope> {
        let team = if let Scope::Team(team) = scope { Some(team) } else { None };
        team.into_iter().flat_map(move |team| {
            let listed = self.more.managed_by(team).iter().chain(self.actor.known.managed_by(team));
            listed.map(|&(_, organization)| organization).filter(move |&each| self.manages(team, each))
        })
    }
}

/// Scopes, and what the organizations among them are looked up by.
#[derive(Debug, Clone)]
struct KnownScopes {
    scopes: FxHashMap<Scope, ScopeFact>,
    /// Sorted.
    managed: Vec<(u128, Scope)>,
    suspended: Vec<Scope>,
}

impl KnownScopes {
    fn new(scopes: FxHashMap<Scope, ScopeFact>) -> Self {
        let (mut managed, mut suspended) = (Vec::new(), Vec::new());
        for (&scope, fact) in scopes.iter().filter(|(scope, _)| matches!(scope, Scope::Organization(_))) {
            managed.extend(fact.managing_team.map(|team| (team, scope)));
            suspended.extend(fact.suspended.then_some(scope));
        }
        managed.sort_unstable();
        Self { scopes, managed, suspended }
    }

    fn managed_by(&self, team: u128) -> &[(u128, Scope)] {
        run(&self.managed, |each| each.0, team)
    }
}

/// The elements with this key, of elements that are sorted by it.
fn run<T, K: Ord>(sorted: &[T], key: impl Fn(&T) -> K, wanted: K) -> &[T] {
    let start = sorted.partition_point(|each| key(each) < wanted);
    let rest = sorted.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|each| key(each) <= wanted)).unwrap_or_default()
}
