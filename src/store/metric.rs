//! What was measured of deployments over time: a row for each minute in which there was something, kept for a week. Nobody
//! asks for a measurement to be written, so it takes no permit.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entities::deployment;
use entities::ids::{DeploymentId, Id};
use entities::traffic_sample::{ActiveModel, Column, Entity, Model};

use super::{Source, Store, sql};
use crate::authz::{Permit, cap};
use crate::domain::traffic::Traffic;
use crate::error::{Error, Result};
use crate::sys::clock;

/// For so long measurements are kept.
pub const KEPT: TimeDelta = TimeDelta::days(7);

/// Rows of one statement: four values each, and SQLite takes 32,766.
const BATCH: usize = 1_000;

/// The minute that a time is in, in minutes since 1970.
#[must_use]
pub fn minute(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

/// Writes what a replica has counted in one minute until now, in place of what it wrote of that minute before. What belongs to
/// a deployment that has gone is left out.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn write(store: &Store, replica: &str, minute: i64, counted: &[(DeploymentId, Traffic)]) -> Result<()> {
    for batch in counted.chunks(BATCH) {
        let known: Vec<DeploymentId> = deployment::Entity::find()
            .select_only()
            .column(deployment::Column::Id)
            .filter(deployment::Column::Id.is_in(batch.iter().map(|(id, _)| id.uuid())))
            .into_tuple()
            .all(&store.db)
            .await
            .map_err(sql)?;
        let rows = batch.iter().filter(|(id, _)| known.contains(id)).map(|(id, traffic)| {
            let traffic = serde_json::to_value(traffic).map_err(|e| Error::Internal(e.to_string()))?;
            Ok(ActiveModel {
                deployment_id: Set(*id),
                minute: Set(minute),
                replica: Set(replica.to_owned()),
                traffic: Set(traffic),
            })
        });
        let rows: Vec<ActiveModel> = rows.collect::<Result<_>>()?;
        if rows.is_empty() {
            continue;
        }
        let again = OnConflict::columns([Column::DeploymentId, Column::Minute, Column::Replica])
            .update_column(Column::Traffic)
            .to_owned();
        Entity::insert_many(rows).on_conflict(again).exec_without_returning(&store.db).await.map_err(sql)?;
    }
    Ok(())
}

/// Removes what is too old.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn forget(store: &Store) -> Result<()> {
    let old = Entity::delete_many().filter(Column::Minute.lt(minute(clock::now() - KEPT)));
    old.exec(&store.db).await.map_err(sql)?;
    Ok(())
}

/// What was counted of one deployment, or of all, of the environment that the permit speaks for: from one minute until before
/// another, the earliest first; a minute may come several times.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn traffic(
    source: &impl Source,
    permit: &Permit<cap::LogView>,
    of: Option<DeploymentId>,
    (from, until): (i64, i64),
) -> Result<Vec<(i64, Traffic)>> {
    let deployments = sea_orm::sea_query::Query::select()
        .column(deployment::Column::Id)
        .from(deployment::Entity)
        .and_where(deployment::Column::EnvironmentId.eq(permit.key()))
        .take();
    let mut select = Entity::find()
        .filter(Column::DeploymentId.in_subquery(deployments))
        .filter(Column::Minute.gte(from))
        .filter(Column::Minute.lt(until))
        .order_by_asc(Column::Minute);
    if let Some(id) = of {
        select = select.filter(Column::DeploymentId.eq(id));
    }
    let rows: Vec<Model> = select.all(source.connection()).await.map_err(sql)?;
    let read = |row: Model| {
        let traffic = serde_json::from_value(row.traffic);
        Ok((row.minute, traffic.map_err(|e| Error::Internal(format!("traffic of {}: {e}", row.deployment_id)))?))
    };
    rows.into_iter().map(read).collect()
}
