//! Which content is present, per project. The bytes lie elsewhere.

use std::collections::{HashMap, HashSet};

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use entities::blob::{Column, Entity, Model};
use entities::ids::{DeploymentId, EnvironmentId, Id, ProjectId};
use entities::values::DeploymentState;
use entities::{build, deployment, deployment_variables, environment, manifest};

use super::source::Connected;
use super::{Source, Store, sql};
use crate::authz::{Held, Permit, Visible, cap};
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
pub async fn present<C: Held>(source: &impl Source, permit: &Permit<C>, wanted: &[Digest]) -> Result<HashSet<Digest>> {
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
pub async fn project_of<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<ProjectId> {
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

/// Takes away a deployment's manifest, build and variables, and the notes of the content that no other deployment of the project refers to; its
/// digests.
pub(super) async fn forget(store: &Store, project: ProjectId, deployment: Uuid) -> Result<Vec<Digest>> {
    let tx = store.begin_write().await?;
    let environments = Query::select()
        .column(environment::Column::Id)
        .from(environment::Entity)
        .and_where(environment::Column::ProjectId.eq(project))
        .take();
    let deployments = Query::select()
        .column(deployment::Column::Id)
        .from(deployment::Entity)
        .and_where(deployment::Column::EnvironmentId.in_subquery(environments))
        .take();
    let manifests = manifest::Entity::find().filter(manifest::Column::DeploymentId.in_subquery(deployments));
    let (mut own, mut others) = (HashSet::new(), HashSet::new());
    let mut files: Vec<(DeploymentId, Manifest)> = Vec::new();
    for row in manifests.all(&tx).await.map_err(sql)? {
        files.push((row.deployment_id, super::deployment::parsed(row)?));
    }
    let ids: Vec<DeploymentId> = files.iter().map(|(id, _)| *id).collect();
    files.extend(super::build::of(&tx, &ids).await?);
    for (id, files) in files {
        let digests = if id.uuid() == deployment { &mut own } else { &mut others };
        digests.extend(files.blobs().map(|(digest, _)| digest));
    }
    let gone: Vec<Digest> = own.difference(&others).copied().collect();
    for chunk in gone.chunks(CHUNK) {
        let delete = Entity::delete_many().filter(Column::ProjectId.eq(project));
        delete.filter(Column::Digest.is_in(chunk.iter().map(ToString::to_string))).exec(&tx).await.map_err(sql)?;
    }
    let delete = manifest::Entity::delete_many().filter(manifest::Column::DeploymentId.eq(deployment));
    delete.exec(&tx).await.map_err(sql)?;
    let delete = build::Entity::delete_many().filter(build::Column::DeploymentId.eq(deployment));
    delete.exec(&tx).await.map_err(sql)?;
    let delete = deployment_variables::Entity::delete_many();
    delete.filter(deployment_variables::Column::DeploymentId.eq(deployment)).exec(&tx).await.map_err(sql)?;
    tx.commit().await.map_err(sql)?;
    Ok(gone)
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
