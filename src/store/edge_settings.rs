//! What the edge does for an environment beside serving it.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use entities::edge_settings::{ActiveModel, Column, Entity, Model};
use entities::ids::EnvironmentId;

use super::source::Connected;
use super::{Source, Store, Write, sql, sql_or_taken};
use crate::authz::{Permit, cap};
use crate::domain::edge_settings::EdgeSettings;
use crate::error::{Error, Result};

/// The settings of the environment that the permit speaks for, and their version: 0 while nothing was set.
///
/// # Errors
/// `Internal` when what is stored are no settings.
pub async fn get(source: &impl Source, permit: &Permit<cap::EdgeManage>) -> Result<(EdgeSettings, i32)> {
    let row = Entity::find_by_id(EnvironmentId(permit.key())).one(source.connection()).await.map_err(sql)?;
    row.map_or_else(|| Ok((EdgeSettings::default(), 0)), |row| Ok((parsed(&row)?, row.version)))
}

/// Sets them, if nobody has since `expected_version`.
///
/// # Errors
/// `Conflict` when somebody has.
pub async fn set(
    write: &mut Write,
    permit: &Permit<cap::EdgeManage>,
    settings: &EdgeSettings,
    expected_version: i32,
) -> Result<i32> {
    let id = EnvironmentId(permit.key());
    let json = serde_json::to_value(settings).map_err(|e| Error::Internal(e.to_string()))?;
    let version = expected_version.saturating_add(1);
    let meanwhile = || Error::Conflict("the settings have changed in the meantime; read them again".to_owned());
    if expected_version == 0 {
        let row = ActiveModel { environment_id: Set(id), settings: Set(json), version: Set(version) };
        let inserted = Entity::insert(row).exec_without_returning(write.connection()).await;
        inserted.map_err(|e| sql_or_taken(e, meanwhile))?;
        return Ok(version);
    }
    let update = Entity::update_many()
        .col_expr(Column::Settings, json.into())
        .col_expr(Column::Version, version.into())
        .filter(Column::EnvironmentId.eq(id))
        .filter(Column::Version.eq(expected_version));
    if update.exec(write.connection()).await.map_err(sql)?.rows_affected == 1 { Ok(version) } else { Err(meanwhile()) }
}

/// Environments that have settings, and their versions. No actor asks for it; it never leaves the machine room.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn versions(store: &Store) -> Result<Vec<(EnvironmentId, i32)>> {
    let columns = [Column::EnvironmentId, Column::Version];
    Entity::find().select_only().columns(columns).into_tuple().all(&store.db).await.map_err(sql)
}

/// The settings of one environment and their version, for the edge.
///
/// # Errors
/// `Internal` when what is stored are no settings.
pub async fn of(store: &Store, id: EnvironmentId) -> Result<Option<(EdgeSettings, i32)>> {
    let row = Entity::find_by_id(id).one(&store.db).await.map_err(sql)?;
    row.map(|row| Ok((parsed(&row)?, row.version))).transpose()
}

fn parsed(row: &Model) -> Result<EdgeSettings> {
    let settings = serde_json::from_value(row.settings.clone());
    settings.map_err(|e| Error::Internal(format!("edge settings of {}: {e}", row.environment_id)))
}
