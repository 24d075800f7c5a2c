//! What the edge and the runtime have to know of deployments: names, states, fences. No actor asks for it, so it takes no
//! permit; it never leaves the machine room.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entities::ids::{DeploymentId, EnvironmentId, ProjectId};
use entities::values::{DeploymentKind, DeploymentState};
use entities::{deployment, environment, manifest, organization, project};

use super::{Store, sql};
use crate::domain::manifest::Manifest;
use crate::error::Result;

/// An environment with the names that make its link.
#[derive(Debug, Clone)]
pub struct EnvironmentRoute {
    /// The environment.
    pub id: EnvironmentId,
    /// Its project, whose blobs its deployments use.
    pub project_id: ProjectId,
    /// Where it is found: `organization/project/environment`.
    pub path: String,
    /// What its link points to.
    pub active: Option<DeploymentId>,
    /// Whether a visit starts what is retired again.
    pub revive_on_visit: bool,
}

/// A deployment that has a link of its own.
#[derive(Debug, Clone)]
pub struct DeploymentRoute {
    /// The deployment.
    pub id: DeploymentId,
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its number there.
    pub number: i32,
    /// Static or process.
    pub kind: DeploymentKind,
    /// Where it stands.
    pub state: DeploymentState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why it failed to come up the last time, for people.
    pub failure: Option<String>,
    /// Its configuration as JSON.
    pub configuration: serde_json::Value,
    /// The highest fence of its actions.
    pub fence: i64,
    /// Whether an action on it is not finished.
    pub busy: bool,
    /// Whether its instances are being restarted one after the other.
    pub restarting: bool,
}

/// Everything that has a link.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn all(store: &Store) -> Result<(Vec<EnvironmentRoute>, Vec<DeploymentRoute>)> {
    let in_hand = super::in_hand::all(store).await?;
    type Row = (EnvironmentId, ProjectId, String, String, String, Option<DeploymentId>, bool);
    let environments: Vec<Row> = environment::Entity::find()
        .select_only()
        .column(environment::Column::Id)
        .column(environment::Column::ProjectId)
        .column_as(Expr::col((organization::Entity, organization::Column::Slug)), "organization_slug")
        .column_as(Expr::col((project::Entity, project::Column::Slug)), "project_slug")
        .column(environment::Column::Slug)
        .column(environment::Column::ActiveDeploymentId)
        .column_as(Expr::col((project::Entity, project::Column::ReviveOnVisit)), "revive_on_visit")
        .join(sea_orm::JoinType::InnerJoin, super::facts::project_of_environment())
        .join(sea_orm::JoinType::InnerJoin, super::facts::organization_of_project())
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let environments = environments.into_iter().map(|row| {
        let (id, project_id, organization, project, slug, active, revive_on_visit) = row;
        EnvironmentRoute { id, project_id, path: format!("{organization}/{project}/{slug}"), active, revive_on_visit }
    });
    let deployments = deployment::Entity::find()
        .filter(deployment::Column::State.is_not_in([DeploymentState::Draft, DeploymentState::Deleted]))
        .order_by_asc(deployment::Column::Id)
        .all(&store.db)
        .await
        .map_err(sql)?;
    let deployments = deployments.into_iter().map(|row| {
        let in_hand = in_hand.get(&row.id).copied().unwrap_or_default();
        DeploymentRoute {
            id: row.id,
            environment_id: row.environment_id,
            number: row.number,
            kind: row.kind,
            state: row.state,
            since: row.state_changed_at,
            failure: row.failure,
            configuration: row.configuration,
            fence: in_hand.fence,
            busy: in_hand.busy,
            restarting: in_hand.restarting,
        }
    });
    Ok((environments.collect(), deployments.collect()))
}

/// The files of a deployment, for whoever serves them.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn files(store: &Store, id: DeploymentId) -> Result<Manifest> {
    match super::build::files(store, id).await? {
        Some(built) => Ok(built),
        None => sources(store, id).await,
    }
}

/// What was uploaded for a deployment, for whoever builds it.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn sources(store: &Store, id: DeploymentId) -> Result<Manifest> {
    let row = manifest::Entity::find_by_id(id).one(&store.db).await.map_err(sql)?;
    super::deployment::parsed(row.ok_or_else(super::gone("deployment"))?)
}

/// Where a deployment stands at this moment, if it is there, and whether its instances are being restarted.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn standing(store: &Store, id: DeploymentId) -> Result<Option<(DeploymentState, bool)>> {
    let Some(row) = deployment::Entity::find_by_id(id).one(&store.db).await.map_err(sql)? else { return Ok(None) };
    Ok(Some((row.state, super::in_hand::is_restarting(store, id).await?)))
}

/// The project whose blobs an environment uses.
///
/// # Errors
/// `NotFound` when it has gone.
pub async fn project_of(store: &Store, id: EnvironmentId) -> Result<ProjectId> {
    Ok(super::environment::find(store, id).await?.ok_or_else(super::gone("environment"))?.project_id)
}

/// Ids, as texts, of every project and every deployment that there is: whatever else is found on a machine is a leftover.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn known(store: &Store) -> Result<(HashSet<String>, HashSet<String>)> {
    let projects: Vec<ProjectId> = project::Entity::find()
        .select_only()
        .column(project::Column::Id)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let deployments: Vec<DeploymentId> = deployment::Entity::find()
        .select_only()
        .column(deployment::Column::Id)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let text = |id: &dyn std::fmt::Display| id.to_string();
    Ok((projects.iter().map(|id| text(id)).collect(), deployments.iter().map(|id| text(id)).collect()))
}
