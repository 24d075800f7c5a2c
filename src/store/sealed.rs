//! Everything that is sealed at rest, for sealing it anew: whoever adds a column of sealed values adds it here. Knows neither
//! how it is sealed nor what it says.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use entities::deployment_variables::{Column, Entity};
use entities::ids::{DeploymentId, DomainId, GitConnectionId, VariableId};
use entities::{acme_account, certificate, git_connection, signing_key, variable};

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
    /// An account with an authority that issues certificates, by the URL of its directory.
    AcmeAccount(String),
}

/// Seals every value anew for which `reseal` gives another; how many those were.
///
/// # Errors
/// As `reseal`; `Unavailable` when the database does not answer.
pub async fn reseal(write: &mut Write, reseal: impl Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>>) -> Result<u64> {
    let mut changed = 0;
    for row in signing_key::Entity::find().all(write.connection()).await.map_err(sql)? {
        let owner = Owner::SigningKey(row.kid.clone());
        let Some(sealed) = reseal(&owner, &row.sealed_private_key)? else { continue };
        let update = signing_key::Entity::update_many().filter(signing_key::Column::Kid.eq(row.kid));
        let update = update.col_expr(signing_key::Column::SealedPrivateKey, Expr::value(sealed));
        changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
    }
    // One at a time: together they may be more than there is memory.
    let ids = variable::Entity::find().select_only().column(variable::Column::Id).into_tuple();
    let ids: Vec<VariableId> = ids.all(write.connection()).await.map_err(sql)?;
    for id in ids {
        let row = variable::Entity::find_by_id(id).one(write.connection()).await.map_err(sql)?;
        let Some(row) = row else { continue };
        let sealed = row.sealed.clone();
        let Some(sealed) = reseal(&Owner::Variable(row), &sealed)? else { continue };
        let update = variable::Entity::update_many().filter(variable::Column::Id.eq(id));
        let update = update.col_expr(variable::Column::Sealed, Expr::value(sealed));
        changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
    }
    let ids = Entity::find().select_only().column(Column::DeploymentId).into_tuple();
    let ids: Vec<DeploymentId> = ids.all(write.connection()).await.map_err(sql)?;
    for id in ids {
        let Some(row) = Entity::find_by_id(id).one(write.connection()).await.map_err(sql)? else { continue };
        let Some(sealed) = reseal(&Owner::Deployment(id), &row.sealed)? else { continue };
        let update = Entity::update_many().col_expr(Column::Sealed, Expr::value(sealed));
        let update = update.filter(Column::DeploymentId.eq(id));
        changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
    }
    for row in git_connection::Entity::find().all(write.connection()).await.map_err(sql)? {
        let credential = row.sealed_credential.map(|sealed| (Owner::GitCredential(row.id), sealed));
        let webhook = (Owner::GitWebhook(row.id), row.sealed_webhook_secret);
        for (owner, sealed) in credential.into_iter().chain([webhook]) {
            let Some(sealed) = reseal(&owner, &sealed)? else { continue };
            let column = match owner {
                Owner::GitCredential(_) => git_connection::Column::SealedCredential,
                _ => git_connection::Column::SealedWebhookSecret,
            };
            let update = git_connection::Entity::update_many().filter(git_connection::Column::Id.eq(row.id));
            let update = update.col_expr(column, Expr::value(sealed));
            changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
        }
    }
    Ok(changed + of_certificates(write, &reseal).await?)
}

async fn of_certificates(write: &mut Write, reseal: &impl Fn(&Owner, &[u8]) -> Result<Option<Vec<u8>>>) -> Result<u64> {
    use acme_account::Column::{Directory, SealedCredentials};
    use certificate::Column::{DomainId, SealedKey};
    let mut changed = 0;
    for row in certificate::Entity::find().all(write.connection()).await.map_err(sql)? {
        let Some(sealed) = &row.sealed_key else { continue };
        let Some(sealed) = reseal(&Owner::Certificate(row.domain_id), sealed)? else { continue };
        let update = certificate::Entity::update_many().col_expr(SealedKey, Expr::value(sealed));
        let update = update.filter(DomainId.eq(row.domain_id));
        changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
    }
    for row in acme_account::Entity::find().all(write.connection()).await.map_err(sql)? {
        let owner = Owner::AcmeAccount(row.directory.clone());
        let Some(sealed) = reseal(&owner, &row.sealed_credentials)? else { continue };
        let update = acme_account::Entity::update_many().col_expr(SealedCredentials, Expr::value(sealed));
        let update = update.filter(Directory.eq(row.directory));
        changed += update.exec(write.connection()).await.map_err(sql)?.rows_affected;
    }
    Ok(changed)
}
