//! Has deployments from repositories made, one after the other in each environment.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::App;
use crate::service::git::work;

/// How often it looks for what nobody rang for: what other replicas accepted, and what was abandoned.
const LOOK: Duration = Duration::from_secs(2);
/// As many as one replica fetches at a time, each for another environment.
const AT_ONCE: usize = 2;

/// Runs until `stop`; what is under way then is begun again by the next start.
pub async fn run(app: Arc<App>, owner: String, stop: CancellationToken) {
    work::tidy(&app).await;
    let workers = (0..AT_ONCE).map(|_| stop.run_until_cancelled(keep_on(&app, &owner)));
    futures_util::future::join_all(workers).await;
}

async fn keep_on(app: &Arc<App>, owner: &str) {
    loop {
        match work::once(app, owner).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(?error, "deployments from repositories are waited for in vain"),
        }
        let _ = tokio::time::timeout(LOOK, app.fetch_wanted.notified()).await;
    }
}
