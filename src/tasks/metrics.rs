//! Writes down what the edge counts of requests, minute by minute, and removes what is too old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use entities::ids::DeploymentId;

use crate::domain::traffic::Traffic;
use crate::edge::Edge;
use crate::service::App;
use crate::store::metric;
use crate::sys::clock;

/// How old a count may be before it can be read.
const PAUSE: Duration = Duration::from_secs(5);

/// The minute that is counted now.
#[derive(Default)]
struct Counted {
    minute: i64,
    traffic: HashMap<DeploymentId, Traffic>,
}

/// Runs until `stop`; what was counted last is written before.
pub async fn run(app: Arc<App>, edge: Edge, replica: String, stop: CancellationToken) {
    let mut counted = Counted::default();
    loop {
        let ending = stop.is_cancelled();
        let minute = metric::minute(clock::now());
        if minute != counted.minute {
            counted = Counted { minute, traffic: HashMap::new() };
            if let Err(error) = metric::forget(&app.store).await {
                tracing::warn!(?error, "measurements that are too old could not be removed");
            }
        }
        let mut changed = Vec::new();
        for (name, traffic) in edge.take_traffic().await {
            let Ok(id) = name.parse::<DeploymentId>() else { continue };
            let sum = counted.traffic.entry(id).or_default();
            sum.add(&traffic);
            changed.push((id, sum.clone()));
        }
        if let Err(error) = metric::write(&app.store, &replica, minute, &changed).await {
            tracing::warn!(?error, "what was counted of requests could not be written");
        }
        if ending {
            return;
        }
        let _ = tokio::time::timeout(PAUSE, stop.cancelled()).await;
    }
}
