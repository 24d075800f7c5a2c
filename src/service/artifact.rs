//! Content that arrives for a draft: hashed while it streams, kept per project.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use quick_cache::sync::Cache;

use entities::ids::{DeploymentId, UserId};

use super::App;
use crate::authn::tokens;
use crate::authz::cap;
use crate::domain::deployment::state::State;
use crate::domain::digest::Digest;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::runtime::{self, artifacts::ReceiveError};
use crate::store;
use crate::sys::clock;

/// Who sends content, and for which draft, as an upload token says.
pub struct Upload {
    /// The one who made the draft.
    pub user: UserId,
    /// The draft.
    pub deployment: DeploymentId,
}

/// Reads an upload token.
///
/// # Errors
/// `Unauthenticated` when it is expired, forged, or no upload token at all.
pub fn authenticate(app: &App, token: &str) -> Result<Upload> {
    let invalid = || Error::Unauthenticated("the upload token is not valid; ask for a new one".to_owned());
    let claims = tokens::verify_upload(&app.keys.ring(), token, clock::now()).map_err(|error| match error {
        tokens::TokenError::Expired => Error::Unauthenticated("the upload token has expired; ask for a new one".into()),
        tokens::TokenError::Invalid => invalid(),
    })?;
    Ok(Upload {
        user: claims.sub.parse().map_err(|_| invalid())?,
        deployment: claims.deployment.parse().map_err(|_| invalid())?,
    })
}

/// What the drafts announce that were sent to last: every file of one asks for it, and a draft's files never change.
#[derive(Debug)]
pub struct Announced(Cache<DeploymentId, Arc<HashMap<Digest, u64>>>);

impl Default for Announced {
    fn default() -> Self {
        Self(Cache::new(32))
    }
}

impl Announced {
    async fn of(&self, store: &store::Store, draft: &entities::deployment::Model) -> Result<Arc<HashMap<Digest, u64>>> {
        if let Some(known) = self.0.get(&draft.id) {
            return Ok(known);
        }
        let sizes: Arc<HashMap<_, _>> = Arc::new(store::deployment::manifest(store, draft).await?.blobs().collect());
        self.0.insert(draft.id, sizes.clone());
        Ok(sizes)
    }
}

/// Takes one file of a draft. Sending the same again is fine.
///
/// # Errors
/// `InvalidInput` when the content is not what the digest and the manifest say; `FailedPrecondition` when the deployment is
/// no draft any more; `Forbidden`, `NotFound` by `deployment.create`.
pub async fn receive<E: Display>(
    app: &App,
    op: &Op,
    upload: &Upload,
    digest: &Digest,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<()> {
    let permit = op.permit::<cap::DeploymentCreate>(upload.deployment).await?;
    let deployment = store::deployment::get(op.store(), &permit, upload.deployment).await?;
    if State::from(deployment.state) != State::Draft {
        return Err(Error::FailedPrecondition {
            reason: "DEPLOYMENT_NOT_DRAFT",
            message: "the deployment takes no more files; make a new draft".to_owned(),
        });
    }
    let announced = app.announced.of(op.store(), &deployment).await?;
    let size = announced.get(digest).copied().ok_or_else(|| {
        Error::invalid(
            "digest",
            "not_in_manifest",
            "the draft has no file with this digest; send what it lists as missing",
        )
    })?;
    let project = store::artifact::project_of(op.store(), &permit).await?;
    let project = project.to_string();
    app.artifacts.receive(&project, digest, size, body).await.map_err(refusal)?;
    // What was there already may have been collected with the last deployment that needed it.
    let _kept = app.artifacts.keep().await;
    let there = app.artifacts.has(&project, digest).await;
    if !there.map_err(|error| Error::Internal(format!("looking for content: {error}")))? {
        return Err(refusal(ReceiveError::Body("collected".to_owned())));
    }
    store::artifact::add(op.store(), &permit, digest, size).await
}

fn refusal(error: ReceiveError) -> Error {
    match error {
        ReceiveError::DigestMismatch { actual } => Error::invalid(
            "digest",
            "mismatch",
            format!("what arrived has the digest `{actual}`; send the file that was announced"),
        ),
        ReceiveError::TooLarge => Error::invalid("body", "too_large", "more arrived than the manifest announces"),
        ReceiveError::TooShort => Error::invalid("body", "too_short", "less arrived than the manifest announces"),
        ReceiveError::Body(_) => Error::invalid("body", "interrupted", "the upload was interrupted; send it again"),
        ReceiveError::Io(error) if runtime::is_passing(&error) => {
            Error::Unavailable("the server has no room for this file now; send it again later".to_owned())
        }
        ReceiveError::Io(error) => Error::Internal(format!("storing content: {error}")),
    }
}
