//! What people want to be told of a project by mail. They are told of nothing that they may not see when it is sent.

use entities::ids::ProjectId;
use entities::subscription::Model;
use entities::values::EventKind;

use super::webhook::words;
use crate::authz::cap;
use crate::error::Result;
use crate::op::Op;
use crate::store;

/// Keeps what the actor wants to be told of a project, in place of what they wanted before.
///
/// # Errors
/// `FailedPrecondition` by a key that is narrowed; `NotFound` by `project.view`.
pub async fn set(op: &Op, project: ProjectId, events: &[EventKind], own_failures: bool) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::ProjectView>("notifications.set", project).await?;
    let row = Model { user_id: op.oneself()?, project_id: project, events: words(events), own_failures };
    let row = store::subscription::set(&mut write, &permit, row).await?;
    write.entry().details = serde_json::json!({ "events": row.events, "ownFailures": own_failures });
    write.commit().await?;
    Ok(row)
}
