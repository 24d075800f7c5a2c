//! The business verbs, one file per resource. Each parses nothing and formats nothing: it takes values that cannot be wrong,
//! an operation that can obtain permits, and answers with rows. Knows neither GraphQL nor HTTP.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::authn::master_key::MasterKey;
use crate::config::Config;
use crate::dns::Dns;
use crate::error::Result;
use crate::runtime::Driver;
use crate::runtime::artifacts::Artifacts;
use crate::store::Store;
use crate::store::standing::Standings;

pub mod access;
pub mod api_key;
pub mod artifact;
pub mod audit;
pub mod certificate;
pub mod deploy_hook;
pub mod deployment;
pub mod domain;
pub mod edge;
pub mod environment;
pub mod explanation;
pub mod follow;
pub mod git;
pub mod invitation;
pub mod keys;
pub mod metric;
pub mod notice;
pub mod organization;
pub mod presence;
pub mod project;
pub mod resolve;
pub mod service_account;
pub mod session;
pub mod team;
pub mod transfer;
pub mod variable;
pub mod vault;

/// What the verbs work with; one for the whole program.
pub struct App {
    /// How this installation is set up.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// What actors hold, for reads.
    pub standings: Arc<Standings>,
    /// Sessions that have something open here.
    pub presence: Arc<presence::Presence>,
    /// Keys that sign tokens.
    pub keys: keys::Keys,
    /// What seals secrets at rest.
    pub master: MasterKey,
    /// Limits on attempts to sign in and up.
    pub limits: session::Limits,
    /// Content of deployments.
    pub artifacts: Artifacts,
    /// What drafts announce.
    pub announced: artifact::Announced,
    /// What runs processes.
    pub driver: Arc<dyn Driver>,
    /// What is asked about custom domains.
    pub dns: Dns,
    /// Rung when an action was accepted.
    pub accepted: Arc<Notify>,
    /// Rung when a deployment from a repository was asked for.
    pub fetch_wanted: Arc<Notify>,
    /// Rung when somebody wants an action stopped that is under way.
    pub unwanted: Arc<Notify>,
    /// Rung when what is to be served has changed.
    pub changed: Arc<Notify>,
    /// Rung when something was removed that may run or lie on a machine.
    pub removed: Arc<Notify>,
    /// Rung when a domain was claimed.
    pub claimed: Arc<Notify>,
}

impl App {
    /// Says that what is served, and what lies on this machine, may have to change.
    pub fn ring(&self) {
        self.changed.notify_one();
        self.removed.notify_one();
    }
}

/// Runs work that occupies a processor apart from the threads that answer requests.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
