//! Certificates of custom domains and the accounts that they are asked for with. No actor comes here: who may see a domain
//! may see how it stands with its certificate, and nobody sees a key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use entities::certificate::{ActiveModel, Column, Entity, Model};
use entities::ids::{DomainId, Id};
use entities::{acme_account, domain};

use super::source::Connected;
use super::{Source, Store, Write, sql, visible};
use crate::authz::{Visible, cap};
use crate::error::Result;

/// How it stands with the certificates of these domains, of those that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_domains(
    source: &impl Source,
    visible: &Visible<cap::DomainView>,
    domains: &[DomainId],
) -> Result<Vec<Model>> {
    let seen = Query::select()
        .column(domain::Column::Id)
        .from(domain::Entity)
        .and_where(domain::Column::EnvironmentId.in_subquery(visible::environment_ids(visible)))
        .and_where(domain::Column::Id.is_in(domains.iter().map(|id| id.uuid())))
        .take();
    Entity::find().filter(Column::DomainId.in_subquery(seen)).all(source.connection()).await.map_err(sql)
}

/// When each certificate is to be looked after next, and when those that there are were issued.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn all(store: &Store) -> Result<Vec<(DomainId, DateTime<Utc>, Option<DateTime<Utc>>)>> {
    let columns = [Column::DomainId, Column::NextTryAt, Column::IssuedAt];
    Entity::find().select_only().columns(columns).into_tuple().all(&store.db).await.map_err(sql)
}

/// One certificate, sealed as it is.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(store: &Store, id: DomainId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(&store.db).await.map_err(sql)
}

/// Takes the certificate of a domain in hand, so that no other replica does it meanwhile; none when another has, or when it is
/// not due.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn take(store: &Store, id: DomainId, now: DateTime<Utc>, lease: Duration) -> Result<Option<Model>> {
    let fresh = ActiveModel {
        domain_id: Set(id),
        chain: Set(None),
        sealed_key: Set(None),
        issued_at: Set(None),
        expires_at: Set(None),
        next_try_at: Set(now),
        failures: Set(0),
        failure: Set(None),
    };
    // A domain that was removed in this moment is nobody's to look after.
    let there = domain::Entity::find_by_id(id).one(&store.db).await.map_err(sql)?;
    if there.is_none() {
        return Ok(None);
    }
    let insert = Entity::insert(fresh).on_conflict(OnConflict::column(Column::DomainId).do_nothing().to_owned());
    insert.exec_without_returning(&store.db).await.map_err(sql)?;
    let update = Entity::update_many()
        .col_expr(Column::NextTryAt, Expr::value(now + lease))
        .filter(Column::DomainId.eq(id))
        .filter(Column::NextTryAt.lte(now));
    if update.exec(&store.db).await.map_err(sql)?.rows_affected == 0 {
        return Ok(None);
    }
    find(store, id).await
}

/// Says when a certificate is to be looked after next.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn wait(store: &Store, id: DomainId, next: DateTime<Utc>) -> Result<()> {
    let update = Entity::update_many().col_expr(Column::NextTryAt, Expr::value(next)).filter(Column::DomainId.eq(id));
    update.exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// Keeps that an attempt failed.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn failed(store: &Store, id: DomainId, failures: i32, failure: &str, next: DateTime<Utc>) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Failures, failures.into())
        .col_expr(Column::Failure, failure.into())
        .col_expr(Column::NextTryAt, Expr::value(next))
        .filter(Column::DomainId.eq(id))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    Ok(())
}

/// Keeps a certificate that was issued, in place of the one before.
///
/// # Errors
/// `NotFound` when the domain has gone.
pub async fn issued(write: &mut Write, row: Model) -> Result<()> {
    let id = row.domain_id;
    let update = Entity::update_many()
        .col_expr(Column::Chain, row.chain.into())
        .col_expr(Column::SealedKey, row.sealed_key.into())
        .col_expr(Column::IssuedAt, row.issued_at.into())
        .col_expr(Column::ExpiresAt, row.expires_at.into())
        .col_expr(Column::NextTryAt, Expr::value(row.next_try_at))
        .col_expr(Column::Failures, 0.into())
        .col_expr(Column::Failure, Option::<String>::None.into())
        .filter(Column::DomainId.eq(id));
    if update.exec(write.connection()).await.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("domain")());
    }
    Ok(())
}

/// The account with an authority, sealed as it is.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn account(source: &impl Source, directory: &str) -> Result<Option<acme_account::Model>> {
    acme_account::Entity::find_by_id(directory).one(source.connection()).await.map_err(sql)
}

/// Keeps an account, unless there is one already.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn add_account(write: &mut Write, row: acme_account::Model) -> Result<()> {
    let unless_there = OnConflict::column(acme_account::Column::Directory).do_nothing().to_owned();
    let insert = acme_account::Entity::insert(row.into_active_model()).on_conflict(unless_there);
    insert.exec_without_returning(write.connection()).await.map_err(sql)?;
    Ok(())
}
