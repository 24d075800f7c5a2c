//! Who sends a request: its id, its address, its proof.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use poem::http::HeaderValue;
use poem::{Endpoint, IntoResponse, Request, Response};

use super::answer;
use crate::error::{Error, Result};
use crate::op::{Actor, Op};
use crate::service::{App, api_key, session};
use crate::sys::random;

/// Names one request in answers and logs.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Gives every request an id and every answer the same. A panic is an answer too, and leaves the connection as it is.
pub(super) async fn identify<E: Endpoint>(endpoint: std::sync::Arc<E>, mut request: Request) -> poem::Result<Response> {
    let id = random::token();
    request.set_data(RequestId(id.clone()));
    let mut response = match AssertUnwindSafe(endpoint.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response.into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => answer::refuse(Error::Internal("a request panicked; see the lines above".to_owned()), &id),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The id that [`identify`] gave.
pub(super) fn id(request: &Request) -> String {
    request.data::<RequestId>().map_or_else(String::new, |id| id.0.clone())
}

/// The address that the connection came from. Headers are not believed: anybody can write them.
pub(super) fn client(request: &Request) -> String {
    request.remote_addr().as_socket_addr().map_or_else(|| "unknown".to_owned(), |address| address.ip().to_string())
}

/// The bearer token, if there is one.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    token(request.header("authorization")?)
}

/// The token of `Bearer …`.
pub(super) fn token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The operation of whoever the access token or key speaks for; of nobody without one.
pub(super) async fn operation(app: &App, request: &Request) -> Result<Op> {
    let store = app.store.counting();
    let actor = match bearer(request) {
        None => Actor::Anonymous,
        Some(token) if api_key::is_meant_by(token) => api_key::authenticate(app, token).await?,
        Some(token) => session::authenticate(app, &store, token).await?,
    };
    Ok(Op::new(actor, id(request), store, app.standings.clone()))
}
