//! Tells whoever follows deployments that those of an environment have changed, within this process and between replicas. It
//! says where to look, never what is to be seen: whoever is told reads for themselves, with their own authority.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::broadcast;

use entities::ids::EnvironmentId;

use super::{Store, sql};
use crate::error::Result;

/// On which PostgreSQL tells of changed deployments; the payload is the environment's id.
pub(super) const CHANNEL: &str = "reeve_deployments";
/// So much may happen before somebody who is slow has to look without being told where.
const KEPT: usize = 256;

/// One for a process.
pub(super) struct News {
    deployments: broadcast::Sender<EnvironmentId>,
}

impl News {
    pub(super) fn new() -> Self {
        Self { deployments: broadcast::Sender::new(KEPT) }
    }

    /// Passes on what happened here, or what another replica said.
    pub(super) fn deployments_changed(&self, environment: EnvironmentId) {
        // Nobody may be listening.
        let _ = self.deployments.send(environment);
    }
}

impl Store {
    /// Environments whose deployments change from now on. What other replicas say may be lost.
    pub fn deployment_news(&self) -> broadcast::Receiver<EnvironmentId> {
        self.news.deployments.subscribe()
    }

    /// Tells of a change that was made without a [`super::Write`].
    pub(super) async fn tell_deployments_changed(&self, environment: EnvironmentId) -> Result<()> {
        self.news.deployments_changed(environment);
        if self.is_postgres() {
            notify(&self.db, CHANNEL, environment.to_string()).await?;
        }
        Ok(())
    }
}

/// Leaves word for every replica; PostgreSQL delivers it when the transaction commits.
pub(super) async fn notify(connection: &impl ConnectionTrait, channel: &str, payload: String) -> Result<()> {
    let values = [channel.into(), payload.into()];
    let notify = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    connection.execute_raw(notify).await.map_err(sql)?;
    Ok(())
}
