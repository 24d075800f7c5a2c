//! A retry of a mutation never acts twice: the header `Idempotency-Key` names an attempt, and its answer is kept for a day.

use async_graphql::Response as Answer;
use poem::Request;

use entities::ids::UserId;

use super::document::Inspected;
use crate::error::{Error, Result};
use crate::op::{Actor, Op};
use crate::store::Store;
use crate::store::idempotency::{self, Known};

/// Answers that hold tokens or secrets are not kept.
const SECRET: [&str; 5] = ["signUp", "signIn", "refreshSession", "createApiKey", "revealSecret"];
/// Characters of a key.
const LONGEST: usize = 255;

/// A key with the request that it came with.
pub(super) struct Key {
    user: UserId,
    key: String,
    digest: String,
}

impl Key {
    /// The key of a mutation by somebody signed in, if it has one.
    pub(super) fn of(request: &Request, op: &Op, inspected: &Inspected, digest: String) -> Result<Option<Self>> {
        let Some(key) = request.header("idempotency-key") else { return Ok(None) };
        if key.is_empty() || key.len() > LONGEST {
            let text = format!("an idempotency key has to be 1 to {LONGEST} characters long");
            return Err(Error::invalid("idempotency-key", "length", text));
        }
        let secret = inspected.roots.iter().any(|root| root == "…" || SECRET.contains(&root.as_str()));
        let (Ok(user), true, false) = (op.user(), inspected.mutation, secret) else { return Ok(None) };
        // A key of the user's carries less than the user: it is answered nothing that was asked without it.
        let key = match op.actor() {
            Actor::Key { key: by, .. } => format!("{by} {key}"),
            Actor::Anonymous | Actor::User { .. } | Actor::Upload { .. } => key.to_owned(),
        };
        Ok(Some(Self { user, key, digest }))
    }

    /// The answer that is kept, or none and the right to act.
    pub(super) async fn take(&self, store: &Store) -> Result<Option<String>> {
        match idempotency::take(store, self.user, &self.key, &self.digest).await? {
            Known::New => Ok(None),
            Known::Used { request_digest, .. } if request_digest != self.digest => Err(Error::IdempotencyKeyReused),
            Known::Used { response: Some(text), .. } => Ok(Some(text)),
            Known::Used { response: None, .. } => Err(Error::Conflict(
                "the first request with this idempotency key has not ended; wait for it, or look what it did"
                    .to_owned(),
            )),
        }
    }

    /// Keeps the answer, unless trying again may end better.
    pub(super) async fn settle(&self, store: &Store, executed: &Answer, text: &str) -> Result<()> {
        let passing = executed.errors.iter().any(|error| {
            let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
            code.is_some_and(|code| *code == "UNAVAILABLE".into() || *code == "INTERNAL".into())
        });
        idempotency::settle(store, self.user, &self.key, (!passing).then(|| text.to_owned())).await
    }
}
