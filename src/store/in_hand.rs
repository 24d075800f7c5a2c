//! Which deployments an action has in hand, and which restart of one it is. For reconcilers, and for whoever decides whether
//! another action may follow.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use entities::action::{Column, Entity};
use entities::ids::DeploymentId;
use entities::values::{ActionKind, ActionState};

use super::action::Lease;
use super::{Source, Store, sql};
use crate::error::Result;

/// Accepted and not over.
const IN_HAND: [ActionState; 3] = [ActionState::Queued, ActionState::Running, ActionState::Undoing];

/// What a reconciler has to know of a deployment's actions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InHand {
    /// The highest fence: what its calls carry.
    pub(super) fence: i64,
    /// Whether one of them is not finished.
    pub(super) busy: bool,
    /// Whether that is a restart.
    pub(super) restarting: bool,
}

/// What reconcilers have to know of each deployment's actions.
pub(super) async fn all(store: &Store) -> Result<HashMap<DeploymentId, InHand>> {
    let any = |condition: Condition| Expr::expr(Func::max(Expr::case(condition, 1).finally(0)));
    let unfinished = || Condition::all().add(Column::State.is_in(IN_HAND));
    let rows: Vec<(DeploymentId, i64, i32, i32)> = Entity::find()
        .select_only()
        .column(Column::DeploymentId)
        .column_as(Column::Fence.max(), "fence")
        .expr_as(any(unfinished()), "busy")
        .expr_as(any(unfinished().add(Column::Kind.eq(ActionKind::Restart))), "restarting")
        .group_by(Column::DeploymentId)
        .into_tuple()
        .all(&store.db)
        .await
        .map_err(sql)?;
    let of = |(id, fence, busy, restarting)| (id, InHand { fence, busy: busy > 0, restarting: restarting > 0 });
    Ok(rows.into_iter().map(of).collect())
}

/// Whether a restart of this deployment waits or is under way. Certain only while the deployment is locked for a change.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn is_restarting(source: &impl Source, id: DeploymentId) -> Result<bool> {
    let select = Entity::find()
        .filter(Column::DeploymentId.eq(id))
        .filter(Column::Kind.eq(ActionKind::Restart))
        .filter(Column::State.is_in(IN_HAND));
    Ok(select.one(source.connection()).await.map_err(sql)?.is_some())
}

/// The how-manieth restart of its deployment this one is, from 1: none is accepted before the one before has ended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn restarts(store: &Store, lease: &Lease) -> Result<u32> {
    let select = Entity::find()
        .filter(Column::DeploymentId.eq(lease.action().deployment_id))
        .filter(Column::Kind.eq(ActionKind::Restart));
    let count = select.count(&store.db).await.map_err(sql)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
