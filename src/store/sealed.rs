//! Everything that is sealed at rest, for sealing it anew: whoever adds a column of sealed values adds it here. Knows neither
//! how it is sealed nor what it says.

use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use entities::ids::{DeploymentId, DomainId, GitConnectionId, VariableId, WebhookId};
use entities::{acme_account, certificate, deployment_variables, git_connection, signing_key, variable, webhook};

use super::source::Connected;
use super::{Write, sql};
use crate::error::Result;

/// What a sealed value belongs to.
#[derive(Debug)]
pub enum Owner {
    /// A key that signs tokens, by its name.
    SigningKey(String),
    /// A variable.
    Variable(variable::Model),
    /// The variables of a deployment.
    Deployment(DeploymentId),
    /// What a repository is read with.
    GitCredential(GitConnectionId),
    /// What the pushes of a repository are signed with.
    GitWebhook(GitConnectionId),
    /// The private key of a domain's certificate.
    Certificate(DomainId),
    /// The account with an authority, by the URL of its directory.
    AcmeAccount(String),
    /// What deliveries to a webhook are signed with, or were before.
    Webhook(WebhookId),
}

/// Seals every value anew for which `reseal` gives another; how many those were.
///
/// # Errors
/// As `reseal`; `Unavailable` when the database does not answer.
pub async fn reseal<R>(write: &mut Write, reseal: R) -> Result<u64>
where
    R: Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>> + Sync,
{
    let mut changed = variables(write, &reseal).await?;
    changed += repositories(write, &reseal).await?;
    changed += webhooks(write, &reseal).await?;
    for row in signing_key::Entity::find().all(write.connection()).await.map_err(sql)? {
        use signing_key::{Column, Entity};
        let (at, owner) = (Column::Kid.eq(&row.kid), Owner::SigningKey(row.kid));
        changed +=
            one::<Entity, R>(write, &reseal, &owner, &row.sealed_private_key, Column::SealedPrivateKey, at).await?;
    }
    for row in certificate::Entity::find().all(write.connection()).await.map_err(sql)? {
        use certificate::{Column, Entity};
        let Some(sealed) = &row.sealed_key else { continue };
        let (at, owner) = (Column::DomainId.eq(row.domain_id), Owner::Certificate(row.domain_id));
        changed += one::<Entity, R>(write, &reseal, &owner, sealed, Column::SealedKey, at).await?;
    }
    for row in acme_account::Entity::find().all(write.connection()).await.map_err(sql)? {
        use acme_account::{Column, Entity};
        let (at, owner) = (Column::Directory.eq(&row.directory), Owner::AcmeAccount(row.directory));
        changed +=
            one::<Entity, R>(write, &reseal, &owner, &row.sealed_credentials, Column::SealedCredentials, at).await?;
    }
    Ok(changed)
}

/// One at a time: together they may be more than there is memory.
async fn variables<R>(write: &Write, reseal: &R) -> Result<u64>
where
    R: Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>> + Sync,
{
    let mut changed = 0;
    let ids = variable::Entity::find().select_only().column(variable::Column::Id).into_tuple();
    let ids: Vec<VariableId> = ids.all(write.connection()).await.map_err(sql)?;
    for id in ids {
        use variable::{Column, Entity};
        let Some(row) = Entity::find_by_id(id).one(write.connection()).await.map_err(sql)? else { continue };
        let sealed = row.sealed.clone();
        let (at, owner) = (Column::Id.eq(id), Owner::Variable(row));
        changed += one::<Entity, R>(write, reseal, &owner, &sealed, Column::Sealed, at).await?;
    }
    let ids = deployment_variables::Entity::find().select_only().column(deployment_variables::Column::DeploymentId);
    let ids: Vec<DeploymentId> = ids.into_tuple().all(write.connection()).await.map_err(sql)?;
    for id in ids {
        use deployment_variables::{Column, Entity};
        let Some(row) = Entity::find_by_id(id).one(write.connection()).await.map_err(sql)? else { continue };
        let (at, owner) = (Column::DeploymentId.eq(id), Owner::Deployment(id));
        changed += one::<Entity, R>(write, reseal, &owner, &row.sealed, Column::Sealed, at).await?;
    }
    Ok(changed)
}

async fn repositories<R>(write: &Write, reseal: &R) -> Result<u64>
where
    R: Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>> + Sync,
{
    use git_connection::{Column, Entity};
    let mut changed = 0;
    for row in Entity::find().all(write.connection()).await.map_err(sql)? {
        let at = Column::Id.eq(row.id);
        if let Some(sealed) = &row.sealed_credential {
            let owner = Owner::GitCredential(row.id);
            changed += one::<Entity, R>(write, reseal, &owner, sealed, Column::SealedCredential, at.clone()).await?;
        }
        let (owner, sealed) = (Owner::GitWebhook(row.id), &row.sealed_webhook_secret);
        changed += one::<Entity, R>(write, reseal, &owner, sealed, Column::SealedWebhookSecret, at).await?;
    }
    Ok(changed)
}

async fn webhooks<R>(write: &Write, reseal: &R) -> Result<u64>
where
    R: Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>> + Sync,
{
    use webhook::{Column, Entity};
    let mut changed = 0;
    for row in Entity::find().all(write.connection()).await.map_err(sql)? {
        let (at, owner) = (Column::Id.eq(row.id), Owner::Webhook(row.id));
        if let Some(sealed) = &row.sealed_previous_secret {
            changed +=
                one::<Entity, R>(write, reseal, &owner, sealed, Column::SealedPreviousSecret, at.clone()).await?;
        }
        changed += one::<Entity, R>(write, reseal, &owner, &row.sealed_secret, Column::SealedSecret, at).await?;
    }
    Ok(changed)
}

async fn one<E, R>(
    write: &Write,
    reseal: &R,
    owner: &Owner,
    sealed: &[u8],
    column: E::Column,
    at: SimpleExpr,
) -> Result<u64>
where
    E: EntityTrait,
    R: Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>> + Sync,
{
    let Some(sealed) = reseal(owner, sealed)? else { return Ok(0) };
    let update = E::update_many().col_expr(column, Expr::value(sealed)).filter(at);
    Ok(update.exec(write.connection()).await.map_err(sql)?.rows_affected)
}
