//! Following what happens to deployments: lines as programs print them, and states as they change. Whoever follows has to be
//! judged again and again by whoever passes it on; here it is read with the permit of the beginning.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;

use entities::deployment::Model;
use entities::ids::{DeploymentId, EnvironmentId};
use entities::values::{DeploymentKind, DeploymentState};

use super::App;
use super::instance::{self, Marks};
use crate::authz::{Permit, cap};
use crate::error::{Error, Result};
use crate::runtime::{LogLine, Status};
use crate::store;

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the database is looked at when nobody tells of a change.
const SEEK: Duration = Duration::from_secs(2);

/// Whose log is followed.
enum Whose {
    /// That of one deployment, until nothing more can come.
    Deployment(DeploymentId),
    /// That of whichever deployment the environment's link points to.
    Active(Option<DeploymentId>),
}

/// A log that is being followed.
struct Tail {
    app: Arc<App>,
    permit: Permit<cap::LogView>,
    whose: Whose,
    read: Marks,
    waiting: VecDeque<LogLine>,
    /// When the database is to be looked at again.
    due: std::time::Instant,
}

/// The log of one deployment: its last lines, then each that comes, until nothing more can come.
pub fn deployment_log(
    app: Arc<App>,
    permit: Permit<cap::LogView>,
    id: DeploymentId,
    last: usize,
) -> impl Stream<Item = Result<LogLine>> + Send {
    Tail::new(app, permit, Whose::Deployment(id), last).lines()
}

/// The log of what an environment's link serves: its last lines, then each that comes, of the next deployment too.
pub fn environment_log(
    app: Arc<App>,
    permit: Permit<cap::LogView>,
    last: usize,
) -> impl Stream<Item = Result<LogLine>> + Send {
    Tail::new(app, permit, Whose::Active(None), last).lines()
}

impl Tail {
    fn new(app: Arc<App>, permit: Permit<cap::LogView>, whose: Whose, last: usize) -> Self {
        let read = Marks::last(last);
        Self { app, permit, whose, read, waiting: VecDeque::new(), due: crate::sys::clock::instant() }
    }

    fn lines(self) -> impl Stream<Item = Result<LogLine>> + Send {
        futures_util::stream::unfold(Some(self), |tail| async {
            let mut tail = tail?;
            match tail.next().await {
                Ok(Some(line)) => Some((Ok(line), Some(tail))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<LogLine>> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Ok(Some(line));
            }
            // First whether more can come, then what has come: a program that ends in between has said its last word.
            let over = self.seek().await?;
            if self.read().await? {
                continue;
            }
            if over {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes the lines that have come; whether there were any.
    async fn read(&mut self) -> Result<bool> {
        let (Whose::Deployment(id) | Whose::Active(Some(id))) = self.whose else { return Ok(false) };
        let lines = self.read.read(&self.app, id).await?;
        self.waiting.extend(lines);
        Ok(!self.waiting.is_empty())
    }

    /// Looks in the database now and then. Whether nothing more can come.
    async fn seek(&mut self) -> Result<bool> {
        let now = crate::sys::clock::instant();
        if now < self.due {
            return Ok(false);
        }
        self.due = now + SEEK;
        match self.whose {
            Whose::Deployment(id) => self.is_over(id).await,
            Whose::Active(seen) => {
                self.due = now + LOOK * 2;
                let environment = store::environment::current(&self.app.store, &self.permit).await?;
                let active = environment.active_deployment_id;
                if active != seen {
                    // What the one before said last comes first.
                    self.read().await?;
                    if seen.is_some() {
                        self.read = Marks::default();
                    }
                    self.whose = Whose::Active(active);
                }
                Ok(false)
            }
        }
    }

    async fn is_over(&self, id: DeploymentId) -> Result<bool> {
        let row = match store::deployment::get(&self.app.store, &self.permit, id).await {
            Ok(row) => row,
            Err(Error::NotFound { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        if row.kind == DeploymentKind::Static {
            return Ok(true);
        }
        let over = match row.state {
            DeploymentState::Failed
            | DeploymentState::Cancelled
            | DeploymentState::Skipped
            | DeploymentState::Deleted => true,
            DeploymentState::Draft
            | DeploymentState::Queued
            | DeploymentState::Building
            | DeploymentState::Starting
            | DeploymentState::Ready
            | DeploymentState::Active
            | DeploymentState::Retired
            | DeploymentState::Reviving => false,
        };
        if over {
            for program in instance::of(&self.app, id).await? {
                if matches!(self.app.driver.status(&program.name()).await?, Status::Running { .. }) {
                    return Ok(false);
                }
            }
        }
        Ok(over)
    }
}

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
