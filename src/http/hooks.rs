//! Deploy hooks: the address is the proof.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{Body, IntoResponse, Request, Response, handler};
use serde::Deserialize;

use super::{answer, request};
use crate::error::{Error, Result};
use crate::service::{App, deploy_hook};

/// Bytes of a call.
const LARGEST: usize = 16 * 1024;

/// What a call may say.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Call {
    /// The commit to deploy, in place of the newest one of the hook's branch.
    commit: Option<String>,
}

/// `POST /hooks/{secret}`, with nothing or `{"commit": "…"}`.
#[handler]
pub(super) async fn deploy(
    app: Data<&Arc<App>>,
    request: &Request,
    Path(secret): Path<String>,
    body: Body,
) -> Response {
    match called(&app, request, &secret, body).await {
        Ok(id) => Json(serde_json::json!({ "id": id })).with_status(StatusCode::ACCEPTED).into_response(),
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

async fn called(app: &App, request: &Request, secret: &str, body: Body) -> Result<String> {
    let unreadable = |_| Error::invalid("body", "syntax", "send nothing, or JSON such as `{\"commit\": \"…\"}`");
    let body = body.into_bytes_limit(LARGEST).await.map_err(|_| {
        Error::invalid("body", "too_large", format!("a call has to come whole, in at most {LARGEST} bytes"))
    })?;
    let call: Call =
        if body.is_empty() { Call::default() } else { serde_json::from_slice(&body).map_err(unreadable)? };
    let (client, id) = (request::client(request), request::id(request));
    Ok(deploy_hook::call(app, &client, secret, call.commit.as_deref(), id).await?.to_string())
}
