//! What is sealed at rest, and for which purpose: a sealed value opens where it belongs and nowhere else. And replacing the
//! key that seals.

use std::path::Path;

use entities::ids::{DeploymentId, DomainId, GitConnectionId, WebhookId};
use entities::variable;

use crate::audit::Entry;
use crate::authn::keys;
use crate::authn::master_key::{MasterKey, MasterKeyError, SealError};
use crate::error::{Error, Result};
use crate::op::scope_name;
use crate::store::sealed::Owner;
use crate::store::{self, Store};
use crate::sys::crash;

/// The purpose of a variable's value: with all that says who may see it, so that nothing of that can be changed around it.
pub(super) fn of_variable(row: &variable::Model) -> String {
    let (scope, counts_for) = (scope_name(store::variable::scope(row)), store::variable::word(row.counts_for));
    let sort = if row.secret { "secret" } else { "public" };
    format!("variable/{}/{scope}/{counts_for}/{sort}/{}", row.id, row.name)
}

/// The purpose of the variables that a deployment starts with.
pub(super) fn of_deployment(id: DeploymentId) -> String {
    format!("deployment-variables/{id}")
}

/// The purpose of what a repository is read with.
pub(super) fn of_git_credential(id: GitConnectionId) -> String {
    format!("git-credential/{id}")
}

/// The purpose of what the pushes of a repository are signed with.
pub(super) fn of_git_webhook(id: GitConnectionId) -> String {
    format!("git-webhook/{id}")
}

/// The purpose of the private key of a domain's certificate.
pub(super) fn of_certificate(id: DomainId) -> String {
    format!("certificate/{id}")
}

/// The purpose of the account with an authority that issues certificates.
pub(super) fn of_acme_account(directory: &str) -> String {
    format!("acme/{directory}")
}

/// The purpose of what deliveries to a webhook are signed with.
pub(super) fn of_webhook(id: WebhookId) -> String {
    format!("webhook/{id}")
}

/// A sealed value that does not open.
pub(super) fn closed(error: SealError) -> Error {
    Error::FailedPrecondition { reason: "SECRET_CANNOT_BE_OPENED", message: error.message().to_owned() }
}

impl From<MasterKeyError> for Error {
    fn from(error: MasterKeyError) -> Self {
        Self::Unavailable(error.message())
    }
}

/// Seals everything with the first key that is sealed with another; how many values those were. All or none.
///
/// # Errors
/// `FailedPrecondition` when a value opens with none of the keys; `Unavailable` when the database does not answer.
pub async fn reseal(store: &Store, master: &MasterKey) -> Result<u64> {
    let mut write = store.write(Entry::new("master_key.rotate", None, "-".to_owned())).await?;
    let resealed = store::sealed::reseal(&mut write, |owner, sealed| {
        if master.has_sealed(sealed) {
            return Ok(None);
        }
        let purpose = match owner {
            Owner::SigningKey(kid) => keys::purpose(kid),
            Owner::Variable(row) => of_variable(row),
            Owner::Deployment(id) => of_deployment(*id),
            Owner::GitCredential(id) => of_git_credential(*id),
            Owner::GitWebhook(id) => of_git_webhook(*id),
            Owner::Certificate(id) => of_certificate(*id),
            Owner::AcmeAccount(directory) => of_acme_account(directory),
            Owner::Webhook(id) => of_webhook(*id),
        };
        let opened = master.open(sealed, &purpose).map_err(|_| {
            let message = format!("`{purpose}` opens with none of the master keys; nothing was changed");
            Error::FailedPrecondition { reason: "SECRET_CANNOT_BE_OPENED", message }
        })?;
        master.seal(&opened, &purpose).map(Some).map_err(closed)
    });
    let resealed = resealed.await?;
    write.entry().subject = Some(master.id());
    write.entry().details = serde_json::json!({ "resealed": resealed });
    write.commit().await?;
    Ok(resealed)
}

/// Replaces the key in a file, step by step: whenever it is interrupted, the file has the keys that open everything, and
/// doing it again ends it. No server may be running. How many values were sealed anew, and the key's name.
///
/// # Errors
/// As [`reseal`]; `Unavailable` when the file cannot be read or written.
pub async fn replace(store: &Store, file: &Path) -> Result<(u64, String)> {
    let both = MasterKey::renew(file)?;
    crash::point("master_key.renewed");
    let resealed = reseal(store, &both).await?;
    crash::point("master_key.resealed");
    let alone = both.forget_earlier(file)?;
    Ok((resealed, alone.id()))
}
