//! Following what happens to deployments: states as they change. Whoever follows has to be judged again and again by whoever passes
//! it on; here it is read with the permit of the beginning.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;

use entities::deployment::Model;
use entities::ids::{DeploymentId, EnvironmentId};
use entities::values::DeploymentState;

use super::App;
use crate::authz::{Permit, cap};
use crate::error::{Error, Result};
use crate::store;

/// How often the database is looked at when nobody tells of a change.
const SEEK: Duration = Duration::from_secs(2);

/// Deployments of an environment, each as it comes to another state; also new ones.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn deployments(
    app: Arc<App>,
    permit: Permit<cap::DeploymentView>,
    environment: EnvironmentId,
) -> Result<impl Stream<Item = Result<Model>> + Send> {
    let news = app.store.deployment_news();
    let states = store::deployment::states(&app.store, &permit).await?;
    let seen = states.into_iter().map(|(id, state, at)| (id, (state, at))).collect();
    let watch = Watch { app, permit, environment, news, seen, waiting: VecDeque::new() };
    Ok(futures_util::stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        match watch.next().await {
            Ok(row) => Some((Ok(row), Some(watch))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// The states of an environment's deployments, as they were seen last.
struct Watch {
    app: Arc<App>,
    permit: Permit<cap::DeploymentView>,
    environment: EnvironmentId,
    news: tokio::sync::broadcast::Receiver<EnvironmentId>,
    seen: HashMap<DeploymentId, (DeploymentState, chrono::DateTime<chrono::Utc>)>,
    waiting: VecDeque<DeploymentId>,
}

impl Watch {
    async fn next(&mut self) -> Result<Model> {
        loop {
            while let Some(id) = self.waiting.pop_front() {
                match store::deployment::get(&self.app.store, &self.permit, id).await {
                    Ok(row) => return Ok(row),
                    // Deleted since.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            self.wait().await;
            for (id, state, at) in store::deployment::states(&self.app.store, &self.permit).await? {
                if self.seen.insert(id, (state, at)) != Some((state, at)) {
                    self.waiting.push_back(id);
                }
            }
        }
    }

    /// Until there is reason to look. News from other replicas may be lost, so that none is a reason too, after a while.
    async fn wait(&mut self) {
        let told = async {
            loop {
                match self.news.recv().await {
                    Ok(environment) if environment != self.environment => {}
                    Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                }
            }
        };
        let _ = tokio::time::timeout(SEEK, told).await;
    }
}
