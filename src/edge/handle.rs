//! The edge as the control plane has it, wherever it runs. It must not know what for.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::Duration,
};

use super::{
    Apart, DrainReport, EdgeHandle, StillRouted,
    wire::{Answer, Call},
};
use crate::{domain::traffic::Traffic, reach::Address};

/// What is not answered in this time is not known.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running edge. Clones are the same one.
#[derive(Clone)]
pub enum Edge {
    /// In this process, and ends with it.
    Within(EdgeHandle),
    /// In a process of its own, which goes on.
    Apart(Apart),
}

impl Edge {
    /// Where the edge listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Within(edge) => edge.address(),
            Self::Apart(edge) => edge.address(),
        }
    }

    /// Waits until the table `version`, or a newer one, is served; as long as it takes to start an edge that has died.
    pub async fn applied(&self, version: u64) {
        match self {
            Self::Within(edge) => edge.applied(version).await,
            Self::Apart(edge) => edge.applied(version).await,
        }
    }

    async fn ask(&self, call: Call) -> Option<Answer> {
        match self {
            Self::Within(edge) => Some(edge.answer(call).await),
            Self::Apart(edge) => edge.ask(call).await,
        }
    }

    /// See [`EdgeHandle::drain`].
    ///
    /// # Errors
    /// The applied table routes to the key.
    pub async fn drain(&self, key: &str, grace: Duration) -> Result<DrainReport, StillRouted> {
        self.drained(Call::Drain { key: key.to_owned(), grace }).await
    }

    /// See [`EdgeHandle::drain_deployment`].
    ///
    /// # Errors
    /// The applied table routes to the deployment.
    pub async fn drain_deployment(&self, deployment: &str, grace: Duration) -> Result<DrainReport, StillRouted> {
        self.drained(Call::DrainDeployment { deployment: deployment.to_owned(), grace }).await
    }

    /// See [`EdgeHandle::drain_instance`].
    ///
    /// # Errors
    /// The applied table routes to the program.
    pub async fn drain_instance(
        &self,
        deployment: &str,
        address: &Address,
        grace: Duration,
    ) -> Result<DrainReport, StillRouted> {
        let (deployment, address) = (deployment.to_owned(), address.clone());
        self.drained(Call::DrainInstance { deployment, address, grace }).await
    }

    async fn drained(&self, call: Call) -> Result<DrainReport, StillRouted> {
        match self.ask(call).await {
            Some(Answer::Drained(report)) => report,
            // The server ends: nobody may take this for a drain.
            _ => std::future::pending().await,
        }
    }

    /// The deployments that were visited since this was asked last.
    pub async fn take_visited(&self) -> HashSet<String> {
        match tokio::time::timeout(PATIENCE, self.ask(Call::TakeVisited)).await {
            Ok(Some(Answer::Visited(visited))) => visited,
            _ => HashSet::new(),
        }
    }

    /// What was counted of each deployment's requests since this was asked last.
    pub async fn take_traffic(&self) -> HashMap<String, Traffic> {
        match tokio::time::timeout(PATIENCE, self.ask(Call::TakeTraffic)).await {
            Ok(Some(Answer::Counted(traffic))) => traffic,
            _ => HashMap::new(),
        }
    }

    /// Requests, streams and tunnels on a deployment, both serving and draining.
    pub async fn in_flight(&self, deployment: &str) -> usize {
        let call = Call::InFlight { deployment: deployment.to_owned() };
        match tokio::time::timeout(PATIENCE, self.ask(call)).await {
            Ok(Some(Answer::InFlight(count))) => count,
            _ => 0,
        }
    }

    /// Leaves an edge of its own process to itself.
    pub fn let_go(&self) {
        if let Self::Apart(edge) = self {
            edge.let_go();
        }
    }
}
