//! What actors hold, remembered for reads as long as it is true: of the newest epoch that is known, confirmed less than a second
//! ago, and within the time windows that it was derived in. Writes never look here. It knows no rule: the program derives, and
//! this keeps what was derived.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustc_hash::FxHashMap;

use entities::ids::UserId;

use super::epoch::{FRESH, Snapshot};
use super::facts::{self, ActorFacts, ScopeFacts};
use super::{Store, role};
use crate::authz::{
    Authority, Capability, Decided, Decision, Facts, Held, Mask, Narrowing, Packs, Scope, Sight, Visible, explain,
};
use crate::error::{Error, Result};
use crate::sys::clock;

/// Bindings and scopes that are remembered, of all actors together; each takes some hundred bytes.
const MOST_FACTS: u64 = 500_000;
/// Scopes that are remembered of one actor, beyond which they are read anew.
const MOST_SCOPES: usize = 10_000;
/// How long reading facts may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is remembered of all actors; one for a process.
pub struct Standings {
    /// By actor, and by what their key carries at most.
    remembered: Cache<Holder, Arc<Standing>, Weight>,
}

/// An actor, and what their key carries at most.
type Holder = (UserId, Option<Narrowing>);

#[derive(Clone)]
struct Weight;

impl Weighter<Holder, Arc<Standing>> for Weight {
    fn weight(&self, _: &Holder, standing: &Arc<Standing>) -> u64 {
        1 + standing.actor.size()
    }
}

/// What one actor holds, as of one epoch.
pub struct Standing {
    epoch: i64,
    packs: Arc<Packs>,
    actor: ActorFacts,
    /// The actor's own facts: where they are bound, and what lies above.
    own: Facts,
    authority: Authority,
    learned: Mutex<Learned>,
}

/// What questions have brought up. It is of the same epoch: whatever is kept of a scope changes by writes that begin another.
#[derive(Default)]
struct Learned {
    /// None where there is no such scope.
    scopes: FxHashMap<Scope, Option<crate::authz::ScopeFact>>,
    decided: FxHashMap<Scope, Decided>,
}

/// A standing for one request: every part of one answer rests on the same, for less than a second.
#[derive(Clone)]
pub struct Pinned {
    /// The standing.
    pub standing: Arc<Standing>,
    until: Instant,
}

impl Pinned {
    /// Whether it may still be used.
    #[must_use]
    pub fn holds(&self) -> bool {
        clock::instant() < self.until && self.standing.is_in_time()
    }
}

impl Default for Standings {
    /// Nothing is remembered yet.
    fn default() -> Self {
        Self { remembered: Cache::with_weighter(1_000, MOST_FACTS, Weight) }
    }
}

impl Standings {
    /// What the actor holds, with what is known of these scopes.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or the policy epoch cannot be learned.
    pub async fn of(
        &self,
        store: &Store,
        actor: UserId,
        narrowing: Option<Narrowing>,
        pinned: Option<Pinned>,
        scopes: &[Scope],
    ) -> Result<Pinned> {
        let holder = (actor, narrowing);
        let held = match pinned.filter(Pinned::holds) {
            Some(pinned) => Some(pinned),
            None => self.remembered(store, holder).await?,
        };
        // One that has grown too large is let go; whoever has it in hand may end with it.
        let held = held.filter(|held| held.standing.lock().scopes.len() <= MOST_SCOPES);
        let missing = held.as_ref().map(|held| held.standing.missing(scopes));
        if let (Some(held), Some([])) = (&held, missing.as_deref()) {
            return Ok(held.clone());
        }
        let read = async {
            let snapshot = store.snapshot().await?;
            if let (Some(held), Some(missing)) = (held, missing)
                && held.standing.epoch == snapshot.epoch
            {
                held.standing.learn(&facts::of_scopes(&snapshot, &missing).await?, &missing);
                snapshot.end().await?;
                return Ok(held);
            }
            self.read(snapshot, holder, scopes).await
        };
        let late = || Error::Unavailable("the database takes too long to answer; try again in a moment".to_owned());
        tokio::time::timeout(PATIENCE, read).await.map_err(|_| late())?
    }

    /// What is remembered of the actor and may be used at once, without asking anybody: the epoch is known and confirmed.
    #[must_use]
    pub fn recall(&self, store: &Store, actor: UserId, narrowing: Option<Narrowing>) -> Option<Pinned> {
        let confirmed = store.confirmed()?;
        let standing = self.remembered.get(&(actor, narrowing))?;
        let holds = standing.epoch == confirmed.epoch && standing.is_in_time();
        holds.then_some(Pinned { standing, until: confirmed.until })
    }

    async fn remembered(&self, store: &Store, holder: Holder) -> Result<Option<Pinned>> {
        let Some(standing) = self.remembered.get(&holder) else { return Ok(None) };
        let confirmed = store.epoch().await?;
        let holds = standing.epoch == confirmed.epoch && standing.is_in_time();
        Ok(holds.then_some(Pinned { standing, until: confirmed.until }))
    }

    async fn read(&self, snapshot: Snapshot, holder: Holder, scopes: &[Scope]) -> Result<Pinned> {
        let (epoch, asked) = (snapshot.epoch, snapshot.asked);
        let packs = role::packs(&snapshot).await?;
        let facts = facts::of_actor(&snapshot, &packs, holder.0, holder.1).await?;
        let about = facts::of_scopes(&snapshot, scopes).await?;
        snapshot.end().await?;
        let standing = Arc::new(Standing::derive(epoch, packs, facts));
        standing.learn(&about, scopes);
        let older = self.remembered.get(&holder).is_none_or(|before| before.epoch <= epoch);
        if older {
            self.remembered.insert(holder, standing.clone());
        }
        Ok(Pinned { standing, until: asked + FRESH })
    }
}

impl Standing {
    fn derive(epoch: i64, packs: Arc<Packs>, actor: ActorFacts) -> Self {
        let own = actor.about(&ScopeFacts::default());
        let authority = Authority::of(&own, &packs);
        let standing = Self { epoch, packs, actor, own, authority, learned: Mutex::default() };
        standing.learn(standing.actor.scopes(), &[]);
        standing
    }

    /// The epoch that it is of.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The first moment, in Unix milliseconds, at which a time window opens or closes.
    #[must_use]
    pub fn valid_until(&self) -> Option<i64> {
        self.authority.valid_until()
    }

    fn is_in_time(&self) -> bool {
        self.valid_until().is_none_or(|moment| clock::now().timestamp_millis() < moment)
    }

    /// What the actor holds.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The roles that it was derived with.
    #[must_use]
    pub fn packs(&self) -> &Arc<Packs> {
        &self.packs
    }

    /// Where the actor holds `C`.
    #[must_use]
    pub fn visible<C: Held>(&self) -> Visible<C> {
        Visible::judge(&self.authority, &self.own)
    }

    /// What the actor may view.
    #[must_use]
    pub fn sight(&self) -> Sight {
        Sight::judge(&self.authority, &self.own)
    }

    /// The facts that a decision about these scopes needs. They have to be among those that the standing was asked for with.
    #[must_use]
    pub fn facts(&self, scopes: &[Scope]) -> Facts {
        let narrowed = self.actor.narrowing().and_then(|narrowing| narrowing.scope);
        let known = self.chains(&[scopes, narrowed.as_slice()].concat());
        Facts::new(self.own.now(), self.own.actor(), false, Vec::new(), Vec::new(), known)
    }

    /// What the actor holds on each of these scopes; each is derived once.
    #[must_use]
    pub fn masks(&self, scopes: &[Scope]) -> FxHashMap<Scope, Mask> {
        self.decided(scopes).into_iter().map(|decided| (decided.scope(), decided.held())).collect()
    }

    /// What was decided about each of these scopes; each is derived once.
    #[must_use]
    pub fn decided(&self, scopes: &[Scope]) -> Vec<Decided> {
        let mut open = Vec::new();
        let mut all: Vec<Decided> = {
            let learned = self.lock();
            let known = |scope: &Scope| {
                let known = learned.decided.get(scope).copied();
                if known.is_none() {
                    open.push(*scope);
                }
                known
            };
            scopes.iter().filter_map(known).collect()
        };
        if !open.is_empty() {
            let decided = Decided::judge(&self.authority, &self.facts(&open), &open);
            self.lock().decided.extend(decided.iter().map(|one| (one.scope(), *one)));
            all.extend(decided);
        }
        all
    }

    /// What was decided about a scope before; none when it was never asked about.
    #[must_use]
    pub fn recall(&self, scope: Scope) -> Option<Decided> {
        self.lock().decided.get(&scope).copied()
    }

    /// Why the actor may or may not do something.
    #[must_use]
    pub fn explain(&self, capability: Capability, scope: Scope) -> Decision {
        explain(&self.actor.about(&self.chains(&[scope])), &self.packs, capability, scope)
    }

    /// Those of these scopes of which nothing is known yet.
    fn missing(&self, scopes: &[Scope]) -> Vec<Scope> {
        let learned = self.lock();
        let unknown = |scope: &Scope| *scope != Scope::Console && !learned.scopes.contains_key(scope);
        scopes.iter().copied().filter(unknown).collect()
    }

    /// Takes facts of the same epoch; those that were asked for and are not among them do not exist.
    fn learn(&self, found: &ScopeFacts, asked: &[Scope]) {
        let mut learned = self.lock();
        learned.scopes.extend(asked.iter().map(|scope| (*scope, None)));
        learned.scopes.extend(found.iter().map(|(scope, fact)| (*scope, Some(*fact))));
    }

    /// What is known of these scopes and of all above them.
    fn chains(&self, scopes: &[Scope]) -> ScopeFacts {
        let learned = self.lock();
        let mut known = ScopeFacts::default();
        for scope in scopes {
            let mut at = Some(*scope);
            while let Some(scope) = at {
                let Some(Some(fact)) = learned.scopes.get(&scope) else { break };
                if known.insert(scope, *fact).is_some() {
                    break;
                }
                at = fact.parent;
            }
        }
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
