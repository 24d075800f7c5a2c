//! When each user last used a capability on a scope. Uses are noted in memory, where they are in nobody's way, and written
//! now and then: what is written may be a few seconds old, and what was noted since the last time is lost in a crash.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use rustc_hash::{FxHashMap, FxHashSet};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::Notify;
use uuid::Uuid;

use entities::capability_use::{ActiveModel, Column, Entity};
use entities::ids::{Id, UserId};
use entities::{environment, project, user};

use super::source::Connected;
use super::{Source, Store, Write, facts, sql, visible};
use crate::authz::{Capability, Held, Permit, Scope, Sight, cap};
use crate::error::Result;
use crate::sys::clock;

/// Uses that are kept in memory at most, some hundred bytes each; what comes on top while the database does not take any is
/// not noted.
const MOST: usize = 8_192;
/// So many are written without waiting for the next time.
const MANY: usize = MOST / 2;
/// Rows of one statement: five values each, and SQLite takes 32,766.
const BATCH: usize = 1_000;

type Key = (UserId, Scope, Capability);

/// Uses that are not written yet.
#[derive(Default)]
pub(super) struct Uses {
    noted: Mutex<FxHashMap<Key, DateTime<Utc>>>,
    filling: Notify,
}

impl Uses {
    fn noted(&self) -> MutexGuard<'_, FxHashMap<Key, DateTime<Utc>>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, key: Key, at: DateTime<Utc>) {
        let mut noted = self.noted();
        let room = noted.len() < MOST;
        match noted.get_mut(&key) {
            Some(last) => *last = Ord::max(at, *last),
            None if room => {
                noted.insert(key, at);
            }
            None => {}
        }
        if noted.len() >= MANY {
            self.filling.notify_one();
        }
    }
}

/// A use of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Who.
    pub user: UserId,
    /// Where it was used.
    pub scope: Scope,
    /// What.
    pub capability: Capability,
    /// When it was last used there, to a few seconds.
    pub last_used_at: DateTime<Utc>,
}

/// The last use of a capability, wherever it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// Who.
    pub user: UserId,
    /// What.
    pub capability: Capability,
    /// When, to a few seconds.
    pub last_used_at: DateTime<Utc>,
}

impl Store {
    /// Notes that a user has used a capability now; it costs no statement.
    pub fn used(&self, user: UserId, scope: Scope, capability: Capability) {
        self.uses.note((user, scope, capability), clock::now());
    }

    /// Waits until there is so much to write that it should not wait.
    pub async fn uses_fill_up(&self) {
        self.uses.filling.notified().await;
    }

    /// Writes what was noted; what cannot be written now is kept for the next time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn write_uses(&self) -> Result<()> {
        let mut uses: Vec<(Key, DateTime<Utc>)> = std::mem::take(&mut *self.uses.noted()).into_iter().collect();
        // Always in the same order: two replicas that write the same rows cannot lock each other out.
        uses.sort_unstable_by_key(|((user, scope, capability), _)| (*user, scope.uuid(), *capability));
        for (at, batch) in uses.chunks(BATCH).enumerate() {
            if let Err(error) = keep(self, batch).await {
                uses.iter().skip(at * BATCH).for_each(|(key, at)| self.uses.note(*key, *at));
                return Err(error);
            }
        }
        Ok(())
    }
}

async fn keep(store: &Store, uses: &[(Key, DateTime<Utc>)]) -> Result<()> {
    // Somebody may be gone in the meantime, and must not hold up the others.
    let users: FxHashSet<Uuid> = uses.iter().map(|((user, ..), _)| user.uuid()).collect();
    let there = user::Entity::find().select_only().column(user::Column::Id).filter(user::Column::Id.is_in(users));
    let there: Vec<UserId> = there.into_tuple().all(&store.db).await.map_err(sql)?;
    let there: FxHashSet<UserId> = there.into_iter().collect();
    let rows = uses.iter().filter(|((user, ..), _)| there.contains(user));
    let rows: Vec<ActiveModel> =
        rows.map(|((user, scope, capability), at)| row(*user, *scope, *capability, *at)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let newer = Expr::col(("excluded", Column::LastUsedAt)).gt(Expr::col((Entity, Column::LastUsedAt)));
    let once = OnConflict::columns([Column::UserId, Column::ScopeId, Column::Capability])
        .update_column(Column::LastUsedAt)
        .action_and_where(newer)
        .to_owned();
    Entity::insert_many(rows).on_conflict(once).exec_without_returning(&store.db).await.map_err(sql)?;
    Ok(())
}

fn row(user: UserId, scope: Scope, capability: Capability, at: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        user_id: Set(user),
        scope_kind: Set(facts::scope_kind(scope)),
        scope_id: Set(scope.uuid()),
        capability: Set(capability.name().to_owned()),
        last_used_at: Set(at),
    }
}

/// Capabilities that let somebody know what others have used: of those who may see the people of a scope, or its log.
pub trait Review: Held {}
impl Review for cap::MemberView {}
impl Review for cap::AuditView {}

/// What these users have used on the scope that the permit speaks for, and anywhere below it, each capability once.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn last_used<C: Review>(source: &impl Source, permit: &Permit<C>, users: &[UserId]) -> Result<Vec<LastUse>> {
    let select = Entity::find()
        .select_only()
        .columns([Column::UserId, Column::Capability])
        .column_as(Column::LastUsedAt.max(), "last_used_at")
        .filter(Column::UserId.is_in(users.iter().map(|user| user.uuid())))
        .filter(within(permit.scope()))
        .group_by(Column::UserId)
        .group_by(Column::Capability);
    let rows: Vec<(UserId, String, DateTime<Utc>)> = select.into_tuple().all(source.connection()).await.map_err(sql)?;
    // A capability that this version does not know is nobody's any more.
    let known = |(user, name, last_used_at): (UserId, String, DateTime<Utc>)| {
        Some(LastUse { user, capability: Capability::parse(&name)?, last_used_at })
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// What these users have used on the scope that the permit speaks for, and on each scope below it that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_each_scope<C: Review>(
    source: &impl Source,
    permit: &Permit<C>,
    sight: &Sight,
    users: &[UserId],
) -> Result<Vec<Use>> {
    let select = Entity::find()
        .filter(Column::UserId.is_in(users.iter().map(|user| user.uuid())))
        .filter(within(permit.scope()))
        .filter(visible::seen(permit.scope(), sight, Column::ScopeId));
    let rows = select.all(source.connection()).await.map_err(sql)?;
    let known = |row: entities::capability_use::Model| {
        Some(Use {
            user: row.user_id,
            scope: facts::scope(row.scope_kind, row.scope_id),
            capability: Capability::parse(&row.capability)?,
            last_used_at: row.last_used_at,
        })
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Forgets what was used on scopes that are going away.
pub(super) async fn remove_at(write: &mut Write, scopes: &[Uuid]) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::ScopeId.is_in(scopes.iter().copied()));
    gone.exec(write.connection()).await.map_err(sql)?;
    Ok(())
}

/// On the scope or below it.
fn within(scope: Scope) -> Condition {
    let key = scope.uuid();
    let here = Condition::any().add(Column::ScopeId.eq(key));
    let in_projects = |projects: SelectStatement| Column::ScopeId.in_subquery(environments_of(projects));
    match scope {
        Scope::Console => Condition::all(),
        Scope::Team(_) | Scope::Environment(_) => here,
        Scope::Project(_) => here.add(in_projects(projects(project::Column::Id, key))),
        Scope::Organization(_) => {
            let of_organization = || projects(project::Column::OrganizationId, key);
            here.add(Column::ScopeId.in_subquery(of_organization())).add(in_projects(of_organization()))
        }
    }
}

fn projects(column: project::Column, key: Uuid) -> SelectStatement {
    Query::select().column(project::Column::Id).from(project::Entity).and_where(column.eq(key)).take()
}

fn environments_of(projects: SelectStatement) -> SelectStatement {
    Query::select()
        .column(environment::Column::Id)
        .from(environment::Entity)
        .and_where(environment::Column::ProjectId.in_subquery(projects))
        .take()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_latest_use_counts_and_memory_is_bounded() {
        let (uses, at) = (Uses::default(), clock::now());
        let key = |of: usize| (UserId(Uuid::from_u128(of as u128)), Scope::Console, Capability::ConsoleView);
        uses.note(key(0), at);
        uses.note(key(0), at - TimeDelta::seconds(1));
        assert_eq!(uses.noted().get(&key(0)), Some(&at));
        (0..MOST * 2).for_each(|of| uses.note(key(of), at + TimeDelta::seconds(1)));
        assert_eq!(uses.noted().len(), MOST);
        assert_eq!(uses.noted().get(&key(0)), Some(&(at + TimeDelta::seconds(1))), "what is there is kept up to date");
    }
}
