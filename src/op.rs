//! One operation of one actor: who asks, under which request id, and the only way to a permit. Entry points make it; services
//! take it first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use entities::ids::{EnvironmentId, SessionId, UserId};

use crate::audit::Entry;
use crate::authz::{
    Authority, Capability, Decided, Decision, Facts, Held, Kinds, Mask, Packs, Permit, Scope, Sight, Visible, explain,
};
use crate::error::{Error, Result};
use crate::store::facts;
use crate::store::standing::{Pinned, Standing, Standings};
use crate::store::{Store, Write};
use crate::store::{population, role};

mod actor;
mod target;

pub use actor::Actor;
pub use target::{Target, name, scope_name};
use target::{explained_on, judged_on, unseen, view};

/// One operation.
pub struct Op {
    actor: Actor,
    request_id: String,
    store: Store,
    standings: Arc<Standings>,
    /// What the actor holds, the same for every read until a change begins. Whoever needs it first reads it, the others wait.
    pinned: Mutex<Option<Pinned>>,
    /// How often something was begun after which what was read before may not hold any more.
    changes: AtomicU64,
}

impl Op {
    /// An operation of `actor`; it counts the statements that it runs on `store`, which was made to count.
    pub fn new(actor: Actor, request_id: String, store: Store, standings: Arc<Standings>) -> Self {
        Self { actor, request_id, store, standings, pinned: Mutex::default(), changes: AtomicU64::new(0) }
    }

    /// Who asks.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody is signed in.
    pub fn user(&self) -> Result<UserId> {
        self.actor.user()
    }

    /// Who asks, in which session: for what no key may do.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody is signed in; `FailedPrecondition` by a key.
    pub fn session(&self) -> Result<(UserId, SessionId)> {
        self.actor.session()
    }

    /// Who asks, with all that they are: for what no capability stands for, so that no narrowed key carries it.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody is signed in; `FailedPrecondition` by a key that is narrowed.
    pub fn oneself(&self) -> Result<UserId> {
        self.actor.oneself()
    }

    /// Who asks, as it was established.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// Names the request in logs and answers.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The store, for reads against a permit.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Statements that were run for it so far; the beginning and the end of a transaction are none.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.store.statements()
    }

    /// Grows whenever what was read before may not hold any more: what is kept of answers goes by it.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// What was read before may not hold any more. Whoever changes something need not say so.
    pub fn renew(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a change.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write(&self, operation: &'static str) -> Result<Write> {
        self.renew();
        let actor = self.user().ok();
        self.store.write(Entry::new(operation, actor, self.request_id.clone())).await
    }

    /// Begins a change of authority itself: of bindings, memberships, the hierarchy or the kind of an environment.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write_access(&self, operation: &'static str) -> Result<Write> {
        self.renew();
        let actor = self.user().ok();
        self.store.write_access(Entry::new(operation, actor, self.request_id.clone())).await
    }

    /// The proof that the actor holds `C` on `target`, for a read.
    ///
    /// # Errors
    /// `NotFound` when the actor may not view it, `Forbidden` when it may, but lacks `C`; `Unauthenticated`.
    pub async fn permit<C: Held>(&self, target: impl Into<Target>) -> Result<Permit<C>> {
        let (user, target) = (self.user()?, target.into());
        // Whoever holds it under both kinds holds it under each.
        let (scope, _) = judged_on(&self.store, target).await?;
        let decided = match self.remembered(user, scope) {
            Some(decided) => decided,
            None => {
                let standing = self.standing(user, &[scope]).await?;
                let decided = standing.decided(&[scope]);
                if self.actor.narrowing().is_none() {
                    self.standings.keep(user, &standing, &decided);
                }
                decided.into_iter().next().ok_or_else(|| unseen(target))?
            }
        };
        let shown = is_shown(C::CAPABILITY, decided.held(), scope);
        let permit = decided.permit().filter(|_| shown);
        let permit = permit.ok_or_else(|| refusal::<C>(decided.held(), target, scope))?;
        self.store.used(user, scope, C::CAPABILITY);
        Ok(permit)
    }

    /// The proof for a read of what counts for environments of one kind or the other: it speaks for the kinds under which the
    /// actor holds `C` on the scope.
    ///
    /// # Errors
    /// As [`Op::permit`]; `Forbidden` when it is held under neither kind.
    pub async fn permit_by_kind<C: Held>(&self, scope: Scope) -> Result<Permit<C>> {
        let user = self.user()?;
        let standing = self.standing(user, &[scope]).await?;
        let held = standing.masks(&[scope]).get(&scope).copied().unwrap_or_default();
        let permit = Permit::judge_any_kind(standing.authority(), &standing.facts(&[scope]), scope);
        let permit = permit.filter(|_| is_shown(C::CAPABILITY, held, scope));
        let permit = permit.ok_or_else(|| refusal::<C>(held, scope.into(), scope))?;
        self.store.used(user, scope, C::CAPABILITY);
        Ok(permit)
    }

    /// Begins a change that needs `C` on `target`: the permit is taken on what the change's own transaction sees. A refusal
    /// is kept in the audit log, and nothing else of it.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub async fn change<C: Held>(
        &self,
        operation: &'static str,
        target: impl Into<Target>,
    ) -> Result<(Write, Permit<C>)> {
        // Nobody in particular does not get to hold a transaction open.
        self.user()?;
        self.permitted(self.write(operation).await?, target.into(), Permit::judge).await
    }

    /// The same for a change of authority itself: of bindings, memberships or the hierarchy.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub async fn change_access<C: Held>(
        &self,
        operation: &'static str,
        target: impl Into<Target>,
    ) -> Result<(Write, Permit<C>)> {
        self.user()?;
        self.permitted(self.write_access(operation).await?, target.into(), Permit::judge).await
    }

    /// The same for a change of an environment's kind: `C` has to be held under the kind that it has and under the kind
    /// that it would have.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub async fn change_kind<C: Held>(&self, operation: &'static str, id: EnvironmentId) -> Result<(Write, Permit<C>)> {
        self.user()?;
        self.permitted(self.write_access(operation).await?, id.into(), Permit::judge_both_kinds).await
    }

    /// The proof that a change may be begun, for what has to be looked up before; a refusal is kept as one of the change.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub async fn permit_to_begin<C: Held>(
        &self,
        operation: &'static str,
        target: impl Into<Target>,
    ) -> Result<Permit<C>> {
        let target = target.into();
        match self.permit(target).await {
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => {
                self.change(operation, target).await.map(|(_, permit)| permit)
            }
            answer => answer,
        }
    }

    async fn permitted<C: Held>(&self, mut write: Write, target: Target, rule: Rule<C>) -> Result<(Write, Permit<C>)> {
        write.entry().subject = Some(name(target));
        match self.judge_in(&mut write, target, rule).await {
            Ok(permit) => Ok((write, permit)),
            Err(error) => {
                if matches!(error, Error::Forbidden { .. } | Error::NotFound { .. }) {
                    write.refuse(&self.store).await?;
                }
                Err(error)
            }
        }
    }

    /// The proof that the actor holds `C` on `target`, as a change that is under way sees it: for the parts of a change
    /// that is made of several. Whoever made the change keeps the refusal.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub async fn permit_in<C: Held>(&self, write: &mut Write, target: impl Into<Target>) -> Result<Permit<C>> {
        self.judge_in(write, target.into(), Permit::judge).await
    }

    /// Judges as the change sees it, and tells the audit log what decided: the scope, and the bindings that give it or what
    /// stands against it.
    async fn judge_in<C: Held>(&self, write: &mut Write, target: Target, rule: Rule<C>) -> Result<Permit<C>> {
        let user = self.user()?;
        let (scope, kinds) = judged_on(write, target).await?;
        let packs = role::packs(write).await?;
        let mut known = facts::of_scopes(write, &[scope]).await?;
        let explained = explained_on(scope, kinds, &mut known);
        let facts = facts::of_actor(write, &packs, user, self.actor.narrowing()).await?.about(&known);
        let there = scope == Scope::Console || known.contains_key(&scope);
        if there || matches!(target, Target::Scope(_)) {
            write.concerns(scope, &known);
        }
        let decision = there.then(|| explain(&facts, &packs, C::CAPABILITY, explained));
        let verdict = judge(&Authority::of(&facts, &packs), &facts, target, (scope, kinds), rule);
        match &verdict {
            Ok(_) => {
                write.entry().is_allowed_by(decision.as_ref());
                self.store.used(user, scope, C::CAPABILITY);
            }
            Err(_) => write.entry().is_refused_for(C::CAPABILITY, decision.as_ref()),
        }
        verdict
    }

    /// Where the actor holds `C`; nowhere for nobody.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn visible<C: Held>(&self) -> Result<Visible<C>> {
        match self.user() {
            Ok(user) => Ok(self.standing(user, &[]).await?.visible()),
            Err(_) => Ok(Visible::nothing()),
        }
    }

    /// What the actor may view, of every kind of scope.
    ///
    /// # Errors
    /// `Unauthenticated`; `Unavailable` when the database does not answer.
    pub async fn sight(&self) -> Result<Sight> {
        Ok(self.standing(self.user()?, &[]).await?.sight())
    }

    /// What the actor holds on each of these scopes: one derivation, a constant number of statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn masks(&self, scopes: &[Scope]) -> Result<rustc_hash::FxHashMap<Scope, Mask>> {
        match self.user() {
            Ok(user) => Ok(self.standing(user, scopes).await?.masks(scopes)),
            Err(_) => Ok(scopes.iter().map(|scope| (*scope, Mask::EMPTY)).collect()),
        }
    }

    /// Why somebody may or may not do something, and the roles that this is told with. Whether the asker may ask is decided
    /// by the caller.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn explain(
        &self,
        subject: UserId,
        capability: Capability,
        scope: Scope,
    ) -> Result<(Decision, Arc<Packs>)> {
        let standing = if self.user().is_ok_and(|user| user == subject) {
            self.standing(subject, &[scope]).await?
        } else {
            self.standings.of(&self.store, subject, None, None, &[scope]).await?.standing
        };
        Ok((standing.explain(capability, scope), standing.packs().clone()))
    }

    /// The first moment, in Unix milliseconds, at which what the actor holds changes by itself.
    ///
    /// # Errors
    /// `Unauthenticated`; `Unavailable` when the database does not answer.
    pub async fn valid_until(&self) -> Result<Option<i64>> {
        Ok(self.standing(self.user()?, &[]).await?.valid_until())
    }

    /// The facts of this actor about what is given on a scope, as a change sees them: with every place where it may land.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn facts_about_gift(&self, write: &Write, packs: &Packs, scope: Scope) -> Result<Facts> {
        self.facts_about_gifts(write, packs, &[scope]).await
    }

    /// The same for what is given on several scopes.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn facts_about_gifts(&self, write: &Write, packs: &Packs, scopes: &[Scope]) -> Result<Facts> {
        let actor = facts::of_actor(write, packs, self.user()?, self.actor.narrowing()).await?;
        let landing: Vec<Scope> = population::landing(write, scopes).await?.into_iter().collect();
        Ok(actor.about(&facts::of_scopes(write, &landing).await?))
    }

    /// What was decided about the scope before, for reads, while it holds.
    fn remembered(&self, user: UserId, scope: Scope) -> Option<Decided> {
        let whole = self.changes() == 0 && self.actor.narrowing().is_none();
        whole.then(|| self.standings.decision(&self.store, user, scope)).flatten()
    }

    /// What the actor holds, for reads; until a change begins, the same whenever it is asked.
    async fn standing(&self, user: UserId, scopes: &[Scope]) -> Result<Arc<Standing>> {
        if self.changes() > 0 {
            return Ok(self.standings.of(&self.store, user, self.actor.narrowing(), None, scopes).await?.standing);
        }
        let mut pinned = self.pinned.lock().await;
        let found = self.standings.of(&self.store, user, self.actor.narrowing(), pinned.take(), scopes).await?;
        *pinned = Some(found.clone());
        Ok(found.standing)
    }
}

/// How a permit is judged.
type Rule<C> = fn(&Authority, &Facts, Scope, Kinds) -> Option<Permit<C>>;

/// The permit, or the refusal that the actor may learn: what it may not view does not exist.
fn judge<C: Held>(
    authority: &Authority,
    facts: &Facts,
    target: Target,
    (scope, kinds): (Scope, Kinds),
    rule: Rule<C>,
) -> Result<Permit<C>> {
    let held = authority.decide_by_kind(facts, &[scope]).get(&scope).map_or(Mask::EMPTY, |masks| masks.on(kinds));
    if is_shown(C::CAPABILITY, held, scope)
        && let Some(permit) = rule(authority, facts, scope, kinds)
    {
        return Ok(permit);
    }
    Err(refusal::<C>(held, target, scope))
}

/// What is judged on another kind of scope, and held here because of where it is bound, does not show what is here.
fn is_shown(capability: Capability, held: Mask, scope: Scope) -> bool {
    capability.level() == scope.level() || held.contains(scope.view())
}

/// The refusal that somebody may learn who holds this on the target's scope: what they may not view does not exist.
fn refusal<C: Held>(held: Mask, target: Target, scope: Scope) -> Error {
    let view = view(target, scope);
    if is_shown(view, held, scope) && held.contains(view) {
        Error::Forbidden { capability: C::CAPABILITY, resource: name(target) }
    } else {
        unseen(target)
    }
}
