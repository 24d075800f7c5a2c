//! Moving an environment's link, the last two steps of every action that makes a deployment the active one. From the moment
//! the link has moved there is no way back: what follows is tried until it is done.

use super::{Doing, Workshop, deploy};
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::store::action::{self, Lease};
use crate::store::{deployment, facts};

/// Moves the link to a new deployment; a pin from an earlier rollback is taken off, since somebody chose this one.
pub(super) fn on_deploy<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(activate(shop, lease, false))
}

/// Moves the link back and pins it there.
pub(super) fn on_rollback<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(activate(shop, lease, true))
}

async fn activate(shop: &Workshop, lease: &Lease, pin: bool) -> Result<()> {
    let action = lease.action();
    if deployment::has_link(&shop.app.store, lease).await? {
        // A crash came after the commit: there is nothing left to decide.
        return shop.publisher.publish().await.map_err(|error| later(&error));
    }
    // Once more, since a crash may lie between the check and this: the link never moves to what does not answer.
    let row = deployment::leased(&shop.app.store, lease).await?;
    deploy::healthy(shop, &row, lease.fence(), deploy::Enough::One).await?;
    let mut entry = Entry::new("deployment.activate", Some(action.created_by), action.id.to_string());
    entry.subject = Some(action.deployment_id.to_string());
    let mut write = shop.app.store.write(entry).await?;
    let scope = action.environment_id.into();
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    let before = deployment::activate(&mut write, lease, pin).await?;
    write.entry().details = serde_json::json!({
        "before": before.map(|id| id.to_string()),
        "reason": action.reason,
        "pinned": pin,
    });
    write.commit().await?;
    // The edge follows; if it does not now, the drain that comes next publishes again.
    shop.publisher.publish().await.map_err(|error| later(&error))
}

/// Waits until nobody is served by the deployment before, through the environment's link, any more.
pub(super) fn drain<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        shop.publisher.publish().await.map_err(|error| later(&error))?;
        let before = action::previous(&shop.app.store, lease).await.map_err(|error| later(&error))?;
        let Some(before) = before else { return Ok(()) };
        let link = shop.publisher.alias(lease.action().environment_id).await.map_err(|error| later(&error))?;
        let Some(host) = link else { return Ok(()) };
        let key = crate::tasks::routes::key(&host, before);
        // When a later action has made it the active one again, there is nothing to wait for.
        if let Ok(report) = shop.edge.drain(&key, shop.app.config.drain_grace).await {
            tracing::info!(
                action = %lease.action().id,
                in_flight = report.in_flight_at_switch,
                undrained = report.undrained,
                "drained"
            );
        }
        Ok(())
    })
}

fn later(error: &Error) -> Error {
    tracing::warn!(?error, "an action waits behind the point of no return");
    Error::Unavailable("the switch is not finished yet".to_owned())
}
