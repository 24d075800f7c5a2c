//! Asks DNS about custom domains again and again: a proof that is given counts soon, and one that is taken away is noticed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::service::{App, domain};
use crate::store;
use crate::sys::clock;

/// How often it looks which are due when nobody rang.
const LOOK: Duration = Duration::from_secs(1);
/// No other replica takes up a domain that is being checked.
const LEASE: Duration = Duration::from_secs(60);
/// Domains taken up in one look, and those asked about at once.
const MOST: u64 = 256;
const AT_ONCE: usize = 16;

/// Runs until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let pause = LOOK.min(app.config.domain_check / 10);
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(once(&app)).await {
            tracing::error!(?error, "custom domains could not be looked after");
        }
        tokio::select! {
            () = app.claimed.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn once(app: &App) -> Result<()> {
    let due = store::domain::take_due(&app.store, clock::now(), LEASE, MOST).await?;
    let checks = stream::iter(due).for_each_concurrent(AT_ONCE, async |row| match domain::check(app, &row).await {
        // Checked by somebody else in this moment; its turn comes again.
        Ok(()) | Err(Error::Conflict(_)) => {}
        Err(error) => tracing::error!(domain = row.name, ?error, "a domain could not be checked"),
    });
    checks.await;
    Ok(())
}
