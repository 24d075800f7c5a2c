//! Sends what others are told of: to many at once, and only little at once to each, so that whoever is slow is in nobody's way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use entities::ids::WebhookId;

use crate::error::{Error, Result};
use crate::service::{App, delivery};
use crate::store;
use crate::sys::clock;

/// How often it looks for what nobody rang for: what is to be tried again, and what other replicas left.
const LOOK: Duration = Duration::from_secs(1);
/// Deliveries under way from one replica, and those to one endpoint.
const AT_ONCE: usize = 64;
const AT_ONCE_TO_ONE: usize = 4;
/// What is under way when the server stops gets so long to end; what does not is sent again by the next start.
const GRACE: Duration = Duration::from_secs(5);
/// How often old deliveries are forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// What is being sent: to each endpoint as many as there are others who hold its mark.
type Busy = HashMap<Option<WebhookId>, Arc<()>>;

/// Runs until `stop`.
pub async fn run(app: Arc<App>, owner: String, stop: CancellationToken) {
    let mut sending = JoinSet::new();
    let mut busy = Busy::new();
    let mut news = app.store.deployment_news();
    let mut forgotten = clock::instant();
    // What this replica had in hand when it ended is nobody's.
    if let Err(error) = store::delivery::release_all(&app.store, &owner).await {
        tracing::error!(?error, "what was being sent waits until its lease has run out");
    }
    loop {
        if forgotten.elapsed() > FORGET {
            forgotten = clock::instant();
            if let Err(error) = delivery::forget(&app, clock::now()).await {
                tracing::warn!(?error, "old deliveries could not be forgotten");
            }
        }
        let begun = stop.run_until_cancelled(begin(&app, &owner, &mut sending, &mut busy)).await;
        if let Some(Err(error)) = begun {
            tracing::error!(?error, "what is to be sent cannot be read");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = sending.join_next(), if !sending.is_empty() => {}
            () = app.to_send.notified() => {}
            _ = news.recv() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    let _ = tokio::time::timeout(GRACE, async { while sending.join_next().await.is_some() {} }).await;
}

/// Begins to send what is due, as far as there is room.
async fn begin(app: &Arc<App>, owner: &str, sending: &mut JoinSet<()>, busy: &mut Busy) -> Result<()> {
    while sending.try_join_next().is_some() {}
    busy.retain(|_, mark| Arc::strong_count(mark) > 1);
    let full: Vec<_> = busy
        .iter()
        .filter(|(_, mark)| Arc::strong_count(mark) > AT_ONCE_TO_ONE)
        .map(|(endpoint, _)| *endpoint)
        .collect();
    if sending.len() >= AT_ONCE {
        return Ok(());
    }
    for endpoint in store::delivery::endpoints_due(&app.store, &full).await? {
        let mark = busy.entry(endpoint).or_default();
        let room = (AT_ONCE_TO_ONE + 1 - Arc::strong_count(mark)).min(AT_ONCE.saturating_sub(sending.len()));
        let claimed = store::delivery::claim(&app.store, endpoint, owner, delivery::lease(app), room as u64).await?;
        for row in claimed {
            let (app, mark) = (app.clone(), mark.clone());
            sending.spawn(async move {
                let _mark = mark;
                match delivery::send(&app, &row).await {
                    // Somebody else has sent it meanwhile.
                    Ok(()) | Err(Error::Conflict(_)) => {}
                    Err(error) => tracing::error!(delivery = %row.id, ?error, "a delivery could not be sent"),
                }
            });
        }
    }
    Ok(())
}
