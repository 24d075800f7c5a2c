//! Changes of deployments that nobody asks for: retention, and visits of retired ones. No actor asks, so they take no permit;
//! the audit log tells of them all the same.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entities::deployment::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id, ProjectId};
use entities::values::DeploymentState;
use entities::{action, environment, project};

use super::{Store, Write, deployment, sql};
use crate::domain::deployment::retention::{Kept, Retention};
use crate::domain::deployment::state::State;
use crate::domain::digest::Digest;
use crate::error::Result;

/// A deployment that nobody else moves until the change is made, if it is there.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn lock(write: &Write, id: DeploymentId) -> Result<Option<Model>> {
    deployment::locked(write, Entity::find_by_id(id)).await
}

/// Moves a deployment that was locked and accepts the action on it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn begin(write: &mut Write, seen: &Model, to: State, action: action::Model) -> Result<()> {
    deployment::move_on(write, seen, to, action.cause).await?;
    super::action::insert(write, action).await
}

/// Notes when links were visited last. A note that is lost makes a deployment look used a little longer ago.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn note_visits(store: &Store, visits: &[(DeploymentId, DateTime<Utc>)]) -> Result<()> {
    for (id, at) in visits {
        Entity::update_many()
            .col_expr(Column::LastVisitedAt, Expr::value(*at))
            .filter(Column::Id.eq(*id))
            .exec(&store.db)
            .await
            .map_err(sql)?;
    }
    Ok(())
}

/// The deployments of every environment with what its project keeps, the newest first, without those that are deleted.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn kept(store: &Store) -> Result<Vec<(Retention, Vec<Kept<DeploymentId>>)>> {
    let projects = project::Entity::find().all(&store.db).await.map_err(sql)?;
    let retentions: HashMap<ProjectId, Retention> = projects.iter().map(|row| (row.id, Retention::from(row))).collect();
    let environments: Vec<(EnvironmentId, ProjectId)> = environment::Entity::find()
        .select_only()
        .columns([environment::Column::Id, environment::Column::ProjectId])
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    type Row = (DeploymentId, EnvironmentId, DeploymentState, DateTime<Utc>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = Entity::find()
        .select_only()
        .columns([Column::Id, Column::EnvironmentId, Column::State, Column::StateChangedAt, Column::LastVisitedAt])
        .filter(Column::State.ne(DeploymentState::Deleted))
        .order_by_desc(Column::Number)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let mut by_environment: HashMap<EnvironmentId, Vec<Kept<DeploymentId>>> = HashMap::new();
    for (key, environment, state, since, visited) in rows {
        let used_at = visited.map_or(since, |visited| visited.max(since));
        by_environment.entry(environment).or_default().push(Kept { key, state: state.into(), used_at });
    }
    let of = |(environment, project): (EnvironmentId, ProjectId)| {
        Some((*retentions.get(&project)?, by_environment.remove(&environment)?))
    };
    Ok(environments.into_iter().filter_map(of).collect())
}

/// Content of a project that only this deployment, which is over, refers to: its manifest and variables go with it, and so do the notes
/// that the content is present. The content itself is for the caller to remove.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn forget_files(store: &Store, project: ProjectId, id: DeploymentId) -> Result<Vec<Digest>> {
    super::artifact::forget(store, project, id.uuid()).await
}

impl From<&project::Model> for Retention {
    fn from(row: &project::Model) -> Self {
        Self {
            keep_running: row.keep_running,
            retire_after_minutes: row.retire_after_minutes,
            keep_deployments: row.keep_deployments,
            revive_on_visit: row.revive_on_visit,
        }
    }
}
