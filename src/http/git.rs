//! Where forges tell of pushes: GitHub, Gitea and others that sign like it, and GitLab.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::{answer, request};
use crate::error::{Error, Result};
use crate::service::App;
use crate::service::git::push::{self, Delivery, Proof, Taken};

/// Bytes of a push; GitHub sends no larger ones.
const LARGEST: usize = 25 * 1024 * 1024;

/// `POST /git/{connection}`, signed with the secret of the connection.
#[handler]
pub(super) async fn pushed(
    app: Data<&Arc<App>>,
    request: &Request,
    Path(connection): Path<String>,
    body: Body,
) -> Response {
    match taken(&app, request, &connection, body).await {
        Ok(taken) => {
            let asked = if let Taken::Asked(count) = taken { count } else { 0 };
            Json(serde_json::json!({ "deployments": asked, "before": taken == Taken::Before }))
                .with_status(StatusCode::ACCEPTED)
                .into_response()
        }
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

async fn taken(app: &App, request: &Request, connection: &str, body: Body) -> Result<Taken> {
    let body = body.into_bytes_limit(LARGEST).await.map_err(|_| {
        Error::invalid("body", "too_large", format!("a push has to come whole, in at most {LARGEST} bytes"))
    })?;
    let header = |names: &[&str]| names.iter().find_map(|name| request.header(name));
    let proof = match (header(&["x-hub-signature-256"]), header(&["x-gitlab-token"])) {
        (Some(signature), _) => Some(Proof::Signature(signature)),
        (None, Some(token)) => Some(Proof::Token(token)),
        (None, None) => None,
    };
    let delivery = Delivery {
        client: &request::client(request),
        connection,
        proof,
        event: header(&["x-github-event", "x-gitlab-event"]).unwrap_or_default(),
        name: header(&["x-github-delivery", "idempotency-key", "x-gitlab-event-uuid"]).unwrap_or_default(),
        body: &body,
    };
    push::take(app, &delivery, request::id(request)).await
}
