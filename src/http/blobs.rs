//! Content of deployments arrives here, a file a request, streamed.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::{answer, request};
use crate::domain::digest::Digest;
use crate::error::{Error, Result};
use crate::op::{Actor, Op};
use crate::service::{App, artifact};

/// `PUT /blobs/{digest}` with an upload token.
#[handler]
pub(super) async fn receive(
    app: Data<&Arc<App>>,
    request: &Request,
    Path(digest): Path<String>,
    body: Body,
) -> Response {
    match received(&app, request, &digest, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

async fn received(app: &App, request: &Request, digest: &str, body: Body) -> Result<()> {
    let missing = || Error::Unauthenticated("send the upload token of the draft".to_owned());
    let upload = artifact::authenticate(app, request::bearer(request).ok_or_else(missing)?)?;
    let digest = Digest::parse(digest).map_err(|problem| problem.within("digest"))?;
    let actor = Actor::Upload { id: upload.user };
    let op = Op::new(actor, request::id(request), app.store.counting(), app.standings.clone());
    artifact::receive(app, &op, &upload, &digest, Box::pin(body.into_bytes_stream())).await
}
