//! The listener and its connections: HTTP/1.1 with time limits, upgrades and a shutdown that drains. It must not know
//! what is served.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::{Shared, respond::respond};

/// After a failed accept, as when the process has no file descriptor left: closing connections free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the edge closes.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.closing.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                shared.tasks.spawn(connection(stream, peer, shared.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Without it small answers may wait for an acknowledgement; the connection works either way.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(shared.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.timeouts.header_read)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = shared.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                finished = connection.as_mut() => finished,
                () = shared.closed.cancelled() => return,
            }
        }
    };
    if let Err(error) = finished {
        tracing::debug!(%error, "a client's connection ended early");
    }
}
