//! Which content is present, per project. The bytes lie elsewhere.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use entities::blob::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id, ProjectId};
use entities::values::DeploymentState;
use entities::{environment, manifest};

use super::source::Connected;
use super::{Source, Store, sql};
use crate::authz::{Permit, Visible, cap};
use crate::domain::digest::Digest;
use crate::domain::manifest::Manifest;
use crate::error::Result;
use crate::sys::clock;

/// As many values as every database takes in one statement.
const CHUNK: usize = 500;

/// Which of `wanted` are present in the project of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn present(
    source: &impl Source,
    permit: &Permit<cap::DeploymentCreate>,
    wanted: &[Digest],
) -> Result<HashSet<Digest>> {
    let project = project_of(source, permit).await?;
    let mut present = HashSet::new();
    for chunk in wanted.chunks(CHUNK) {
        let texts = chunk.iter().map(ToString::to_string);
        let rows: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Digest)
            .filter(Column::ProjectId.eq(project))
            .filter(Column::Digest.is_in(texts))
            .into_tuple()
            .all(source.connection())
            .await
            .map_err(sql)?;
        present.extend(rows.iter().filter_map(|text| Digest::parse(text).ok()));
    }
    Ok(present)
}

/// The project of the environment that the permit speaks for.
///
/// # Errors
/// `NotFound` when the environment has gone.
pub async fn project_of(source: &impl Source, permit: &Permit<cap::DeploymentCreate>) -> Result<ProjectId> {
    let row = super::environment::find(source, EnvironmentId(permit.key())).await?;
    Ok(row.ok_or_else(super::gone("environment"))?.project_id)
}

/// Notes that content has arrived whole; fine when it was there.
///
/// An upload is one step of making a draft, which has its audit entry; a change of nothing but this needs none.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn add(
    store: &Store,
    permit: &Permit<cap::DeploymentCreate>,
    digest: &Digest,
    size_bytes: u64,
) -> Result<()> {
    let row = Model {
        project_id: project_of(store, permit).await?,
        digest: digest.to_string(),
        size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX),
        created_at: clock::now(),
    };
    let once = OnConflict::columns([Column::ProjectId, Column::Digest]).do_nothing().to_owned();
    Entity::insert(row.into_active_model())
        .on_conflict(once)
        .exec_without_returning(store.connection())
        .await
        .map_err(sql)?;
    Ok(())
}

/// Of these deployments that the actor may see, the drafts whose content has all arrived: three statements, and one more for
/// every few hundred files.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn complete_drafts(
    store: &Store,
    visible: &Visible<cap::DeploymentView>,
    ids: &[DeploymentId],
) -> Result<Vec<DeploymentId>> {
    let connection = store.connection();
    let mut drafts = super::deployment::by_ids(store, visible, ids).await?;
    drafts.retain(|row| row.state == DeploymentState::Draft);
    let places = drafts.iter().map(|row| row.environment_id.uuid());
    let select = environment::Entity::find().filter(environment::Column::Id.is_in(places));
    let environments = select.all(connection).await.map_err(sql)?;
    let projects: HashMap<EnvironmentId, ProjectId> =
        environments.into_iter().map(|row| (row.id, row.project_id)).collect();
    let keys = drafts.iter().map(|row| row.id.uuid());
    let select = manifest::Entity::find().filter(manifest::Column::DeploymentId.is_in(keys));
    let mut files: HashMap<DeploymentId, Manifest> = HashMap::new();
    for row in select.all(connection).await.map_err(sql)? {
        files.insert(row.deployment_id, super::deployment::parsed(row)?);
    }
    let wanted: HashSet<String> =
        files.values().flat_map(Manifest::blobs).map(|(digest, _)| digest.to_string()).collect();
    let wanted: Vec<String> = wanted.into_iter().collect();
    let mut present: HashSet<(ProjectId, String)> = HashSet::new();
    for chunk in wanted.chunks(CHUNK) {
        let rows: Vec<(ProjectId, String)> = Entity::find()
            .select_only()
            .columns([Column::ProjectId, Column::Digest])
            .filter(Column::ProjectId.is_in(projects.values().map(|id| id.uuid())))
            .filter(Column::Digest.is_in(chunk.iter().map(String::as_str)))
            .into_tuple()
            .all(connection)
            .await
            .map_err(sql)?;
        present.extend(rows);
    }
    let complete = drafts.into_iter().filter(|row| {
        let (Some(project), Some(files)) = (projects.get(&row.environment_id), files.get(&row.id)) else {
            return false;
        };
        files.blobs().all(|(digest, _)| present.contains(&(*project, digest.to_string())))
    });
    Ok(complete.map(|row| row.id).collect())
}
