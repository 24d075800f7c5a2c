//! Durable deployment actions: a table of run and undo steps for each, and the engine that takes them through crashes. Each
//! step is idempotent, since it runs again when the program dies between its effect and its record.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::edge::Edge;
use crate::error::Result;
use crate::service::App;
use crate::store::action::Lease;
use crate::tasks::routes::Publisher;

pub mod activate;
pub mod build;
pub mod deploy;
pub mod engine;
pub mod remove;
pub mod restart;
pub mod revive;
pub mod rollback;
pub mod run;

/// What steps work with.
pub struct Workshop {
    /// The program.
    pub app: Arc<App>,
    /// What serves.
    pub edge: Edge,
    /// What tells the edge.
    pub publisher: Arc<Publisher>,
    /// Turns of actions; one that waits for its build gives its turn away.
    turns: Arc<Semaphore>,
    /// Places for builds.
    places: Semaphore,
}

/// As many actions as one replica takes through their steps at a time, each of another environment; not counted those that
/// build.
const AT_ONCE: usize = 8;

impl Workshop {
    /// One with all its places free.
    #[must_use]
    pub fn new(app: Arc<App>, edge: Edge, publisher: Arc<Publisher>) -> Self {
        let places = usize::try_from(app.config.builds.at_once).unwrap_or(1);
        Self { app, edge, publisher, turns: Arc::new(Semaphore::new(AT_ONCE)), places: Semaphore::new(places) }
    }
}

/// The future of a step.
pub type Doing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A step's half.
pub type Do = for<'a> fn(&'a Workshop, &'a Lease) -> Doing<'a>;

/// One step of an action.
pub struct Step {
    /// Its name in records, logs and tests.
    pub name: &'static str,
    /// Does it; doing it again changes nothing.
    pub run: Do,
    /// Takes it back, as far as it got; none if there is nothing to take back.
    pub undo: Option<Do>,
}
