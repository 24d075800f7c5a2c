//! From a request to its answer: find the host, claim its target, let the target answer. It must not know connections.

use std::{borrow::Cow, convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming};

use super::{
    Shared,
    body::{Claimed, ResponseBody},
    forward::{self, Peer},
    headers::{self, BadHost, REQUEST_ID},
    pages::{self, Asked, Form, Problem},
    park::{self, Visitor},
    routes::TargetSpec,
};

/// Answers one request; what goes wrong becomes a page.
pub(super) async fn respond(
    shared: Arc<Shared>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let request_id = shared.request_ids.of(request.headers());
    let accept = Form::wanted(request.headers());
    let host = headers::host(&request).map(Cow::into_owned);
    let name = host.clone().unwrap_or_default();
    let peer = Peer { address, request_id };
    let answer = match host {
        Ok(host) => serve(&shared, &host, request, &peer, accept).await,
        Err(bad) => Err(Problem::BadRequest(match bad {
            BadHost::Missing => "The request has no Host header.",
            BadHost::Invalid => "The Host header is not a host name.",
            BadHost::Mismatch => "The request line and the Host header name different hosts.",
            BadHost::Tunnel => "This server opens no tunnels.",
        })),
    };
    let mut response = answer
        .unwrap_or_else(|problem| pages::page(&problem, &Asked { accept, host: &name, request_id: &peer.request_id }));
    response.headers_mut().insert(REQUEST_ID, peer.request_id);
    Ok(response)
}

async fn serve(
    shared: &Arc<Shared>,
    host: &str,
    request: Request<Incoming>,
    peer: &Peer,
    accept: Form,
) -> Result<Response<ResponseBody>, Problem> {
    let (method, headers) = (request.method(), request.headers());
    let visitor = Visitor { address: peer.address.ip(), method, headers, accept };
    let claim = park::claim(shared, host, &visitor).await?;
    let target = claim.target().clone();
    match &target.route.target {
        TargetSpec::Starting | TargetSpec::Asleep | TargetSpec::Waking => Err(Problem::Starting),
        TargetSpec::Failed { message } => Err(Problem::Failed(message.clone())),
        TargetSpec::Stopped { message } => Err(Problem::Stopped(message.clone())),
        TargetSpec::Static(site) => {
            let response = site.respond(&request).await?;
            Ok(response.map(|body| Claimed::new(body, claim).boxed_unsync()))
        }
        TargetSpec::Process(_) => match &target.upstream {
            Some(upstream) => forward::forward(shared, upstream, request, peer, claim).await,
            None => Err(Problem::BadGateway),
        },
    }
}
