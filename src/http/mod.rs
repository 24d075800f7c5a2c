//! The API's entry points over HTTP. Each parses, calls one verb and converts; deployments are served by the edge, elsewhere.

use std::sync::Arc;
use std::time::Duration;

use poem::listener::TcpAcceptor;
use poem::middleware::{AddData, Cors};
use poem::{EndpointExt, Route, Server, get, post, put};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::graphql::schema;
use crate::service::App;

mod answer;
mod audit;
mod blobs;
mod document;
mod git;
mod graphql;
mod health;
mod hooks;
mod idempotency;
mod live;
mod request;

/// A connection on which nothing is asked for so long is closed.
const IDLE: Duration = Duration::from_secs(75);
/// How long requests under way may take when the program stops.
const GRACE: Duration = Duration::from_secs(10);

/// The table of contents.
fn routes(app: Arc<App>, open: live::Open) -> impl poem::Endpoint {
    Route::new()
        .at("/graphql", post(graphql::execute).get(live::connect))
        .at("/blobs/:digest", put(blobs::receive))
        .at("/hooks/:secret", post(hooks::deploy))
        .at("/git/:connection", post(git::pushed))
        .at("/audit.jsonl", get(audit::export))
        .at("/.well-known/jwks.json", get(health::jwks))
        .at("/healthz", get(health::alive))
        .at("/readyz", get(health::ready))
        .with(AddData::new(schema::build()))
        .with(AddData::new(app))
        .with(AddData::new(open))
        // Nothing here is proved by a cookie, so that another site's page can do no more than its user's token lets it.
        .with(Cors::new().expose_header("x-request-id"))
        .around(request::identify)
}

/// Serves until `stop`.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) {
    let acceptor = match TcpAcceptor::from_tokio(listener) {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "the API cannot listen"),
    };
    let server = Server::new_with_acceptor(acceptor).idle_timeout(IDLE);
    let open = live::Open { connections: TaskTracker::new(), stop: stop.clone() };
    let routes = routes(app, open.clone());
    let ended = server.run_with_graceful_shutdown(routes, stop.cancelled_owned(), Some(GRACE)).await;
    open.connections.close();
    // Each says that it ends, and waits for its client a moment at most.
    open.connections.wait().await;
    if let Err(error) = ended {
        tracing::error!(%error, "the API ended");
    }
}
