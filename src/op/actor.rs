//! Who asks, as the proof that came with the request says. It must not know what anybody may do.

use entities::ids::{ApiKeyId, SessionId, UserId};

use crate::authz::Narrowing;
use crate::error::{Error, Result};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody is signed in.
    Anonymous,
    /// A user, in a session.
    User {
        /// Who.
        id: UserId,
        /// In which session.
        session: SessionId,
    },
    /// A user or a service account, by a key.
    Key {
        /// Who holds it.
        id: UserId,
        /// Which key.
        key: ApiKeyId,
        /// What it carries at most; all of its holder's when there is none.
        narrowing: Option<Narrowing>,
    },
    /// A user, by an upload token, for nothing but content of one draft.
    Upload {
        /// Who.
        id: UserId,
    },
    /// A user who has arranged that the server does this in their name, such as to deploy what is pushed. They need not be
    /// there; what they hold is judged when it is done.
    Arranged {
        /// Who.
        id: UserId,
    },
}

impl Actor {
    pub(super) fn user(self) -> Result<UserId> {
        match self {
            Self::User { id, .. } | Self::Key { id, .. } | Self::Upload { id } | Self::Arranged { id } => Ok(id),
            Self::Anonymous => Err(Error::Unauthenticated("sign in first".to_owned())),
        }
    }

    pub(super) fn session(self) -> Result<(UserId, SessionId)> {
        match self {
            Self::User { id, session } => Ok((id, session)),
            Self::Anonymous => Err(Error::Unauthenticated("sign in first".to_owned())),
            Self::Key { .. } | Self::Upload { .. } | Self::Arranged { .. } => Err(Error::FailedPrecondition {
                reason: "SESSION_REQUIRED",
                message: "a key cannot do this; sign in with a password".to_owned(),
            }),
        }
    }

    pub(super) fn oneself(self) -> Result<UserId> {
        match self {
            Self::Key { narrowing: Some(_), .. } | Self::Upload { .. } | Self::Arranged { .. } => {
                Err(Error::FailedPrecondition {
                    reason: "KEY_NARROWED",
                    message: "this key is narrowed to some of what its holder may; sign in, or use one that is not"
                        .to_owned(),
                })
            }
            Self::Anonymous | Self::User { .. } | Self::Key { narrowing: None, .. } => self.user(),
        }
    }

    /// What the proof carries at most.
    pub(super) fn narrowing(self) -> Option<Narrowing> {
        match self {
            Self::Key { narrowing, .. } => narrowing,
            Self::Anonymous | Self::User { .. } | Self::Upload { .. } | Self::Arranged { .. } => None,
        }
    }
}
