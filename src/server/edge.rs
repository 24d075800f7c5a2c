//! Gives the server its edge: in its own process, or the one that serves this data folder already. It must not know what is
//! served.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::edge::routes::RouteTable;
use crate::edge::{self, Edge, EdgeConfig, EdgeHandle, Found, NewEdge, Opened, Setup};
use crate::error::{Error, Result};

/// Where deployments are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgePlace {
    /// In the server's process: it ends with the server.
    Within,
    /// In a process of its own, which goes on serving without a server; the next one finds it.
    Apart,
}

/// An edge that waits for its first table.
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
    setup: Setup,
    how: How,
}

enum How {
    Within(Vec<TcpListener>),
    Apart(Box<Opened>),
}

/// Listens, and finds or starts the edge.
///
/// # Errors
/// `Unavailable` when an address is taken, or the edge does not start.
pub(super) async fn ready(config: &Config, place: EdgePlace, executable: &Path) -> Result<Ready> {
    let found = match place {
        EdgePlace::Within => None,
        EdgePlace::Apart => edge::find(&config.data).await.map_err(|error| unavailable(&error))?,
    };
    let (listeners, found) = listeners(config, found).await?;
    let mut addresses = listeners.iter().map(|listener| listener.local_addr().map_err(|error| unavailable(&error)));
    let address = addresses.next().transpose()?.ok_or_else(|| Error::Internal("no listener".to_owned()))?;
    let tls = addresses.next().transpose()?;
    drop(addresses);
    let setup = Setup {
        https: config.edge_url.as_deref().is_some_and(|url| url.starts_with("https://")),
        https_port: config.https_port,
        drain_grace: config.drain_grace,
    };
    let how = match place {
        EdgePlace::Within => How::Within(listeners),
        EdgePlace::Apart => {
            let (folder, executable) = (config.data.clone(), executable.to_owned());
            let wanted = NewEdge { folder, executable, setup: setup.clone(), listeners };
            How::Apart(Box::new(wanted.open(found).await.map_err(|error| unavailable(&error))?))
        }
    };
    Ok(Ready { address, tls, setup, how })
}

/// The sockets of the edge that was found, where it listens as it should; new ones otherwise.
async fn listeners(config: &Config, found: Option<Found>) -> Result<(Vec<TcpListener>, Option<Found>)> {
    match (listen(config, found.as_ref()).await, found) {
        // It may be that edge itself that is in the way, on an address that overlaps.
        (Err(_), Some(found)) => {
            found.release().await;
            Ok((listen(config, None).await?, None))
        }
        (listeners, found) => Ok((listeners?, found)),
    }
}

async fn listen(config: &Config, found: Option<&Found>) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in [config.edge_listen].into_iter().chain(config.edge_tls_listen) {
        let kept = found.and_then(|found| found.listener(address));
        listeners.push(match kept {
            Some(kept) => kept.map_err(|error| unavailable(&error))?,
            None => super::listen(address).await.map_err(advised)?.into_std().map_err(|error| unavailable(&error))?,
        });
    }
    Ok(listeners)
}

impl Ready {
    /// The version of the last table that was served here.
    pub(super) fn version(&self) -> u64 {
        match &self.how {
            How::Within(_) => 0,
            How::Apart(opened) => opened.version(),
        }
    }

    /// Serves every table that is published; returns when the present one is served.
    pub(super) async fn serve(
        self,
        routes: watch::Receiver<Arc<RouteTable>>,
        wake: mpsc::Sender<String>,
    ) -> Result<Edge> {
        match self.how {
            How::Apart(opened) => {
                Ok(Edge::Apart(opened.serve(routes, wake).await.map_err(|error| unavailable(&error))?))
            }
            How::Within(listeners) => {
                let config = EdgeConfig {
                    https: self.setup.https,
                    https_port: self.setup.https_port.or(self.tls.map(|tls| tls.port())).unwrap_or(443),
                    drain_grace: self.setup.drain_grace,
                    wake: Some(wake),
                    ..EdgeConfig::default()
                };
                within(listeners, routes, config).map(Edge::Within).map_err(|error| unavailable(&error))
            }
        }
    }
}

fn within(
    listeners: Vec<TcpListener>,
    routes: watch::Receiver<Arc<RouteTable>>,
    config: EdgeConfig,
) -> std::io::Result<EdgeHandle> {
    let mut listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
    let plain = listeners.next().transpose()?.ok_or(std::io::ErrorKind::InvalidInput)?;
    let edge = EdgeHandle::start(plain, routes, config)?;
    if let Some(tls) = listeners.next() {
        edge.serve_tls(tls?)?;
    }
    Ok(edge)
}

/// It may be the edge of a server that is long gone.
fn advised(error: Error) -> Error {
    let Error::Unavailable(text) = error else { return error };
    let advice = "an edge goes on without its server until `reeve stop` is run over the same data folder";
    Error::Unavailable(format!("{text}; {advice}"))
}

fn unavailable(error: &std::io::Error) -> Error {
    Error::Unavailable(format!("the edge does not serve ({error}); read `edge.log` in the data folder"))
}
