//! GraphQL over HTTP: one document a request, by POST, as JSON.

use std::sync::Arc;

use async_graphql::{BatchRequest, Response as Answer};
use async_graphql_poem::GraphQLBatchRequest;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, FromRequest, IntoResponse, Request, RequestBody, Response, handler};
use tracing::Instrument;

use super::{answer, document, idempotency, request};
use crate::error::{Error, Result};
use crate::graphql::context::RequestContext;
use crate::graphql::schema::ReeveSchema;
use crate::service::App;
use crate::sys::clock;

/// Bytes of a request: a manifest of 20,000 files fits.
const LARGEST: usize = 8 * 1024 * 1024;
/// What the GraphQL-over-HTTP specification calls an answer that is one also by its status.
const TYPED: &str = "application/graphql-response+json";

/// Executes a document.
#[handler]
pub(super) async fn execute(
    schema: Data<&ReeveSchema>,
    app: Data<&Arc<App>>,
    request: &Request,
    body: Body,
) -> Response {
    match answered(&schema, &app, request, body).await {
        Ok(response) => response,
        Err(error) => answer::refuse(error, &request::id(request)),
    }
}

/// A GET could be sent by any page and any crawler.
pub(super) fn method_not_allowed() -> Response {
    poem::web::Json(serde_json::json!({ "errors": [{
        "message": "send documents by POST, as JSON; subscriptions go over a WebSocket",
        "extensions": { "code": "INVALID_INPUT" },
    }] }))
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
    .with_header("allow", "POST")
    .into_response()
}

async fn answered(schema: &ReeveSchema, app: &Arc<App>, request: &Request, body: Body) -> Result<Response> {
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Error::invalid("content-type", "unsupported", "send documents as `application/json`"));
    }
    let bytes = body.into_bytes_limit(LARGEST).await.map_err(|error| match error {
        poem::error::ReadBodyError::PayloadTooLarge => {
            Error::invalid("body", "too_large", format!("a request has to be at most {LARGEST} bytes long"))
        }
        other => Error::invalid("body", "unreadable", format!("the request could not be read: {other}")),
    })?;
    // It is kept, and a secret in the request could be guessed by a digest that anybody can make.
    let digest = app.master.fingerprint(&bytes);
    let mut single = single(request, Body::from(bytes)).await?;
    let inspected = document::inspect(&single.query, single.operation_name.as_deref(), &single.variables)?;
    if inspected.subscription {
        let text = "subscriptions go over a WebSocket, with the subprotocol `graphql-transport-ws`";
        return Err(Error::invalid("query", "transport", text));
    }
    let op = request::operation(app, request).await?;
    let key = idempotency::Key::of(request, &op, &inspected, digest)?;
    if let Some(key) = &key
        && let Some(kept) = key.take(&app.store).await?
    {
        return Ok(respond(request, StatusCode::OK, kept));
    }
    let request_id = op.request_id().to_owned();
    let name = single.operation_name.clone().unwrap_or_else(|| inspected.roots.join(" "));
    let name: String = name.chars().take(100).collect();
    let began = clock::instant();
    let context = RequestContext::new(app.clone(), op, request::client(request));
    single.set_parsed_query(inspected.document);
    let op = context.op.clone();
    let span = tracing::info_span!("request", id = request_id);
    let mut executed = schema.execute(single.data(context)).instrument(span.clone()).await;
    complete(&mut executed, &request_id);
    span.in_scope(|| {
        let (statements, outcome) = (op.statements(), outcome(&executed));
        tracing::debug!(operation = name, elapsed_us = began.elapsed().as_micros(), statements, outcome, "executed");
    });
    let text = text(&executed)?;
    if let Some(key) = &key {
        key.settle(&app.store, &executed, &text).await?;
    }
    Ok(respond(request, status(request, &executed), text))
}

async fn single(request: &Request, body: Body) -> Result<async_graphql::Request> {
    let unreadable = || Error::invalid("body", "syntax", "the request is no JSON object with a `query`");
    let batch = GraphQLBatchRequest::from_request(request, &mut RequestBody::new(body)).await;
    match batch.map_err(|_| unreadable())?.0 {
        BatchRequest::Single(single) => Ok(single),
        BatchRequest::Batch(_) => Err(Error::invalid("body", "batch", "send one operation a request, not a list")),
    }
}

/// Gives every error a code and the request's id. What has no code yet was refused by validation.
pub(super) fn complete(executed: &mut Answer, request_id: &str) {
    for error in &mut executed.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            let limits = ["too complex", "too deep", "nested too deep", "aliases", "directives", "recursion"];
            let too_much = limits.iter().any(|word| error.message.to_lowercase().contains(word));
            extensions.set("code", if too_much { "TOO_COMPLEX" } else { "INVALID_INPUT" });
        }
        extensions.set("requestId", request_id);
    }
}

/// The code of the first error, for the log.
fn outcome(executed: &Answer) -> String {
    let code = executed.errors.first().and_then(|error| error.extensions.as_ref()?.get("code").cloned());
    match code {
        Some(async_graphql::Value::String(code)) => code,
        Some(_) | None => "OK".to_owned(),
    }
}

/// Whether the document was not executed at all.
pub(super) fn refused(executed: &Answer) -> bool {
    executed.is_err() && executed.errors.iter().all(|error| error.path.is_empty())
}

/// 200 for whoever does not know better; for whoever does, 400 when the document was not executed at all.
fn status(request: &Request, executed: &Answer) -> StatusCode {
    if wants_typed(request) && refused(executed) { StatusCode::BAD_REQUEST } else { StatusCode::OK }
}

/// The answer; without an entry for data where nothing was executed, as the specification has it.
fn text(executed: &Answer) -> Result<String> {
    let text = if refused(executed) {
        serde_json::to_string(&serde_json::json!({ "errors": executed.errors }))
    } else {
        serde_json::to_string(executed)
    };
    text.map_err(|e| Error::Internal(e.to_string()))
}

fn wants_typed(request: &Request) -> bool {
    request.header("accept").is_some_and(|accept| accept.contains(TYPED))
}

fn respond(request: &Request, status: StatusCode, text: String) -> Response {
    let kind = if wants_typed(request) { TYPED } else { "application/json" };
    Response::builder().status(status).content_type(format!("{kind}; charset=utf-8")).body(text)
}
