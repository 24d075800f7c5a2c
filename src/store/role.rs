//! Roles that an organization or the console made or imported, and with them every role that can be bound. Changing one is
//! a change of authority and moves the policy epoch.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use entities::ids::{Id, RoleId};
use entities::role::{Column, Entity, Model};
use entities::{binding, eligible_role, invitation, policy_epoch};

use super::source::Connected;
use super::{Source, Write, facts, page, sql, sql_or_taken};
use crate::authz::{Held, Packs, Permit, RowWords, Scope, cap};
use crate::error::{Error, Result};

/// The roles of the files, and with them those that were made, as they were when roles last changed.
pub struct Roles {
    files: Arc<Packs>,
    latest: ArcSwapOption<(i64, Arc<Packs>)>,
}

impl Roles {
    pub(super) fn new(files: Arc<Packs>) -> Self {
        Self { files, latest: ArcSwapOption::empty() }
    }

    /// The roles of the files alone.
    pub fn files(&self) -> &Arc<Packs> {
        &self.files
    }

    /// Every role, when roles have last changed at `generation`; read once for each.
    async fn at(&self, source: &impl Source, generation: i64) -> Result<Arc<Packs>> {
        if let Some(latest) = self.latest.load_full()
            && latest.0 == generation
        {
            return Ok(latest.1.clone());
        }
        let packs = Arc::new(self.read(source).await?);
        self.latest.store(Some(Arc::new((generation, packs.clone()))));
        Ok(packs)
    }

    async fn read(&self, source: &impl Source) -> Result<Packs> {
        let mut packs = Packs::clone(&self.files);
        for row in Entity::find().order_by_asc(Column::Id).all(source.connection()).await.map_err(sql)? {
            let owner = facts::scope(row.scope_kind, row.scope_id);
            let rows: Vec<_> = words(&row)?.iter().filter_map(|words| words.parse().ok()).collect();
            packs.add_made(row.id.to_string(), full_name(&row), owner, &rows);
        }
        Ok(packs)
    }
}

/// Which roles a source sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Those of the moment, whatever that is.
    Ask,
    /// Those of this generation.
    Known(i64),
    /// Some that it has changed itself and that nobody else sees yet.
    Own,
}

/// Every role that can be bound, as the source sees it. A change that has itself changed a role reads them anew.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn packs(source: &impl Source) -> Result<Arc<Packs>> {
    let generation = match source.generation() {
        Generation::Own => return Ok(Arc::new(source.roles().read(source).await?)),
        Generation::Known(generation) => generation,
        Generation::Ask => {
            let row = policy_epoch::Entity::find_by_id(1).one(source.connection()).await.map_err(sql)?;
            row.map_or(0, |row| row.roles)
        }
    };
    source.roles().at(source, generation).await
}

/// `pack/name`.
pub fn full_name(row: &Model) -> String {
    format!("{}/{}", row.pack, row.name)
}

/// What the role gives, in the words of the packs.
///
/// # Errors
/// `Internal` when the row is damaged.
pub fn words(row: &Model) -> Result<Vec<RowWords>> {
    serde_json::from_value(row.rows.clone()).map_err(|e| Error::Internal(format!("the rows of role {}: {e}", row.id)))
}

/// Adds a role to the scope that the permit speaks for.
///
/// # Errors
/// `Conflict` when the name is taken there.
pub async fn create(write: &mut Write, permit: &Permit<cap::AccessManage>, row: Model) -> Result<Model> {
    if row.scope_id != permit.key() {
        return Err(Error::Internal("a role of another scope than the permit's".to_owned()));
    }
    let name = full_name(&row);
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict(format!("a role named `{name}` exists here; choose another name")))
    })?;
    changed(write).await?;
    Ok(row)
}

/// The scope that a role belongs to, for the permit that follows.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: RoleId) -> Result<Option<Scope>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| facts::scope(row.scope_kind, row.scope_id)))
}

/// A role of the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get<C: Held>(source: &impl Source, permit: &Permit<C>, id: RoleId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::ScopeId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("role"))
}

/// Gives a role of the scope that the permit speaks for another content, if nobody has changed it since
/// `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn update(
    write: &mut Write,
    permit: &Permit<cap::AccessManage>,
    id: RoleId,
    description: Option<String>,
    rows: serde_json::Value,
    expected_version: i32,
) -> Result<Model> {
    let done = Entity::update_many()
        .col_expr(Column::Description, description.into())
        .col_expr(Column::Rows, rows.into())
        .col_expr(Column::Version, (expected_version + 1).into())
        .filter(Column::Id.eq(id))
        .filter(Column::ScopeId.eq(permit.key()))
        .filter(Column::Version.eq(expected_version))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    changed(write).await?;
    let row = get(write, permit, id).await?;
    if done.rows_affected == 1 { Ok(row) } else { Err(super::changed_meanwhile(row.version)) }
}

/// Removes a role of the scope that the permit speaks for.
///
/// # Errors
/// `FailedPrecondition` while it is bound, may be activated or is offered by an invitation.
pub async fn delete(write: &mut Write, permit: &Permit<cap::AccessManage>, id: RoleId) -> Result<()> {
    let row = get(write, permit, id).await?;
    let key = id.to_string();
    let connection = write.connection();
    let bound = binding::Entity::find().filter(binding::Column::Role.eq(&key)).one(connection).await.map_err(sql)?;
    let eligible = eligible_role::Entity::find().filter(eligible_role::Column::Role.eq(&key)).one(connection);
    let offered = invitation::Entity::find().filter(invitation::Column::Role.eq(&key)).one(connection);
    if bound.is_some() || eligible.await.map_err(sql)?.is_some() || offered.await.map_err(sql)?.is_some() {
        return Err(Error::FailedPrecondition {
            reason: "ROLE_IN_USE",
            message: format!(
                "`{}` is bound, offered or may be activated; take it from everybody first",
                full_name(&row)
            ),
        });
    }
    Entity::delete_by_id(id).exec(connection).await.map_err(sql)?;
    changed(write).await
}

/// A page of the roles of the scope that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list<C: Held>(source: &impl Source, permit: &Permit<C>, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::ScopeId.eq(permit.key())), Column::Id, page).await
}

/// The roles of one pack of the scope that the permit speaks for, by the order of their making.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_pack<C: Held>(source: &impl Source, permit: &Permit<C>, pack: &str) -> Result<Vec<Model>> {
    let select = Entity::find().filter(Column::ScopeId.eq(permit.key())).filter(Column::Pack.eq(pack));
    select.order_by_asc(Column::Id).all(source.connection()).await.map_err(sql)
}

/// Removes what belongs to scopes that are going away.
pub(super) async fn remove_at(write: &mut Write, scopes: &[uuid::Uuid]) -> Result<()> {
    let gone = Entity::delete_many().filter(Column::ScopeId.is_in(scopes.iter().copied()));
    if gone.exec(write.connection()).await.map_err(sql)?.rows_affected > 0 {
        changed(write).await?;
    }
    Ok(())
}

async fn changed(write: &mut Write) -> Result<()> {
    policy_epoch::Entity::update_many()
        .col_expr(policy_epoch::Column::Roles, Expr::col(policy_epoch::Column::Roles).add(1))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    write.note_role_change();
    write.bump_epoch().await
}

/// Where bindings name a role, and by which subjects.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn bindings_of(write: &Write, id: RoleId) -> Result<Vec<binding::Model>> {
    let select = binding::Entity::find().filter(binding::Column::Role.eq(id.to_string()));
    select.all(write.connection()).await.map_err(sql)
}

/// The id that a key names, when it names a role that was made while the program ran.
pub fn id_of(key: &str) -> Option<RoleId> {
    key.starts_with(RoleId::PREFIX).then(|| key.parse().ok()).flatten()
}
