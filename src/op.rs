//! One operation of one actor: who asks, under which request id, and the only way to a permit. Entry points make it; services
//! take it first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use entities::ids::{BindingId, DeploymentId, EnvironmentId, OrganizationId, ProjectId, SessionId, TeamId, UserId};

use crate::audit::Entry;
use crate::authz::{Authority, Capability, Decision, Facts, Held, Mask, Packs, Permit, Scope, Visible, explain};
use crate::error::{Error, Result};
use crate::store::facts::{self, ActorFacts, ScopeFacts};
use crate::store::{Source, Store, Write};
use crate::store::{population, role};

mod actor;

pub use actor::Actor;

/// What a permit is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A scope itself.
    Scope(Scope),
    /// A deployment, judged on its environment.
    Deployment(DeploymentId),
    /// A binding, judged where it sits.
    Binding(BindingId),
}

impl From<Scope> for Target {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}
impl From<DeploymentId> for Target {
    fn from(id: DeploymentId) -> Self {
        Self::Deployment(id)
    }
}
impl From<BindingId> for Target {
    fn from(id: BindingId) -> Self {
        Self::Binding(id)
    }
}

macro_rules! scopes {
    ($($id:ident => $variant:ident),*) => { $(
        impl From<$id> for Scope {
            fn from(id: $id) -> Self { Self::$variant(id.into()) }
        }
        impl From<$id> for Target {
            fn from(id: $id) -> Self { Self::Scope(id.into()) }
        }
    )* };
}
scopes!(TeamId => Team, OrganizationId => Organization, ProjectId => Project, EnvironmentId => Environment);

/// One operation.
pub struct Op {
    actor: Actor,
    request_id: String,
    store: Store,
    packs: Arc<Packs>,
    /// Facts of the actor for reads; a write reads its own, in its own transaction.
    facts: OnceCell<Arc<ActorFacts>>,
    /// A change was begun: what was read before may not hold any more.
    changing: AtomicBool,
}

impl Op {
    /// An operation of `actor`.
    pub fn new(actor: Actor, request_id: String, store: Store, packs: Arc<Packs>) -> Self {
        Self { actor, request_id, store, packs, facts: OnceCell::new(), changing: AtomicBool::new(false) }
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

    /// The role packs.
    pub fn packs(&self) -> &Arc<Packs> {
        &self.packs
    }

    /// Begins a change.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write(&self, operation: &'static str) -> Result<Write> {
        self.changing.store(true, Ordering::Relaxed);
        let actor = self.user().ok();
        self.store.write(Entry::new(operation, actor, self.request_id.clone())).await
    }

    /// Begins a change of authority itself: of bindings, memberships, the hierarchy or the kind of an environment.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write_access(&self, operation: &'static str) -> Result<Write> {
        self.changing.store(true, Ordering::Relaxed);
        let actor = self.user().ok();
        self.store.write_access(Entry::new(operation, actor, self.request_id.clone())).await
    }

    /// The proof that the actor holds `C` on `target`, for a read.
    ///
    /// # Errors
    /// `NotFound` when the actor may not view it, `Forbidden` when it may, but lacks `C`; `Unauthenticated`.
    pub async fn permit<C: Held>(&self, target: impl Into<Target>) -> Result<Permit<C>> {
        let target = target.into();
        let actor = self.actor_facts().await?;
        judge(&self.store, &self.packs, &actor, target, Permit::judge).await
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

    async fn permitted<C: Held>(&self, mut write: Write, target: Target, rule: Rule<C>) -> Result<(Write, Permit<C>)> {
        let actor = self.facts_of_actor(&write, &self.packs).await?;
        write.entry().subject = Some(name(target));
        match judge(&write, &self.packs, &actor, target, rule).await {
            Ok(permit) => {
                write.entry().scope_kind = facts::scope_kind(permit.scope());
                write.entry().scope_id = permit.key();
                Ok((write, permit))
            }
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
    pub async fn permit_in<C: Held>(&self, write: &Write, target: impl Into<Target>) -> Result<Permit<C>> {
        let packs = role::packs(write).await?;
        let actor = self.facts_of_actor(write, &packs).await?;
        judge(write, &packs, &actor, target.into(), Permit::judge).await
    }

    /// Where the actor holds `C`; nowhere for nobody.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn visible<C: Held>(&self) -> Result<Visible<C>> {
        if self.actor == Actor::Anonymous {
            return Ok(Visible::nothing());
        }
        let facts = self.actor_facts().await?.about(&ScopeFacts::default());
        Ok(Visible::judge(&Authority::of(&facts, &self.packs), &facts))
    }

    /// What the actor holds on each of these scopes: one derivation, a constant number of statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn masks(&self, scopes: &[Scope]) -> Result<rustc_hash::FxHashMap<Scope, Mask>> {
        if self.actor == Actor::Anonymous {
            return Ok(scopes.iter().map(|scope| (*scope, Mask::EMPTY)).collect());
        }
        let facts = self.actor_facts().await?.about(&facts::of_scopes(&self.store, scopes).await?);
        Ok(Authority::of(&facts, &self.packs).decide(&facts, scopes))
    }

    /// Why somebody may or may not do something. Whether the asker may ask is decided by the caller.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn explain(&self, subject: UserId, capability: Capability, scope: Scope) -> Result<Decision> {
        let actor = if self.user().is_ok_and(|user| user == subject) {
            self.facts_of_actor(&self.store, &self.packs).await?
        } else {
            facts::of_actor(&self.store, &self.packs, subject, None).await?
        };
        let facts = actor.about(&facts::of_scopes(&self.store, &[scope]).await?);
        Ok(explain(&facts, &self.packs, capability, scope))
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
        let actor = self.facts_of_actor(write, packs).await?;
        let landing: Vec<Scope> = population::landing(write, scopes).await?.into_iter().collect();
        Ok(actor.about(&facts::of_scopes(write, &landing).await?))
    }

    /// What is known of this actor, as the source sees it, and what its key carries of it.
    async fn facts_of_actor(&self, source: &impl Source, packs: &Packs) -> Result<ActorFacts> {
        facts::of_actor(source, packs, self.user()?, self.actor.narrowing()).await
    }

    async fn actor_facts(&self) -> Result<Arc<ActorFacts>> {
        let load = || async { Ok(Arc::new(self.facts_of_actor(&self.store, &self.packs).await?)) };
        if self.changing.load(Ordering::Relaxed) {
            return load().await;
        }
        self.facts.get_or_try_init(load).await.cloned()
    }
}

/// How a permit is judged.
type Rule<C> = fn(&Authority, &Facts, Scope) -> Option<Permit<C>>;

/// The permit, or the refusal that the actor may learn: what it may not view does not exist.
async fn judge<C: Held>(
    source: &impl Source,
    packs: &Packs,
    actor: &ActorFacts,
    target: Target,
    rule: Rule<C>,
) -> Result<Permit<C>> {
    let scope = match target {
        Target::Scope(scope) => Some(scope),
        Target::Deployment(id) => facts::of_deployment(source, id).await?,
        Target::Binding(id) => facts::of_binding(source, id).await?,
    };
    let Some(scope) = scope else { return Err(unseen(target)) };
    let facts = actor.about(&facts::of_scopes(source, &[scope]).await?);
    let authority = Authority::of(&facts, packs);
    if let Some(permit) = rule(&authority, &facts, scope) {
        return Ok(permit);
    }
    let view = match target {
        Target::Scope(scope) => scope.view(),
        Target::Deployment(_) => Capability::DeploymentView,
        Target::Binding(_) => Capability::MemberView,
    };
    if authority.allows(&facts, scope, view) {
        Err(Error::Forbidden { capability: C::CAPABILITY, resource: name(target) })
    } else {
        Err(unseen(target))
    }
}

fn unseen(target: Target) -> Error {
    let kind = match target {
        Target::Scope(Scope::Console) => "console",
        Target::Scope(Scope::Team(_)) => "team",
        Target::Scope(Scope::Organization(_)) => "organization",
        Target::Scope(Scope::Project(_)) => "project",
        Target::Scope(Scope::Environment(_)) => "environment",
        Target::Deployment(_) => "deployment",
        Target::Binding(_) => "binding",
    };
    Error::not_found(kind)
}

/// The id by which people know a target.
fn name(target: Target) -> String {
    match target {
        Target::Scope(scope) => scope_name(scope),
        Target::Deployment(id) => id.to_string(),
        Target::Binding(id) => id.to_string(),
    }
}

/// The id by which people know a scope.
pub fn scope_name(scope: Scope) -> String {
    match scope {
        Scope::Console => "console".to_owned(),
        Scope::Team(key) => TeamId::from(key).to_string(),
        Scope::Organization(key) => OrganizationId::from(key).to_string(),
        Scope::Project(key) => ProjectId::from(key).to_string(),
        Scope::Environment(key) => EnvironmentId::from(key).to_string(),
    }
}
