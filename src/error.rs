//! The one error of the program: what a client is told, and apart from it what only the log learns.
//! It does not implement `Display`: the GraphQL layer would turn that into an answer, internals included.

use crate::authz::Capability;
use crate::domain::Invalid;

/// Everything that can go wrong, in the words of the API's error codes.
#[derive(Debug, Clone)]
pub enum Error {
    /// Nobody is signed in, or the proof of it is no good.
    Unauthenticated(String),
    /// The actor may see the thing but not do this to it.
    Forbidden {
        /// What is missing.
        capability: Capability,
        /// Id of what it is missing on.
        resource: String,
    },
    /// The actor followed something, and may no longer; perhaps not even know of it.
    AuthorityEnded {
        /// What it was followed by.
        capability: Capability,
        /// Id of what was followed.
        resource: String,
    },
    /// There is no such thing, or the actor may not know of it.
    NotFound {
        /// What was asked for, in the client's own words.
        what: String,
    },
    /// Values that cannot be; all of them at once.
    InvalidInput(Vec<Invalid>),
    /// Somebody else was faster, or the name is taken.
    Conflict(String),
    /// The thing is not in a state that allows this.
    FailedPrecondition {
        /// A machine word such as `DEPLOYMENT_ACTIVE`.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Too many attempts.
    RateLimited {
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// The same idempotency key came with another request.
    IdempotencyKeyReused,
    /// The document asks for too much.
    TooComplex(String),
    /// Something that this depends on does not answer; trying again helps.
    Unavailable(String),
    /// A defect. The text is for the log alone.
    Internal(String),
}

/// The result of everything that can fail with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The code that clients match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden { .. } | Self::AuthorityEnded { .. } => "FORBIDDEN",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::InvalidInput(_) => "INVALID_INPUT",
            Self::Conflict(_) => "CONFLICT",
            Self::FailedPrecondition { .. } => "FAILED_PRECONDITION",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::TooComplex(_) => "TOO_COMPLEX",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// What the client is told.
    pub fn message(&self) -> String {
        match self {
            Self::Unauthenticated(text) | Self::Conflict(text) | Self::TooComplex(text) | Self::Unavailable(text) => {
                text.clone()
            }
            Self::Forbidden { capability, resource } => {
                format!("you lack `{}` on `{resource}`", capability.name())
            }
            Self::AuthorityEnded { capability, resource } => {
                format!("your authority to follow this has ended (`{}` on `{resource}`)", capability.name())
            }
            Self::NotFound { what } => format!("there is no {what}, or you may not view it"),
            Self::InvalidInput(problems) => {
                let texts: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
                texts.join("; ")
            }
            Self::FailedPrecondition { message, .. } => message.clone(),
            Self::RateLimited { retry_after_seconds } => {
                format!("too many attempts; try again in {retry_after_seconds} seconds")
            }
            Self::IdempotencyKeyReused => {
                "this idempotency key was used with another request; choose a new key".to_owned()
            }
            Self::Internal(_) => "something went wrong on our side; quote the request id when you report it".to_owned(),
        }
    }

    /// One problem with one field.
    pub fn invalid(field: &str, constraint: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidInput(vec![Invalid::new(constraint, message).within(field)])
    }

    /// There is no such thing, as far as the actor may know.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }
}

impl From<Vec<Invalid>> for Error {
    fn from(problems: Vec<Invalid>) -> Self {
        Self::InvalidInput(problems)
    }
}

impl From<Invalid> for Error {
    fn from(problem: Invalid) -> Self {
        Self::InvalidInput(vec![problem])
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(format!("a task ended badly: {error}"))
    }
}
