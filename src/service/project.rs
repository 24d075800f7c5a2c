//! Projects of an organization.

use entities::ids::{OrganizationId, ProjectId};
use entities::project::Model;

use super::App;
use crate::authz::cap;
use crate::domain::deployment::retention::Retention;
use crate::domain::name::{DisplayName, ProjectSlug};
use crate::error::Result;
use crate::op::Op;
use crate::store;
use crate::sys::{clock, ids};

/// A new project.
pub struct Create {
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its name in links.
    pub slug: ProjectSlug,
    /// Its display name.
    pub name: DisplayName,
}

/// Makes a project.
///
/// # Errors
/// `Conflict` when the name is taken there; `Forbidden`, `NotFound` by `project.create`.
pub async fn create(op: &Op, input: Create) -> Result<Model> {
    let (mut write, permit) = op.change_access::<cap::ProjectCreate>("project.create", input.organization_id).await?;
    let retention = Retention::default();
    let row = Model {
        id: ids::new::<ProjectId>(),
        organization_id: input.organization_id,
        slug: input.slug.as_str().to_owned(),
        name: input.name.as_str().to_owned(),
        keep_running: retention.keep_running,
        retire_after_minutes: retention.retire_after_minutes,
        keep_deployments: retention.keep_deployments,
        revive_on_visit: retention.revive_on_visit,
        created_at: clock::now(),
        version: 1,
    };
    let row = store::project::create(&mut write, &permit, row).await?;
    write.entry().subject = Some(row.id.to_string());
    write.commit().await?;
    Ok(row)
}

/// Renames a project.
///
/// # Errors
/// `Conflict` when it is no longer at `expected_version`; `Forbidden`, `NotFound` by `project.update`.
pub async fn update(op: &Op, id: ProjectId, name: DisplayName, expected_version: i32) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::ProjectUpdate>("project.update", id).await?;
    let row = store::project::rename(&mut write, &permit, name.as_str().to_owned(), expected_version).await?;
    write.commit().await?;
    Ok(row)
}

/// Says how long a project keeps what it does not use.
///
/// # Errors
/// `InvalidInput` for numbers that cannot be; `Conflict` when it is no longer at `expected_version`; `Forbidden`, `NotFound`
/// by `project.update`.
pub async fn set_retention(
    app: &App,
    op: &Op,
    id: ProjectId,
    retention: Retention,
    expected_version: i32,
) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::ProjectUpdate>("project.set_retention", id).await?;
    let row = store::project::set_retention(&mut write, &permit, retention.check()?, expected_version).await?;
    write.commit().await?;
    app.changed.notify_one();
    Ok(row)
}

/// Removes a project with everything below it.
///
/// # Errors
/// `Forbidden`, `NotFound` by `project.delete`.
pub async fn delete(app: &App, op: &Op, id: ProjectId) -> Result<()> {
    let (mut write, permit) = op.change_access::<cap::ProjectDelete>("project.delete", id).await?;
    store::project::delete(&mut write, &permit).await?;
    write.commit().await?;
    app.ring();
    Ok(())
}
