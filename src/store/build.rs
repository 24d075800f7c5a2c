//! Builds: what they have made stands beside what was uploaded, and is what is served then.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use entities::blob;
use entities::build::{ActiveModel, Column, Entity, Model};
use entities::ids::{DeploymentId, Id, ProjectId};

use super::action::Lease;
use super::source::Connected;
use super::{Source, Store, Write, sql};
use crate::authz::{Held, Permit, Visible, cap};
use crate::domain::manifest::Manifest;
use crate::error::{Error, Result};
use crate::sys::clock;

/// Rows of one statement, as many as every database takes.
const CHUNK: usize = 500;

/// Notes that a build begins; one that is begun anew has begun before.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn begin(store: &Store, lease: &Lease) -> Result<()> {
    let row = ActiveModel {
        deployment_id: Set(lease.action().deployment_id),
        started_at: Set(clock::now()),
        file_count: Set(0),
        size_bytes: Set(0),
        ..ActiveModel::default()
    };
    let once = OnConflict::column(Column::DeploymentId).do_nothing().to_owned();
    Entity::insert(row).on_conflict(once).exec_without_returning(&store.db).await.map_err(sql)?;
    Ok(())
}

/// Notes that a build has ended and has left nothing that can be served.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's.
pub async fn failed(store: &Store, lease: &Lease, exit_code: Option<i32>) -> Result<()> {
    let changed = Entity::update_many()
        .col_expr(Column::FinishedAt, Expr::value(clock::now()))
        .col_expr(Column::ExitCode, Expr::value(exit_code))
        .filter(Column::DeploymentId.eq(lease.action().deployment_id))
        .filter(Expr::exists(lease.held()))
        .exec(&store.db)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)
}

/// Notes what a build has left, whose content has arrived whole.
///
/// # Errors
/// `Conflict` when the lease is no longer the worker's.
pub async fn finished(store: &Store, lease: &Lease, project: ProjectId, files: &Manifest) -> Result<()> {
    let entries = serde_json::to_value(files).map_err(|e| Error::Internal(e.to_string()))?;
    let tx = store.begin_write().await?;
    let now = clock::now();
    let blobs: Vec<blob::ActiveModel> = files
        .blobs()
        .map(|(digest, size)| blob::Model {
            project_id: project,
            digest: digest.to_string(),
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            created_at: now,
        })
        .map(IntoActiveModel::into_active_model)
        .collect();
    for chunk in blobs.chunks(CHUNK) {
        let once = OnConflict::columns([blob::Column::ProjectId, blob::Column::Digest]).do_nothing().to_owned();
        let insert = blob::Entity::insert_many(chunk.to_vec()).on_conflict(once);
        insert.exec_without_returning(&tx).await.map_err(sql)?;
    }
    let changed = Entity::update_many()
        .col_expr(Column::FinishedAt, Expr::value(now))
        .col_expr(Column::ExitCode, Expr::value(0))
        .col_expr(Column::Entries, Expr::value(entries))
        .col_expr(Column::FileCount, Expr::value(i32::try_from(files.entries().len()).unwrap_or(i32::MAX)))
        .col_expr(Column::SizeBytes, Expr::value(i64::try_from(files.total_bytes()).unwrap_or(i64::MAX)))
        .filter(Column::DeploymentId.eq(lease.action().deployment_id))
        .filter(Expr::exists(lease.held()))
        .exec(&tx)
        .await
        .map_err(sql)?;
    lease.confirmed(changed.rows_affected)?;
    tx.commit().await.map_err(sql)
}

/// Gives another deployment of the same version what was built for the first, if anything was.
///
/// # Errors
/// `NotFound` when the new one is not in the environment that the permit speaks for.
pub async fn copy<C: Held>(write: &Write, permit: &Permit<C>, from: DeploymentId, to: DeploymentId) -> Result<()> {
    let to = super::deployment::get(write, permit, to).await?;
    let Some(row) = Entity::find_by_id(from).one(write.connection()).await.map_err(sql)? else { return Ok(()) };
    if row.entries.is_some() {
        let row = Model { deployment_id: to.id, ..row };
        Entity::insert(row.into_active_model()).exec_without_returning(write.connection()).await.map_err(sql)?;
    }
    Ok(())
}

/// What was built for a deployment; none when nothing was, or not yet.
///
/// # Errors
/// `Internal` when what is stored is no manifest.
pub async fn files(store: &Store, id: DeploymentId) -> Result<Option<Manifest>> {
    let entries: Option<Option<serde_json::Value>> =
        Entity::find_by_id(id).select_only().column(Column::Entries).into_tuple().one(&store.db).await.map_err(sql)?;
    entries.flatten().map(|entries| parsed(id, entries)).transpose()
}

fn parsed(id: DeploymentId, entries: serde_json::Value) -> Result<Manifest> {
    serde_json::from_value(entries).map_err(|e| Error::Internal(format!("what was built for {id}: {e}")))
}

/// What was built for each of these deployments.
pub(super) async fn of(
    connection: &impl ConnectionTrait,
    ids: &[DeploymentId],
) -> Result<Vec<(DeploymentId, Manifest)>> {
    let mut all = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let select = Entity::find().filter(Column::DeploymentId.is_in(chunk.iter().map(|id| id.uuid())));
        for row in select.all(connection).await.map_err(sql)? {
            if let Some(entries) = row.entries {
                all.push((row.deployment_id, parsed(row.deployment_id, entries)?));
            }
        }
    }
    Ok(all)
}

/// How a build went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it was begun first.
    pub started_at: DateTime<Utc>,
    /// When it had ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What its command ended with, if it ended by itself.
    pub exit_code: Option<i32>,
    /// Number of the files that it has left.
    pub file_count: i32,
    /// Sum of their sizes, in bytes.
    pub size_bytes: i64,
}

/// The builds of those of `ids` that the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn by_ids(
    source: &impl Source,
    visible: &Visible<cap::DeploymentView>,
    ids: &[DeploymentId],
) -> Result<Vec<(DeploymentId, Outcome)>> {
    type Row = (DeploymentId, DateTime<Utc>, Option<DateTime<Utc>>, Option<i32>, i32, i64);
    let columns = [
        Column::DeploymentId,
        Column::StartedAt,
        Column::FinishedAt,
        Column::ExitCode,
        Column::FileCount,
        Column::SizeBytes,
    ];
    let seen = super::deployment::by_ids(source, visible, ids).await?;
    let select = Entity::find().select_only().columns(columns);
    let select = select.filter(Column::DeploymentId.is_in(seen.iter().map(|row| row.id.uuid())));
    let rows: Vec<Row> = select.into_tuple().all(source.connection()).await.map_err(sql)?;
    let outcome = |(id, started_at, finished_at, exit_code, file_count, size_bytes): Row| {
        (id, Outcome { started_at, finished_at, exit_code, file_count, size_bytes })
    };
    Ok(rows.into_iter().map(outcome).collect())
}
