//! Keeps the signing keys fresh, and takes over what another process rotated.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::App;

/// Runs until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let pause = Duration::from_secs(10);
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        if let Err(error) = app.keys.keep(&app.store).await {
            tracing::error!(?error, "the signing keys could not be kept");
        }
    }
}
