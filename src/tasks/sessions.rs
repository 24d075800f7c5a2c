//! Looks which of the sessions that have something open have ended, here or at another replica.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::App;

/// What is open in a session is over within a second of its end.
const LOOK: Duration = Duration::from_millis(400);

/// Runs until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        if let Err(error) = app.presence.check(&app.store).await {
            tracing::warn!(?error, "it could not be told which sessions have ended");
        }
    }
}
