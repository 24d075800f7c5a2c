//! The reverse proxy: one request to one program and its response back, streamed both ways. It must not know how the
//! target was found.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header::HeaderValue,
    http::uri::{Authority, PathAndQuery, Scheme},
    upgrade::OnUpgrade,
};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    Shared,
    body::{Claimed, Cut, ResponseBody, Upload},
    connector::Connector,
    headers,
    pages::Problem,
    table::Lookup,
    target::{Claim, Target},
    tunnel,
};
use crate::reach::Address;

/// Shorter than the five seconds after which Node, the most common program, closes an idle connection: a request sent on
/// a connection that is being closed fails, and not every request may be sent twice.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Before a refused connection is tried again.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// A program and the connections to it.
pub(super) struct Upstream {
    authority: Authority,
    client: Client<Connector, Upload>,
}

impl Upstream {
    pub(super) fn new(address: Address, connect: Duration) -> Option<Self> {
        let authority = Authority::try_from(address.to_string()).ok()?;
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .build(Connector::new(address, connect));
        Some(Self { authority, client })
    }
}

/// What the edge knows about the client of a request.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// It came over TLS, which ends here or in front.
    pub(super) https: bool,
    pub(super) request_id: HeaderValue,
}

/// Sends a request to the program behind `claim`, or to another of `host` if that one cannot be reached.
pub(super) async fn forward(
    shared: &Arc<Shared>,
    host: &str,
    mut request: Request<Incoming>,
    peer: &Peer,
    claim: Claim,
) -> Result<Response<ResponseBody>, Problem> {
    let client_upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let mut outgoing = Request::new(());
    *outgoing.method_mut() = head.method;
    *outgoing.uri_mut() = head.uri;
    *outgoing.version_mut() = Version::HTTP_11;
    *outgoing.headers_mut() = head.headers;
    let upgrade = headers::strip_hop_by_hop(outgoing.headers_mut());
    headers::set_forwarded(outgoing.headers_mut(), peer.address.ip(), peer.https, peer.request_id.clone());
    let wants_upgrade = upgrade.is_some();
    if let Some(protocol) = upgrade {
        headers::set_upgrade(outgoing.headers_mut(), protocol);
    }
    let (response, claim) = exchange(shared, host, claim, outgoing, body).await?;
    answer(shared, response, wants_upgrade.then_some(client_upgrade), claim)
}

/// The head of a request as it is sent to a program.
fn addressed(head: &Request<()>, upstream: &Upstream) -> Result<Request<()>, Problem> {
    let mut uri = head.uri().clone().into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream.authority.clone());
    uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    let mut head = head.clone();
    *head.uri_mut() = Uri::from_parts(uri).map_err(|_| Problem::BadRequest("The path is not valid."))?;
    Ok(head)
}

/// The exchange up to the head of the response. It is tried a second time where that cannot do anything twice: nothing
/// was sent as the connection was refused, or the method may be repeated and there was no body. (A request that never
/// left a pooled connection is repeated by the client itself.) The second time it goes to another program, if there is one.
async fn exchange(
    shared: &Shared,
    host: &str,
    mut claim: Claim,
    head: Request<()>,
    mut body: Incoming,
) -> Result<(Response<Incoming>, Claim), Problem> {
    let repeatable = head.method().is_idempotent() && body.is_end_stream();
    let mut last = false;
    loop {
        let target = claim.target().clone();
        let upstream = target.upstream.as_ref().ok_or(Problem::BadGateway)?;
        let (upload, mut returned) = Upload::new(body, shared.config.timeouts.body_idle);
        let sent = upstream.client.request(addressed(&head, upstream)?.map(|()| upload));
        tokio::pin!(sent);
        let mut given_back = None;
        let outcome = tokio::select! {
            biased;
            outcome = &mut sent => outcome,
            // The clock runs from the end of the upload: a long one is not a slow answer.
            () = async {
                given_back = (&mut returned).await.ok();
                tokio::time::sleep(shared.config.timeouts.response_header).await;
            } => return Err(Problem::Timeout),
            () = target.cancel.cancelled() => return Err(Problem::Replaced),
        };
        let error = match outcome {
            Ok(response) => return Ok((response, claim)),
            Err(error) => error,
        };
        let refused = error.is_connect();
        match given_back.or_else(|| returned.try_recv().ok()) {
            Some(unread) if !last && (refused || repeatable) && !timed_out(&error) => {
                last = true;
                body = unread;
                let another = another(shared, host, &target);
                if refused && another.is_none() {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
                claim = another.unwrap_or(claim);
            }
            _ => return Err(problem(&error)),
        }
    }
}

/// A claim on another program of a host than the one that has just failed.
fn another(shared: &Shared, host: &str, failed: &Arc<Target>) -> Option<Claim> {
    match shared.table.claim_but(host, Some(failed)) {
        Lookup::Found(claim) if claim.target().upstream.is_some() && !Arc::ptr_eq(claim.target(), failed) => {
            Some(claim)
        }
        Lookup::Found(_) | Lookup::Unknown { .. } => None,
    }
}

/// Turns a program's response into the client's.
fn answer(
    shared: &Shared,
    response: Response<Incoming>,
    client_upgrade: Option<OnUpgrade>,
    claim: Claim,
) -> Result<Response<ResponseBody>, Problem> {
    let (mut head, body) = response.into_parts();
    let agreed = headers::strip_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        head.extensions.clear();
        return Ok(Response::from_parts(head, Claimed::new(body, claim).boxed_unsync()));
    }
    let program_upgrade = head.extensions.remove::<OnUpgrade>();
    let (Some(client), Some(program), Some(protocol)) = (client_upgrade, program_upgrade, agreed) else {
        return Err(Problem::BadGateway);
    };
    headers::set_upgrade(&mut head.headers, protocol);
    shared.tasks.spawn(tunnel::join(client, program, claim));
    Ok(Response::from_parts(head, super::body::full("")))
}

fn problem(error: &Error) -> Problem {
    if chain(error).any(|cause| matches!(cause.downcast_ref(), Some(Cut::Idle))) {
        return Problem::RequestTimeout;
    }
    tracing::debug!(error = ?error, "a program did not answer");
    if timed_out(error) { Problem::Timeout } else { Problem::BadGateway }
}

fn timed_out(error: &Error) -> bool {
    chain(error)
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut))
}

fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
