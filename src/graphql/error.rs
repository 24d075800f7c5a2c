//! Errors as answers: the public text and the documented extensions, never what is inside.

use async_graphql::{ErrorExtensions, Value};

use crate::error::Error;

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        if let Error::Internal(text) = &error {
            tracing::error!(error = text, "an operation failed by a defect");
        }
        let answer = Self::new(error.message());
        answer.extend_with(|_, extensions| {
            extensions.set("code", error.code());
            match &error {
                Error::Forbidden { capability, resource } | Error::AuthorityEnded { capability, resource } => {
                    extensions.set("capability", capability.name());
                    extensions.set("resource", resource.as_str());
                }
                Error::InvalidInput(problems) => {
                    let problems = problems.iter().map(|problem| {
                        let mut object = async_graphql::indexmap::IndexMap::new();
                        object.insert(async_graphql::Name::new("field"), Value::from(problem.field.as_str()));
                        object.insert(async_graphql::Name::new("constraint"), Value::from(problem.constraint));
                        object.insert(async_graphql::Name::new("message"), Value::from(problem.message.as_str()));
                        Value::Object(object)
                    });
                    extensions.set("problems", Value::List(problems.collect()));
                }
                Error::FailedPrecondition { reason, .. } => extensions.set("reason", *reason),
                Error::RateLimited { retry_after_seconds } => {
                    extensions.set("retryAfterSeconds", *retry_after_seconds);
                }
                Error::Unauthenticated(_)
                | Error::NotFound { .. }
                | Error::Conflict(_)
                | Error::IdempotencyKeyReused
                | Error::TooComplex(_)
                | Error::Unavailable(_)
                | Error::Internal(_) => {}
            }
        })
    }
}
