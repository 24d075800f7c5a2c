//! Following changes of access: who gained and lost what, as it happens, on whichever replica it happened.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::watch;

use entities::access_change::Model;
use entities::ids::{EnvironmentId, OrganizationId, ProjectId, TeamId, UserId};

use super::{Difference, Shift};
use crate::authz::{Mask, Permit, Scope, cap};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{access_change, facts};

/// How many changes are read at once.
const PAGE: usize = 100;

/// A change of access, as far as it concerns a scope.
#[derive(Debug, Clone)]
pub struct AccessChanged {
    /// The change itself.
    pub change: Model,
    /// Who gained and lost what on the scope and below it.
    pub differences: Vec<Difference>,
}

struct Follower {
    op: Arc<Op>,
    permit: Permit<cap::MemberView>,
    epochs: watch::Receiver<i64>,
    /// Changes of this epoch and later ones have not been looked at.
    next: i64,
    waiting: VecDeque<AccessChanged>,
}

/// Every change from an epoch on, or from now on, that gives or takes something on the scope that the permit speaks for, or on
/// what the actor may view below it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn follow(
    op: Arc<Op>,
    permit: Permit<cap::MemberView>,
    since: Option<i64>,
) -> Result<impl Stream<Item = Result<AccessChanged>> + Send> {
    let epochs = op.store().epochs();
    let next = match since {
        Some(epoch) => epoch,
        None => op.store().policy_epoch().await?,
    };
    let follower = Follower { op, permit, epochs, next, waiting: VecDeque::new() };
    Ok(futures_util::stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(Some(changed)) => Some((Ok(changed), Some(follower))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl Follower {
    async fn next(&mut self) -> Result<Option<AccessChanged>> {
        loop {
            if let Some(changed) = self.waiting.pop_front() {
                return Ok(Some(changed));
            }
            let now = *self.epochs.borrow_and_update();
            if now > self.next {
                let page = access_change::between(self.op.store(), self.next, now, PAGE).await?;
                self.next = if page.len() < PAGE { now } else { page.last().map_or(now, |last| last.epoch + 1) };
                for change in page {
                    let differences = self.concerned(&change).await?;
                    if !differences.is_empty() {
                        self.waiting.push_back(AccessChanged { change, differences });
                    }
                }
            } else if self.epochs.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// What of a change is on the scope or below it. What has been deleted since lies nowhere any more.
    async fn concerned(&self, change: &Model) -> Result<Vec<Difference>> {
        let told: Vec<Told> = serde_json::from_value(change.differences.clone())
            .map_err(|e| Error::Internal(format!("the differences of epoch {}: {e}", change.epoch)))?;
        let all: Vec<Difference> = told.into_iter().filter_map(Told::read).collect();
        let scopes: Vec<Scope> = all.iter().map(|difference| difference.scope).collect();
        let known = facts::of_scopes(self.op.store(), &scopes).await?;
        self.op.renew();
        let held = self.op.masks(&scopes).await?;
        let within = |difference: &Difference| {
            let seen = |mask: &Mask| mask.contains(difference.scope.view());
            let above = |at: &Scope| known.get(at).and_then(|fact| fact.parent);
            std::iter::successors(Some(difference.scope), above).any(|at| at == self.permit.scope())
                && (difference.scope == self.permit.scope() || held.get(&difference.scope).is_some_and(seen))
        };
        Ok(all.into_iter().filter(within).collect())
    }
}

/// A difference as it is kept.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    user: String,
    scope_kind: String,
    scope: String,
    gained: Vec<Shift>,
    lost: Vec<Shift>,
}

impl Told {
    fn read(self) -> Option<Difference> {
        let scope = match self.scope_kind.as_str() {
            "console" => Scope::Console,
            "team" => self.scope.parse::<TeamId>().ok()?.into(),
            "organization" => self.scope.parse::<OrganizationId>().ok()?.into(),
            "project" => self.scope.parse::<ProjectId>().ok()?.into(),
            "environment" => self.scope.parse::<EnvironmentId>().ok()?.into(),
            _ => return None,
        };
        Some(Difference { user: self.user.parse::<UserId>().ok()?, scope, gained: self.gained, lost: self.lost })
    }
}
