//! The edge: serves deployments by host name and moves a host from one deployment to the next without dropping a
//! request. It sees tables of routes and nothing else: no store, no database, no policy. It runs in the process of whoever
//! starts it, or in one of its own that outlives the control plane.

mod apart;
mod body;
mod compress;
mod conditional;
mod connector;
mod forward;
mod found;
mod gate;
mod handle;
mod headers;
mod meter;
mod pages;
mod park;
mod policy;
pub mod process;
mod respond;
pub mod routes;
mod server;
pub mod static_site;
mod table;
mod target;
pub mod tls;
mod tunnel;
mod wire;

pub use apart::{Apart, NewEdge, Opened};
pub use found::{Found, find, stop};
pub use handle::Edge;
pub use wire::Setup;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    headers::RequestIds,
    park::Parking,
    routes::RouteTable,
    table::Table,
    target::Target,
    wire::{Answer, Call},
};
use crate::{domain::traffic::Traffic, reach::Address};

/// A drained target's report is kept this long for a workflow that asks late.
const REPORT_KEPT: Duration = Duration::from_secs(60);
/// After the listeners went to another edge, a client that sends a request now and then is told to connect to that one.
/// Who is silent for this long has its connection closed.
const LINGER: Duration = Duration::from_secs(2);

/// How long the edge waits for others.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// For a client's request head, and for the next one on an idle connection.
    pub header_read: Duration,
    /// To connect to a program.
    pub connect: Duration,
    /// From the end of the request body to the head of the response.
    pub response_header: Duration,
    /// Between two pieces of a request body.
    pub body_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            connect: Duration::from_secs(2),
            response_header: Duration::from_secs(30),
            body_idle: Duration::from_secs(60),
        }
    }
}

/// How the edge is set up.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Whether clients arrive over TLS, ended here or in front; programs learn it by `X-Forwarded-Proto`.
    pub https: bool,
    /// The port at which visitors reach HTTPS, for redirects.
    pub https_port: u16,
    /// A retired target that nobody drains is cut after this time.
    pub drain_grace: Duration,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Told of a sleeping deployment that somebody visits.
    pub wake: Option<mpsc::Sender<String>>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            https: false,
            https_port: 443,
            drain_grace: Duration::from_secs(60),
            timeouts: Timeouts::default(),
            wake: None,
        }
    }
}

/// What a drain saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// Requests, streams and tunnels that were open when the table changed.
    pub in_flight_at_switch: usize,
    /// Those still open after the grace; they were cut.
    pub undrained: usize,
}

/// The applied table still, or again, routes to the target: its program must not be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillRouted;

/// What every connection shares.
struct Shared {
    table: Table,
    parking: Parking,
    config: EdgeConfig,
    request_ids: RequestIds,
    tasks: TaskTracker,
    /// No new connections; those that are there take one more request.
    leaving: CancellationToken,
    /// Besides, idle connections close.
    closing: CancellationToken,
    /// Connections end now.
    closed: CancellationToken,
}

/// A running edge. Clones are the same edge; it runs until `shutdown`.
#[derive(Clone)]
pub struct EdgeHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    applied: watch::Receiver<u64>,
}

impl EdgeHandle {
    /// Serves on `listener`. The table that is in the channel now is applied before the first connection is accepted.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(
        listener: TcpListener,
        mut routes: watch::Receiver<Arc<RouteTable>>,
        config: EdgeConfig,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            table: Table::new(config.timeouts.connect),
            parking: Parking::default(),
            config,
            request_ids: RequestIds::default(),
            tasks: TaskTracker::new(),
            leaving: closing.child_token(),
            closing,
            closed: CancellationToken::new(),
        });
        let first = routes.borrow_and_update().clone();
        shared.table.apply(&first);
        let (acknowledge, applied) = watch::channel(first.version);
        tokio::spawn(follow(shared.clone(), routes, acknowledge));
        tokio::spawn(server::accept(listener, None, shared.clone()));
        Ok(Self { shared, address, applied })
    }

    /// Serves HTTPS on another listener as well, for the names that the table has certificates for. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// None in practice: the parameters of TLS are constants.
    pub fn serve_tls(&self, listener: TcpListener) -> io::Result<()> {
        let acceptor = tls::acceptor(self.shared.clone()).map_err(io::Error::other)?;
        tokio::spawn(server::accept(listener, Some(acceptor), self.shared.clone()));
        Ok(())
    }

    /// Where the edge listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The version of the table that is being served.
    pub fn applied_version(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Waits until the table `version`, or a newer one, is served. After `shutdown` it returns at once.
    pub async fn applied(&self, version: u64) {
        let _ = self.applied.clone().wait_for(|applied| *applied >= version).await;
    }

    /// Waits until nothing runs any more on the retired target with this key; cuts what is left after `grace`. When it
    /// returns, no byte comes from that target through its host again.
    ///
    /// # Errors
    /// The applied table routes to the key.
    pub async fn drain(&self, key: &str, grace: Duration) -> Result<DrainReport, StillRouted> {
        self.shared.table.drain(|target| target.route.key == key, grace).await
    }

    /// The same for all hosts of a deployment: to be asked before its program is stopped. A page in its place is no route
    /// to it.
    ///
    /// # Errors
    /// The applied table routes to the deployment.
    pub async fn drain_deployment(&self, deployment: &str, grace: Duration) -> Result<DrainReport, StillRouted> {
        self.shared.table.drain(|target| target.route.deployment == deployment && target.serves(), grace).await
    }

    /// The same for one program of a deployment that others go on serving: to be asked before it is stopped.
    ///
    /// # Errors
    /// The applied table routes to the program.
    pub async fn drain_instance(
        &self,
        deployment: &str,
        address: &Address,
        grace: Duration,
    ) -> Result<DrainReport, StillRouted> {
        self.shared.table.drain(|target| target.route.deployment == deployment && target.is_at(address), grace).await
    }

    /// The deployments that were visited since this was asked last.
    pub fn take_visited(&self) -> HashSet<String> {
        self.shared.table.take_visited()
    }

    /// What was counted of each deployment's requests since this was asked last.
    pub fn take_traffic(&self) -> HashMap<String, Traffic> {
        self.shared.table.take_traffic()
    }

    /// Requests, streams and tunnels on a deployment, both serving and draining.
    pub fn in_flight(&self, deployment: &str) -> usize {
        self.shared.table.in_flight(deployment)
    }

    /// What is asked from afar.
    async fn answer(&self, call: Call) -> Answer {
        match call {
            Call::Drain { key, grace } => Answer::Drained(self.drain(&key, grace).await),
            Call::DrainDeployment { deployment, grace } => {
                Answer::Drained(self.drain_deployment(&deployment, grace).await)
            }
            Call::DrainInstance { deployment, address, grace } => {
                Answer::Drained(self.drain_instance(&deployment, &address, grace).await)
            }
            Call::InFlight { deployment } => Answer::InFlight(self.in_flight(&deployment)),
            Call::TakeVisited => Answer::Visited(self.take_visited()),
            Call::TakeTraffic => Answer::Counted(self.take_traffic()),
            Call::Leave => {
                self.leave().await;
                Answer::Done
            }
            Call::Stop { grace } => {
                self.shutdown(grace).await;
                Answer::Done
            }
        }
    }

    /// Stops accepting, since somebody else does on the same listeners. When it returns, no request comes any more; what
    /// has come goes on.
    async fn leave(&self) {
        self.shared.leaving.cancel();
        tokio::time::sleep(LINGER).await;
        self.shared.closing.cancel();
    }

    /// Stops accepting, lets running requests end for up to `grace`, then cuts what is left.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(grace, self.shared.tasks.wait()).await.is_err() {
            self.shared.table.cancel_all();
            self.shared.closed.cancel();
            self.shared.tasks.wait().await;
        }
    }
}

/// Applies every table that is published; acknowledges it when it is served.
async fn follow(shared: Arc<Shared>, mut routes: watch::Receiver<Arc<RouteTable>>, acknowledge: watch::Sender<u64>) {
    loop {
        tokio::select! {
            changed = routes.changed() => if changed.is_err() { return },
            () = shared.closing.cancelled() => return,
        }
        let table = routes.borrow_and_update().clone();
        for target in shared.table.apply(&table) {
            tokio::spawn(see_off(shared.clone(), target));
        }
        acknowledge.send_replace(table.version);
    }
}

/// Drains a retired target even if no workflow asks for it, as after a crash.
async fn see_off(shared: Arc<Shared>, target: Arc<Target>) {
    target.drain(shared.config.drain_grace).await;
    tokio::select! {
        () = tokio::time::sleep(REPORT_KEPT) => {}
        () = shared.closing.cancelled() => {}
    }
    shared.table.forget(&target);
}
