//! Retire, delete and what is left to do after a cancel: a deployment stops serving, and what it has on this machine goes.
//! There is no way back in any of them; what cannot be done now is tried again until it is done.

use super::{Doing, Step, Workshop, run};
use crate::error::Error;
use crate::store::action::Lease;
use crate::store::{route, upkeep};

/// The steps of retiring, in order.
pub const RETIRE: &[Step] =
    &[Step { name: "drain", run: drain, undo: None }, Step { name: "stop", run: stop, undo: None }];

/// The steps of deleting, in order.
pub const DELETE: &[Step] = &[
    Step { name: "drain", run: drain, undo: None },
    Step { name: "forget", run: forget, undo: None },
    Step { name: "collect", run: collect, undo: None },
];

/// The steps of a cancel, in order; what was under way has been undone before.
pub const CANCEL: &[Step] =
    &[Step { name: "forget", run: forget, undo: None }, Step { name: "collect", run: collect, undo: None }];

/// Closes its links and waits until nobody is served any more.
fn drain<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        shop.publisher.publish().await?;
        let id = lease.action().deployment_id.to_string();
        // What serves it still, or again, is another deployment's link: there is nothing to wait for.
        if let Ok(report) = shop.edge.drain_deployment(&id, shop.app.config.drain_grace).await {
            let (in_flight, undrained) = (report.in_flight_at_switch, report.undrained);
            tracing::info!(action = %lease.action().id, in_flight, undrained, "drained");
        }
        Ok(())
    })
}

fn stop<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { run::stop(&shop.app, lease.action().deployment_id, lease.fence()).await.map_err(again) })
}

/// Takes away the programs with their logs, and the folder that they ran from.
fn forget<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { run::forget(&shop.app, lease.action().deployment_id, lease.fence()).await.map_err(again) })
}

/// Takes away the content that no other deployment of the project needs.
fn collect<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        let project = route::project_of(&app.store, lease.action().environment_id).await?;
        let _alone = app.artifacts.collecting().await;
        let gone = upkeep::forget_files(&app.store, project, lease.action().deployment_id).await?;
        let project = project.to_string();
        for digest in gone {
            let removed = app.artifacts.remove(&project, &digest).await;
            removed.map_err(|error| Error::Internal(format!("removing content {digest}: {error}"))).map_err(again)?;
        }
        Ok(())
    })
}

/// There is no way back, so whatever is in the way now is tried again.
fn again(error: Error) -> Error {
    tracing::warn!(?error, "something cannot be taken away yet");
    Error::Unavailable("it cannot be taken away yet".to_owned())
}
