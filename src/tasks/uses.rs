//! Writes down, every few seconds, which capabilities were used.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::App;

/// How old a use may be before it is written.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs until `stop`. What is used after that is written when the server has answered its last request.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut failed = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            // A database that takes nothing is not asked more often because there is more to write.
            () = app.store.uses_fill_up(), if !failed => {}
            () = stop.cancelled() => return,
        }
        let written = app.store.write_uses().await;
        failed = written.is_err();
        if let Err(error) = written {
            tracing::warn!(?error, "the uses of capabilities could not be written");
        }
    }
}
