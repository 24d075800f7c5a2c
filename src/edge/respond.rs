//! From a request to its answer: find the host, claim its target, let the target answer. It must not know connections.

use std::{borrow::Cow, convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, LOCATION},
};
use tokio::time::Instant;

use super::{
    Shared,
    body::{Claimed, ResponseBody, full},
    compress::{self, Coding},
    forward::{self, Peer},
    gate::Closed,
    headers::{self, BadHost, REQUEST_ID},
    pages::{self, Asked, Form, Problem},
    park::{self, Visitor},
    policy::{Policy, Rules},
    routes::TargetSpec,
    target::Claim,
};

/// Whom a connection is with.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// The name that was asked for, if the connection is one of TLS.
    pub(super) tls: Option<Arc<str>>,
}

/// Answers one request; what goes wrong becomes a page.
pub(super) async fn respond(
    shared: Arc<Shared>,
    client: Client,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let version = request.version();
    headers::from_http2(&mut request);
    let request_id = shared.request_ids.of(request.headers());
    let accept = Form::wanted(request.headers());
    let host = headers::host(&request).map(Cow::into_owned);
    let name = host.clone().unwrap_or_default();
    let https = client.tls.is_some() || shared.config.https;
    let peer = Peer { address: client.address, https, request_id };
    let policy = host.as_ref().ok().and_then(|host| shared.table.policy(host));
    let answer = match host {
        Ok(host) if client.tls.is_some_and(|asked_for| *asked_for != *host) => Err(Problem::Misdirected),
        Ok(host) => serve(&shared, &host, policy.as_deref(), request, &peer, accept).await,
        Err(bad) => Err(Problem::BadRequest(match bad {
            BadHost::Missing => "The request has no Host header.",
            BadHost::Invalid => "The Host header is not a host name.",
            BadHost::Mismatch => "The request line and the Host header name different hosts.",
            BadHost::Tunnel => "This server opens no tunnels.",
        })),
    };
    let mut response = answer.unwrap_or_else(|problem| {
        let pages = policy.as_ref().and_then(|policy| Some(&policy.rules.as_ref()?.pages));
        pages::page(&problem, &Asked { accept, host: &name, request_id: &peer.request_id, pages })
    });
    response.headers_mut().insert(REQUEST_ID, peer.request_id);
    if shared.leaving.is_cancelled()
        && version < Version::HTTP_2
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn serve(
    shared: &Arc<Shared>,
    host: &str,
    policy: Option<&Policy>,
    mut request: Request<Incoming>,
    peer: &Peer,
    accept: Form,
) -> Result<Response<ResponseBody>, Problem> {
    if let Some(answer) = challenge(shared, &request) {
        return Ok(answer);
    }
    if let Some(policy) = policy {
        if policy.redirect_to_https && !peer.https {
            return to_https(shared.config.https_port, host, &request);
        }
        if let Some(rules) = &policy.rules {
            pass(rules, &mut request, peer).await?;
            if let Some(elsewhere) = redirected(rules, &request)? {
                return Ok(elsewhere);
            }
        }
    }
    let rules = policy.and_then(|policy| policy.rules.as_ref());
    let compression = rules.is_none_or(|rules| rules.settings.compression);
    let coding = if compression { Coding::wanted(request.headers()) } else { None };
    let (method, headers) = (request.method(), request.headers());
    let visitor = Visitor { address: peer.address.ip(), method, headers, accept };
    let began = Instant::now();
    let claim = park::claim(shared, host, &visitor).await?;
    let target = claim.target().clone();
    let answer = answer(shared, host, claim, request, peer, Wanted { coding, compression }).await;
    let status = answer.as_ref().map_or_else(Problem::status, Response::status);
    target.meter.count(status, began.elapsed());
    answer
}

/// How an answer may be compressed.
struct Wanted {
    coding: Option<Coding>,
    compression: bool,
}

/// What the target answers.
async fn answer(
    shared: &Arc<Shared>,
    host: &str,
    claim: Claim,
    request: Request<Incoming>,
    peer: &Peer,
    Wanted { coding, compression }: Wanted,
) -> Result<Response<ResponseBody>, Problem> {
    let target = claim.target().clone();
    match &target.route.target {
        TargetSpec::Starting | TargetSpec::Asleep | TargetSpec::Waking => Err(Problem::Starting),
        TargetSpec::Failed { message } => Err(Problem::Failed(message.clone())),
        TargetSpec::Stopped { message } => Err(Problem::Stopped(message.clone())),
        TargetSpec::Static(site) => {
            let response = site.respond(&request, coding).await?;
            Ok(response.map(|body| Claimed::new(body, claim).boxed_unsync()))
        }
        TargetSpec::Process(_) => {
            let whole = !compression || *request.method() == Method::HEAD;
            let response = forward::forward(shared, host, request, peer, claim).await?;
            Ok(if whole { response } else { compress::passing(response, coding) })
        }
    }
}

/// Where an authority looks for the proof that a host leads here (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// The proof that an authority asks for; whatever else is below that path is the deployment's own.
fn challenge(shared: &Shared, request: &Request<Incoming>) -> Option<Response<ResponseBody>> {
    let token = request.uri().path().strip_prefix(CHALLENGES)?;
    let answer = shared.table.challenge(token).filter(|_| request.method() == Method::GET)?;
    let mut response = Response::new(full(answer));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Some(response)
}

/// Lets a request through the gate, or not. The program behind never sees the password.
async fn pass(rules: &Rules, request: &mut Request<Incoming>, peer: &Peer) -> Result<(), Problem> {
    let Some(gate) = &rules.gate else { return Ok(()) };
    let client = peer.address.ip();
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let answer = match (gate.admits(client, authorization), authorization) {
        (Some(answer), _) => answer,
        (None, Some(authorization)) => gate.check(client, authorization).await,
        (None, None) => Err(Closed::Locked),
    };
    answer.map_err(|closed| match closed {
        Closed::Locked => Problem::Locked,
        Closed::TooOften(seconds) => Problem::TooOften(seconds),
    })?;
    if gate.is_locked() {
        request.headers_mut().remove(AUTHORIZATION);
    }
    Ok(())
}

/// The redirect that is for a request, if there is one. The query is kept.
fn redirected(rules: &Rules, request: &Request<Incoming>) -> Result<Option<Response<ResponseBody>>, Problem> {
    let path = request.uri().path();
    let redirects = &rules.settings.redirects;
    let Some((to, permanent)) = redirects.iter().find_map(|it| Some((it.target(path)?, it.permanent()))) else {
        return Ok(None);
    };
    let query = match request.uri().query() {
        Some(query) if !to.contains('?') => format!("?{query}"),
        _ => String::new(),
    };
    let status = if permanent { StatusCode::PERMANENT_REDIRECT } else { StatusCode::TEMPORARY_REDIRECT };
    elsewhere(status, &format!("{to}{query}")).map(Some)
}

fn elsewhere(status: StatusCode, location: &str) -> Result<Response<ResponseBody>, Problem> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    let location = HeaderValue::try_from(location).map_err(|_| Problem::BadRequest("The path is not valid."))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// To the same place over HTTPS, by the same method.
fn to_https(port: u16, host: &str, request: &Request<Incoming>) -> Result<Response<ResponseBody>, Problem> {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    elsewhere(StatusCode::PERMANENT_REDIRECT, &format!("https://{host}{port}{path}"))
}
