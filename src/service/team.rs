//! Teams: anybody makes one, and owns it. Who is in it is the matter of [`super::access::team`].

use entities::ids::TeamId;
use entities::team::Model;
use entities::team_member;
use entities::values::{TeamRole, UserKind};

use super::App;
use crate::authz::cap;
use crate::domain::name::DisplayName;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store;
use crate::sys::{clock, ids};

/// Makes a team; whoever makes it owns it.
///
/// # Errors
/// `Unauthenticated`; `FailedPrecondition` for a service account, and for a key that is narrowed.
pub async fn create(app: &App, op: &Op, name: DisplayName) -> Result<Model> {
    let user = op.oneself()?;
    let mut write = op.write_access("team.create").await?;
    let maker = store::user::find(&write, user).await?.ok_or_else(|| Error::not_found("user"))?;
    if maker.kind == UserKind::Bot {
        return Err(Error::FailedPrecondition {
            reason: "NOT_A_PERSON",
            message: "a service account cannot be in a team, and so cannot make one".to_owned(),
        });
    }
    let now = clock::now();
    let row = Model {
        id: ids::new::<TeamId>(),
        name: name.as_str().to_owned(),
        personal_user_id: None,
        created_at: now,
        version: 1,
    };
    let first = team_member::Model { team_id: row.id, user_id: user, role: TeamRole::Owner, created_at: now };
    store::team::create(&mut write, row.clone(), first).await?;
    store::binding::create_for_maker(&mut write, user, &app.config.policy.team_creator, row.id.into()).await?;
    write.entry().subject = Some(row.id.to_string());
    write.commit().await?;
    Ok(row)
}

/// Renames a team.
///
/// # Errors
/// `Conflict` when it is no longer at `expected_version`; `Forbidden`, `NotFound` by `team.update`.
pub async fn update(op: &Op, id: TeamId, name: DisplayName, expected_version: i32) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::TeamUpdate>("team.update", id).await?;
    let row = store::team::rename(&mut write, &permit, name.as_str().to_owned(), expected_version).await?;
    write.commit().await?;
    Ok(row)
}
