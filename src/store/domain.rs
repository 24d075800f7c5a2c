//! Custom domains. People read and change those of one environment with a permit; the checks of DNS come to all of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use entities::domain::{Column, Entity, Model};
use entities::ids::{DomainId, EnvironmentId, Id};

use super::source::Connected;
use super::{Source, Store, Write, outbox, page, sql, sql_or_taken};
use crate::authz::{Held, Permit, Scope, cap};
use crate::domain::custom_domain::Standing;
use crate::error::{Error, Result};

/// Adds a claim to the environment that the permit speaks for.
///
/// # Errors
/// `Conflict` when the environment has it already.
pub async fn create(write: &mut Write, permit: &Permit<cap::DomainCreate>, row: Model) -> Result<Model> {
    if row.environment_id.uuid() != permit.key() {
        return Err(Error::Internal("a domain for another environment than the permit's".to_owned()));
    }
    let name = row.name.clone();
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || Error::Conflict(format!("this environment has the domain `{name}` already")))
    })?;
    Ok(row)
}

/// How many domains the environment has that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn count<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<u64> {
    let select = Entity::find().filter(Column::EnvironmentId.eq(permit.key()));
    select.count(source.connection()).await.map_err(sql)
}

/// A domain of the environment that the permit speaks for, whatever capability it was taken for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn get<C: Held>(source: &impl Source, permit: &Permit<C>, id: DomainId) -> Result<Model> {
    let select = Entity::find_by_id(id).filter(Column::EnvironmentId.eq(permit.key()));
    select.one(source.connection()).await.map_err(sql)?.ok_or_else(super::gone("domain"))
}

/// A page of an environment's domains.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(
    source: &impl Source,
    permit: &Permit<cap::DomainView>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::EnvironmentId.eq(permit.key())), Column::Id, page).await
}

/// Says whether plain requests are sent on to HTTPS.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn set_redirect(
    write: &mut Write,
    permit: &Permit<cap::DomainUpdate>,
    id: DomainId,
    redirect: bool,
) -> Result<Model> {
    Entity::update_many()
        .col_expr(Column::RedirectToHttps, redirect.into())
        .filter(Column::Id.eq(id))
        .filter(Column::EnvironmentId.eq(permit.key()))
        .exec(write.connection())
        .await
        .map_err(sql)?;
    get(write, permit, id).await
}

/// Takes a domain away from the environment that the permit speaks for, with its certificate.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn remove(write: &mut Write, permit: &Permit<cap::DomainDelete>, id: DomainId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::EnvironmentId.eq(permit.key()));
    if gone.exec(write.connection()).await.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("domain")());
    }
    Ok(())
}

/// The environment that a domain is judged on.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn scope_of(source: &impl Source, id: DomainId) -> Result<Option<Scope>> {
    let row = Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| row.environment_id.into()))
}

/// Takes domains that are due for a check, the longest waiting first, so that no other replica checks them meanwhile.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn take_due(store: &Store, now: DateTime<Utc>, lease: Duration, most: u64) -> Result<Vec<Model>> {
    let due = Entity::find().filter(Column::NextCheckAt.lte(now)).order_by_asc(Column::NextCheckAt).limit(most);
    let mut taken = Vec::new();
    for row in due.all(&store.db).await.map_err(sql)? {
        let update = Entity::update_many()
            .col_expr(Column::NextCheckAt, Expr::value(now + lease))
            .filter(Column::Id.eq(row.id))
            .filter(Column::NextCheckAt.eq(row.next_check_at));
        if update.exec(&store.db).await.map_err(sql)?.rows_affected == 1 {
            taken.push(row);
        }
    }
    Ok(taken)
}

/// What a check is to leave behind.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What is held from now on.
    pub standing: Standing,
    /// What was found, in words.
    pub finding: String,
    /// When.
    pub at: DateTime<Utc>,
    /// When DNS is asked again.
    pub next: DateTime<Utc>,
}

/// Keeps what a check found that changes nothing. It does nothing when what is held has changed since `row` was read.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn note(store: &Store, row: &Model, checked: Checked) -> Result<()> {
    update(row, checked).exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// Keeps what a check found that changes what is held.
///
/// # Errors
/// `Conflict` when somebody else has changed it, or proved the name, in this moment.
pub async fn settle(write: &mut Write, row: &Model, checked: Checked) -> Result<Model> {
    let meanwhile = || Error::Conflict("the domain was checked twice at once; try again".to_owned());
    let (standing, at) = (checked.standing, checked.at);
    let (owned, delegated) = (standing.owned, standing.delegated);
    let mut update = update(row, checked);
    if (owned, delegated) != (row.owned, row.delegated) {
        update = update.col_expr(Column::StateChangedAt, Expr::value(at));
    }
    if owned && delegated && row.verified_at.is_none() {
        update = update.col_expr(Column::VerifiedAt, Expr::value(at));
    }
    let changed = update.exec(write.connection()).await.map_err(|e| sql_or_taken(e, meanwhile))?;
    if changed.rows_affected == 0 {
        return Err(meanwhile());
    }
    let after = find(write, row.id).await?.ok_or_else(super::gone("domain"))?;
    outbox::of_domain(write, row, &after).await?;
    Ok(after)
}

fn update(row: &Model, checked: Checked) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Owned, checked.standing.owned.into())
        .col_expr(Column::Delegated, checked.standing.delegated.into())
        .col_expr(Column::Misses, checked.standing.misses.into())
        .col_expr(Column::Finding, checked.finding.into())
        .col_expr(Column::CheckedAt, Expr::value(checked.at))
        .col_expr(Column::NextCheckAt, Expr::value(checked.next))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Owned.eq(row.owned))
        .filter(Column::Delegated.eq(row.delegated))
}

/// The domain as it is now, for a check.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: DomainId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Whoever has proved a name.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn owner(source: &impl Source, name: &str) -> Result<Option<Model>> {
    let select = Entity::find().filter(Column::Name.eq(name)).filter(Column::Owned.eq(true));
    select.one(source.connection()).await.map_err(sql)
}

/// A domain that the edge serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// The domain.
    pub id: DomainId,
    /// Where it leads.
    pub environment_id: EnvironmentId,
    /// The host.
    pub name: String,
    /// Whether plain requests are sent on to HTTPS.
    pub redirect_to_https: bool,
    /// It leads here, so that an authority that asks finds us.
    pub delegated: bool,
}

/// Every domain that is proved. No actor asks for it; it never leaves the machine room.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn served(store: &Store) -> Result<Vec<Served>> {
    type Row = (DomainId, EnvironmentId, String, bool, bool);
    let rows: Vec<Row> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::EnvironmentId, Column::Name, Column::RedirectToHttps, Column::Delegated])
        .filter(Column::Owned.eq(true))
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let served = |(id, environment_id, name, redirect_to_https, delegated)| Served {
        id,
        environment_id,
        name,
        redirect_to_https,
        delegated,
    };
    Ok(rows.into_iter().map(served).collect())
}
