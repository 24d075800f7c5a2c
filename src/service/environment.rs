//! Environments of a project.

use entities::environment::Model;
use entities::ids::{EnvironmentId, ProjectId};

use super::{App, access};
use crate::authz::cap;
use crate::domain::name::{DisplayName, EnvironmentSlug};
use crate::error::Result;
use crate::op::Op;
use crate::store;
use crate::store::environment::Edit;
use crate::sys::{clock, ids};

/// A new environment.
pub struct Create {
    /// Its project.
    pub project_id: ProjectId,
    /// Its name in links.
    pub slug: EnvironmentSlug,
    /// Its display name.
    pub name: DisplayName,
    /// Whether it is a production environment.
    pub production: bool,
}

/// Makes an environment.
///
/// # Errors
/// `Conflict` when the name is taken there; `Forbidden`, `NotFound` by `environment.create`.
pub async fn create(app: &App, op: &Op, input: Create) -> Result<Model> {
    let (mut write, permit) =
        op.change_access::<cap::EnvironmentCreate>("environment.create", input.project_id).await?;
    let row = Model {
        id: ids::new::<EnvironmentId>(),
        project_id: input.project_id,
        slug: input.slug.as_str().to_owned(),
        name: input.name.as_str().to_owned(),
        production: input.production,
        frozen_at: None,
        active_deployment_id: None,
        pinned_deployment_id: None,
        next_number: 1,
        created_at: clock::now(),
        version: 1,
    };
    let row = store::environment::create(&mut write, &permit, row).await?;
    write.entry().subject = Some(row.id.to_string());
    write.commit().await?;
    app.ring();
    Ok(row)
}

/// What may be changed of an environment; none leaves it as it is.
#[derive(Debug, Default)]
pub struct Update {
    /// Its display name.
    pub name: Option<DisplayName>,
    /// Whether it is a production environment.
    pub production: Option<bool>,
}

/// Edits an environment.
///
/// # Errors
/// `Conflict` when it is no longer at `expected_version`; `Forbidden`, `NotFound` by `environment.update`, which a change of
/// kind needs under both kinds.
pub async fn update(op: &Op, id: EnvironmentId, input: Update, expected_version: i32) -> Result<Model> {
    let operation = "environment.update";
    let (mut write, permit) = match input.production {
        None => op.change_access::<cap::EnvironmentUpdate>(operation, id).await?,
        Some(_) => op.change_kind::<cap::EnvironmentUpdate>(operation, id).await?,
    };
    let watch = access::Watch::over(&write, id.into()).await?;
    let row = store::environment::current(&write, &permit).await?;
    let edit = Edit {
        name: input.name.map_or(row.name, |name| name.as_str().to_owned()),
        production: input.production.unwrap_or(row.production),
    };
    let row = store::environment::update(&mut write, &permit, edit, expected_version).await?;
    let (differences, rails) = watch.end(&write).await?;
    access::settle(op, write, &differences, &rails).await?;
    Ok(row)
}

/// Removes an environment with its deployments.
///
/// # Errors
/// `Forbidden`, `NotFound` by `environment.delete`.
pub async fn delete(app: &App, op: &Op, id: EnvironmentId) -> Result<()> {
    let (mut write, permit) = op.change_access::<cap::EnvironmentDelete>("environment.delete", id).await?;
    store::environment::delete(&mut write, &permit).await?;
    write.commit().await?;
    app.ring();
    Ok(())
}
