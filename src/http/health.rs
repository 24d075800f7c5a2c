//! Whether the program is alive and ready, and the public halves of its keys.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Request, Response, handler};

use super::{answer, request};
use crate::service::App;
use crate::sys::clock;

/// The program runs.
#[handler]
pub(super) fn alive() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The program can answer: its database does.
#[handler]
pub(super) async fn ready(app: Data<&Arc<App>>, request: &Request) -> Response {
    match app.store.ping().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

/// The keys that verify access tokens (RFC 7517).
#[handler]
pub(super) fn jwks(app: Data<&Arc<App>>) -> Response {
    let keys = Json(app.keys.ring().jwks(clock::now()));
    keys.with_header("cache-control", "public, max-age=300").into_response()
}
