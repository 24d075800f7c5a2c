//! The listeners and their connections: HTTP/1.1 and, over TLS, HTTP/2, with time limits, upgrades and a shutdown that
//! drains. It must not know what is served.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Shared,
    respond::{Client, respond},
    tls,
};

/// After a failed accept, as when the process has no file descriptor left: closing connections free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Of one HTTP/2 connection: requests at once, bytes of the head of each, and how long a silent client is believed to live.
const STREAMS: u32 = 128;
const HEAD: u32 = 64 * 1024;
const PING: Duration = Duration::from_secs(30);
/// Streams that a client opened and took back before they were served (CVE-2023-44487).
const RESETS: usize = 20;

/// Accepts connections until the edge closes; with an acceptor, those of TLS.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.leaving.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Without it small answers may wait for an acknowledgement; the connection works either way.
                let _ = stream.set_nodelay(true);
                let (shared, tls) = (shared.clone(), tls.clone());
                shared.clone().tasks.spawn(async move {
                    match tls {
                        None => serve(stream, Client { address: peer, tls: None }, false, shared).await,
                        Some(tls) => serve_tls(stream, peer, tls, shared).await,
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_tls(stream: TcpStream, peer: SocketAddr, tls: TlsAcceptor, shared: Arc<Shared>) {
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(shared.config.timeouts.header_read, tls.accept(stream)) => handshake,
        () = shared.closing.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            let (name, http2) = tls::agreed(&stream);
            serve(stream, Client { address: peer, tls: Some(name.unwrap_or_default()) }, http2, shared).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a client and the edge did not agree on TLS"),
        Err(_) => tracing::debug!("a client was silent while TLS was agreed on"),
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    http2: bool,
    shared: Arc<Shared>,
) {
    let builder = builder(&shared, http2);
    let service = service_fn(|request| respond(shared.clone(), client.clone(), request));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // HTTP/2 tells clients to go without losing a request; of HTTP/1.1 each answer says so.
    let close = if http2 { &shared.leaving } else { &shared.closing };
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = close.cancelled() => {
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

fn builder(shared: &Shared, http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    if http2 {
        let mut builder = builder.http2_only();
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD)
            .max_pending_accept_reset_streams(RESETS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        return builder;
    }
    builder.http1().timer(TokioTimer::new()).header_read_timeout(shared.config.timeouts.header_read);
    builder.http1_only()
}
