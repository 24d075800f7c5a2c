//! Starts retired deployments again whose links somebody visits. Which those are is told by the edge; many visitors of one are
//! told once.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use entities::ids::DeploymentId;
use entities::values::{ActionKind, Cause};

use crate::service::{App, deployment};

/// Runs until `stop`.
pub async fn run(app: Arc<App>, mut woken: mpsc::Receiver<String>, stop: CancellationToken) {
    while let Some(Some(name)) = stop.run_until_cancelled(woken.recv()).await {
        let Ok(id) = name.parse::<DeploymentId>() else { continue };
        if let Err(error) = deployment::by_itself(&app, id, ActionKind::Revive, Cause::Visit).await {
            // The next visitor tells again.
            tracing::error!(deployment = name, ?error, "a visited deployment could not be started again");
        }
    }
}
