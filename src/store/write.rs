//! A transaction that carries an audit entry: the only way to change a row. The permit of a write is taken inside it, so
//! that nothing can change between the check and the use.

use std::sync::Arc;

use sea_orm::sea_query::{Expr, ExprTrait, LockType};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QuerySelect};

use entities::ids::{AuditEntryId, EnvironmentId};
use entities::values::AuditOutcome;
use entities::{audit_entry, policy_epoch};

use super::epoch::{self, Epochs};
use super::facts::{self, ScopeFacts};
use super::news::{self, News};
use super::role::{Generation, Roles};
use super::{Source, Store, source, sql};
use crate::audit::Entry;
use crate::authz::Scope;
use crate::error::{Error, Result};
use crate::sys::{clock, ids};

/// An open transaction with the entry that will tell of it. Dropped without [`Write::commit`], nothing has happened.
pub struct Write {
    tx: DatabaseTransaction,
    entry: Entry,
    epoch: i64,
    access: bool,
    roles: Arc<Roles>,
    generation: Generation,
    /// Entries of the other parts of a change that is made of several.
    others: Vec<Entry>,
    /// The epoch that this change begins.
    next: Option<i64>,
    /// Where deployments change with it.
    deployments: Vec<EnvironmentId>,
    epochs: Arc<Epochs>,
    news: Arc<News>,
}

impl source::Connected for Write {
    type Connection = DatabaseTransaction;
    fn connection(&self) -> &DatabaseTransaction {
        &self.tx
    }
    fn roles(&self) -> &Roles {
        &self.roles
    }
    fn generation(&self) -> Generation {
        self.generation
    }
}
impl Source for Write {}

impl Store {
    /// Begins a change that `entry` will tell of. It shares a lock on the policy epoch, so that no change of authority
    /// can commit between the decision taken here and this commit.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write(&self, entry: Entry) -> Result<Write> {
        self.begin(entry, LockType::Share).await
    }

    /// Begins a change of authority itself; it holds the policy epoch alone, since it will move it.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write_access(&self, entry: Entry) -> Result<Write> {
        self.begin(entry, LockType::Update).await
    }

    async fn begin(&self, entry: Entry, lock: LockType) -> Result<Write> {
        let tx = self.begin_write().await?;
        let mut select = policy_epoch::Entity::find_by_id(1);
        if self.is_postgres() {
            select = select.lock(lock);
        }
        let row = select.one(&tx).await.map_err(sql)?;
        let row = row.ok_or_else(|| Error::Internal("the policy epoch has no row".to_owned()))?;
        Ok(Write {
            tx,
            entry,
            others: Vec::new(),
            epoch: row.epoch,
            access: matches!(lock, LockType::Update),
            next: None,
            deployments: Vec::new(),
            epochs: self.epochs.clone(),
            news: self.news.clone(),
            roles: self.roles.clone(),
            generation: Generation::Known(row.roles),
        })
    }

    /// Keeps an attempt that was refused.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn record_refusal(&self, entry: Entry) -> Result<()> {
        let mut write = self.write(entry).await?;
        write.append(AuditOutcome::Refused).await?;
        write.tx.commit().await.map_err(sql)
    }
}

impl Write {
    /// The entry that will tell of this change.
    pub fn entry(&mut self) -> &mut Entry {
        &mut self.entry
    }

    /// The change goes on with another part, which is told of apart; [`Write::entry`] is about that one from now on.
    pub fn next_entry(&mut self, entry: Entry) {
        let before = std::mem::replace(&mut self.entry, entry);
        self.others.push(before);
    }

    /// Says what scope the change concerns, with what is known of it and of those above; what is said first counts.
    pub fn concerns(&mut self, scope: Scope, known: &ScopeFacts) {
        if std::mem::replace(&mut self.entry.placed, true) {
            return;
        }
        let above = |scope: Scope| known.get(&scope).and_then(|fact| fact.parent);
        let project = match scope {
            Scope::Project(_) => Some(scope),
            Scope::Environment(_) => above(scope),
            Scope::Console | Scope::Team(_) | Scope::Organization(_) => None,
        };
        let organization = if let Scope::Organization(_) = scope { Some(scope) } else { project.and_then(above) };
        self.entry.scope_kind = facts::scope_kind(scope);
        self.entry.scope_id = scope.uuid();
        self.entry.organization_id = organization.map(Scope::uuid);
        self.entry.project_id = project.map(Scope::uuid);
    }

    /// The policy epoch that decisions taken here saw.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Makes the change and its audit entry durable, both or neither. When it is one of authority, reads of this process know
    /// it at once, and other replicas are told.
    ///
    /// # Errors
    /// `Unavailable` when the database is gone; nothing has happened then.
    pub async fn commit(mut self) -> Result<()> {
        self.append(AuditOutcome::Allowed).await?;
        if self.is_postgres() {
            if let Some(epoch) = self.next {
                news::notify(&self.tx, epoch::CHANNEL, epoch.to_string()).await?;
            }
            for environment in &self.deployments {
                news::notify(&self.tx, news::CHANNEL, environment.to_string()).await?;
            }
        }
        self.tx.commit().await.map_err(sql)?;
        if let Some(epoch) = self.next {
            self.epochs.learn(epoch);
        }
        self.deployments.into_iter().for_each(|environment| self.news.deployments_changed(environment));
        Ok(())
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.tx.get_database_backend() == DbBackend::Postgres
    }

    /// Says that deployments of an environment change with this.
    pub(super) fn changes_deployments(&mut self, environment: EnvironmentId) {
        self.deployments.push(environment);
    }

    /// Takes everything back and keeps the attempt as a refused one.
    ///
    /// # Errors
    /// `Unavailable` when the database is gone.
    pub async fn refuse(self, store: &Store) -> Result<()> {
        let Self { tx, entry, epoch, .. } = self;
        tx.rollback().await.map_err(sql)?;
        let mut write = store.write(entry).await?;
        // What the decision saw, not what holds by now.
        write.epoch = epoch;
        write.append(AuditOutcome::Refused).await?;
        write.tx.commit().await.map_err(sql)
    }

    /// Says that authority derives from something else now. Every change of bindings, memberships, hierarchy or
    /// environment kind calls it in its own transaction.
    pub(super) async fn bump_epoch(&mut self) -> Result<()> {
        if !self.access {
            return Err(Error::Internal(format!(
                "`{}` changes authority outside `write_access`",
                self.entry.operation
            )));
        }
        // Nobody else can have moved it since it was locked.
        if self.next.replace(self.epoch + 1).is_some() {
            return Ok(());
        }
        policy_epoch::Entity::update_many()
            .col_expr(policy_epoch::Column::Epoch, Expr::col(policy_epoch::Column::Epoch).add(1))
            .exec(&self.tx)
            .await
            .map_err(sql)?;
        Ok(())
    }

    /// Says that roles are others here than outside.
    pub(super) fn note_role_change(&mut self) {
        self.generation = Generation::Own;
    }

    async fn append(&mut self, outcome: AuditOutcome) -> Result<()> {
        for entry in self.others.iter().chain([&self.entry]) {
            self.append_one(entry, outcome).await?;
        }
        Ok(())
    }

    async fn append_one(&self, entry: &Entry, outcome: AuditOutcome) -> Result<()> {
        let bindings = match outcome {
            AuditOutcome::Allowed if !entry.bindings.is_empty() => Some(entry.bindings.clone().into()),
            AuditOutcome::Allowed | AuditOutcome::Refused => None,
        };
        let row = audit_entry::ActiveModel {
            id: Set(ids::new::<AuditEntryId>()),
            at: Set(clock::now()),
            actor_id: Set(entry.actor),
            operation: Set(entry.operation.to_owned()),
            outcome: Set(outcome),
            scope_kind: Set(entry.scope_kind),
            scope_id: Set(entry.scope_id),
            organization_id: Set(entry.organization_id),
            project_id: Set(entry.project_id),
            subject: Set(entry.subject.clone()),
            epoch: Set(self.epoch),
            request_id: Set(entry.request_id.clone()),
            bindings: Set(bindings),
            details: Set(entry.details.clone()),
        };
        audit_entry::Entity::insert(row).exec_without_returning(&self.tx).await.map_err(sql)?;
        Ok(())
    }
}
