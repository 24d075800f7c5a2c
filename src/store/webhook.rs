//! Webhooks of projects. Their secrets are sealed before they come here.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use entities::environment;
use entities::ids::{EnvironmentId, Id, UserId, WebhookId};
use entities::webhook::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Store, Write, page, sql, visible};
use crate::authz::{Permit, Scope, Visible, cap};
use crate::error::{Error, Result};

/// Webhooks that one project may have.
const MOST: u64 = 20;

/// Adds a webhook to the project that the permit speaks for.
///
/// # Errors
/// `FailedPrecondition` when there are too many; `NotFound` when its environment is none of the project's.
pub async fn create(write: &mut Write, permit: &Permit<cap::ProjectUpdate>, row: Model) -> Result<Model> {
    if row.project_id.uuid() != permit.key() {
        return Err(Error::Internal("a webhook for another project than the permit's".to_owned()));
    }
    belongs(write, permit, row.environment_id).await?;
    let there = Entity::find().filter(Column::ProjectId.eq(permit.key())).count(write.connection()).await;
    if there.map_err(sql)? >= MOST {
        let message = format!("a project has at most {MOST} webhooks; delete one first");
        return Err(Error::FailedPrecondition { reason: "TOO_MANY_WEBHOOKS", message });
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(row)
}

async fn belongs(write: &Write, permit: &Permit<cap::ProjectUpdate>, id: Option<EnvironmentId>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let select = environment::Entity::find_by_id(id).filter(environment::Column::ProjectId.eq(permit.key()));
    select.one(write.connection()).await.map_err(sql)?.map(|_| ()).ok_or_else(super::gone("environment"))
}

/// A webhook of the project that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get(source: &impl Source, permit: &Permit<cap::ProjectUpdate>, id: WebhookId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::ProjectId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("webhook"))
}

/// Keeps what was changed of a webhook that [`get`] returned; one that is switched on begins anew.
///
/// # Errors
/// `NotFound` when it is not there, or its environment is none of the project's.
pub async fn update(write: &mut Write, permit: &Permit<cap::ProjectUpdate>, row: Model) -> Result<Model> {
    belongs(write, permit, row.environment_id).await?;
    Entity::update_many()
        .col_expr(Column::Name, Expr::value(&row.name))
        .col_expr(Column::Url, Expr::value(&row.url))
        .col_expr(Column::EnvironmentId, Expr::value(row.environment_id))
        .col_expr(Column::Events, Expr::value(row.events.clone()))
        .col_expr(Column::Active, Expr::value(row.active))
        .col_expr(Column::ActsAs, Expr::value(row.acts_as))
        .col_expr(Column::DeadInARow, Expr::value(0))
        .col_expr(Column::Problem, Expr::value(None::<String>))
        .filter(Column::Id.eq(row.id))
        .filter(Column::ProjectId.eq(permit.key()))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    get(write, permit, row.id).await
}

/// Gives a webhook another secret; the one before is kept beside it until `until`.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn rotate(
    write: &mut Write,
    permit: &Permit<cap::ProjectUpdate>,
    row: &Model,
    sealed_secret: Vec<u8>,
    until: DateTime<Utc>,
    acts_as: UserId,
) -> Result<Model> {
    Entity::update_many()
        .col_expr(Column::SealedPreviousSecret, Expr::value(row.sealed_secret.clone()))
        .col_expr(Column::PreviousUntil, Expr::value(until))
        .col_expr(Column::SealedSecret, Expr::value(sealed_secret))
        .col_expr(Column::ActsAs, Expr::value(acts_as))
        .filter(Column::Id.eq(row.id))
        .filter(Column::ProjectId.eq(permit.key()))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    get(write, permit, row.id).await
}

/// Removes a webhook of the permit's project with its deliveries.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn delete(write: &mut Write, permit: &Permit<cap::ProjectUpdate>, id: WebhookId) -> Result<Model> {
    let row = get(write, permit, id).await?;
    Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    Ok(row)
}

/// A page of the webhooks of a project: of those for one environment only those that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::ProjectUpdate>,
    seen: &Visible<cap::EnvironmentView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    let there = Column::EnvironmentId.is_null().or(Column::EnvironmentId.in_subquery(visible::environment_ids(seen)));
    let select = Entity::find().filter(Column::ProjectId.eq(permit.key())).filter(there);
    page::read(source, select, Column::Id, page).await
}

/// The project on which a webhook is judged.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: WebhookId) -> Result<Option<Scope>> {
    Ok(find(source, id).await?.map(|row| row.project_id.into()))
}

/// A webhook, for sending.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: WebhookId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Switches a webhook off that cannot be reached; false when it is off already.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn switch_off(write: &mut Write, id: WebhookId, problem: &str) -> Result<bool> {
    let update = Entity::update_many()
        .col_expr(Column::Active, Expr::value(false))
        .col_expr(Column::Problem, Expr::value(problem))
        .filter(Column::Id.eq(id))
        .filter(Column::Active.eq(true));
    Ok(update.exec(write.connection()).await.map_err(sql)?.rows_affected == 1)
}

/// Counts a delivery that died, or forgets those that did; how many there are in a row.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn count_dead(store: &Store, id: WebhookId, died: bool) -> Result<i32> {
    let update = Entity::update_many().filter(Column::Id.eq(id));
    let update = if died {
        update.col_expr(Column::DeadInARow, Expr::col(Column::DeadInARow).add(1))
    } else {
        update.col_expr(Column::DeadInARow, Expr::value(0)).filter(Column::DeadInARow.gt(0))
    };
    update.exec(&store.db).await.map_err(sql)?;
    Ok(find(store, id).await?.map_or(0, |row| row.dead_in_a_row))
}
