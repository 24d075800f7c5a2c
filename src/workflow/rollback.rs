//! Rollback: an earlier deployment serves the environment's link again. Nothing is built; if it is retired, it is started
//! first.

use super::deploy::{self, Enough};
use super::{Doing, Step, Workshop, activate, revive};
use crate::domain::deployment::state::{self, Action};
use crate::error::Error;
use crate::store::action::Lease;
use crate::store::deployment;

/// The steps, in order.
pub const STEPS: &[Step] = &[
    Step { name: "start", run: revive::start, undo: Some(revive::stop) },
    Step { name: "publish", run: revive::publish, undo: None },
    Step { name: "check", run: check, undo: None },
    Step { name: "activate", run: activate::on_rollback, undo: None },
    Step { name: "drain", run: activate::drain, undo: None },
];

/// The target has to be able to serve at this moment, not only at the one when the rollback was accepted.
fn check<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        if let Err(refusal) = state::decide(deployment::subject(&row, false), Action::Rollback) {
            return Err(Error::FailedPrecondition { reason: refusal.code(), message: refusal.message().to_owned() });
        }
        deploy::healthy(shop, &row, lease.fence(), Enough::One).await
    })
}
