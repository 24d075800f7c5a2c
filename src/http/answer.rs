//! Errors as HTTP answers, in the same shape as the API's.

use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// The status that fits an error.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } | Error::AuthorityEnded { .. } => StatusCode::FORBIDDEN,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::InvalidInput(problems) if problems.iter().any(|problem| problem.constraint == "too_large") => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Error::InvalidInput(_) | Error::TooComplex(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) | Error::FailedPrecondition { .. } => StatusCode::CONFLICT,
        Error::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as an answer.
pub(super) fn refuse(error: Error, request_id: &str) -> Response {
    let status = status(&error);
    let retry = if let Error::RateLimited { retry_after_seconds } = &error { Some(*retry_after_seconds) } else { None };
    let error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
    let mut body = json!({ "errors": [{ "message": error.message, "extensions": error.extensions }] });
    body["errors"][0]["extensions"]["requestId"] = json!(request_id);
    let response = poem::web::Json(body).with_status(status);
    match retry {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()).into_response(),
        None => response.into_response(),
    }
}
