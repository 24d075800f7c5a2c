//! Organizations: made by a team, managed by it.

use entities::ids::{OrganizationId, TeamId};
use entities::organization::Model;

use super::App;
use crate::authz::cap;
use crate::domain::name::{DisplayName, OrganizationSlug};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store;
use crate::sys::{clock, ids};

/// A new organization.
pub struct Create {
    /// The team that will manage it; the actor's personal one if none is named.
    pub team_id: Option<TeamId>,
    /// Its name in links.
    pub slug: OrganizationSlug,
    /// Its display name.
    pub name: DisplayName,
}

/// Makes an organization; whoever makes it administers it.
///
/// # Errors
/// `Conflict` when the name is taken; `Forbidden`, `NotFound` by `team.organization.create`.
pub async fn create(app: &App, op: &Op, input: Create) -> Result<Model> {
    let user = op.user()?;
    let team = match input.team_id {
        Some(id) => id,
        None => store::team::personal(op.store(), user).await?.ok_or_else(|| Error::not_found("team"))?.id,
    };
    let (mut write, permit) = op.change_access::<cap::TeamOrganizationCreate>("organization.create", team).await?;
    let now = clock::now();
    let row = Model {
        id: ids::new::<OrganizationId>(),
        slug: input.slug.as_str().to_owned(),
        name: input.name.as_str().to_owned(),
        team_id: team,
        suspended_at: None,
        created_at: now,
        version: 1,
    };
    let row = store::organization::create(&mut write, &permit, row).await?;
    let role = &app.config.policy.organization_creator;
    store::binding::create_for_maker(&mut write, user, role, row.id.into()).await?;
    write.entry().subject = Some(row.id.to_string());
    write.commit().await?;
    Ok(row)
}

/// Renames an organization.
///
/// # Errors
/// `Conflict` when it is no longer at `expected_version`; `Forbidden`, `NotFound` by `organization.update`.
pub async fn update(op: &Op, id: OrganizationId, name: DisplayName, expected_version: i32) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::OrganizationUpdate>("organization.update", id).await?;
    let row = store::organization::rename(&mut write, &permit, name.as_str().to_owned(), expected_version).await?;
    write.commit().await?;
    Ok(row)
}

/// Removes an empty organization.
///
/// # Errors
/// `FailedPrecondition` while it has projects; `Forbidden`, `NotFound` by `organization.delete`.
pub async fn delete(op: &Op, id: OrganizationId) -> Result<()> {
    let (mut write, permit) = op.change_access::<cap::OrganizationDelete>("organization.delete", id).await?;
    store::organization::delete(&mut write, &permit).await?;
    write.commit().await
}
