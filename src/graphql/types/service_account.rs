//! Service accounts and keys.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::{ApiKeyId, UserId};
use entities::{api_key, user};

use super::User;
use super::access::Arguments;
use crate::authz::{Scope, cap};
use crate::error::{Error, Result};
use crate::graphql::context::{loaders, op};
use crate::graphql::directive::requires;
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::service;
use crate::store;

/// A key that stands for its holder, or for less.
pub(in crate::graphql) struct ApiKey(pub(in crate::graphql) api_key::Model);

/// A key that stands for its holder, or for less.
#[Object]
impl ApiKey {
    /// Global id; `revokeApiKey` takes it.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whom it stands for.
    async fn holder(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.user_id).await?.map(|row| User((*row).clone())))
    }

    /// What it carries at most; null when that is everything that its holder holds.
    async fn capabilities(&self) -> Result<Option<Vec<String>>> {
        service::api_key::capabilities(&self.0)
    }

    /// Id of the scope on and below which it counts; null when that is everywhere.
    async fn scope(&self) -> Option<ID> {
        store::api_key::scope(&self.0).map(|scope| ID(scope_name(scope)))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Counts until then.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }

    /// When it was last used, to a minute.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }
}

/// A program with roles and keys of its own.
pub(in crate::graphql) struct ServiceAccount(pub(in crate::graphql) user::Model);

/// A program with roles and keys of its own.
#[Object]
impl ServiceAccount {
    /// Global id; `grantRole` takes it as a subject.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// An address at which nobody reads mail.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Since when it is suspended, if it is.
    async fn suspended_at(&self) -> Option<DateTime<Utc>> {
        self.0.suspended_at
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Its keys, without their secrets. Requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "id".into()))]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<ApiKey>> {
        let page = page::<ApiKeyId>(first, after, last, before, false)?;
        let store = op(ctx).store();
        let row = store::service_account::find(store, self.0.id).await?;
        let row = row.ok_or_else(|| Error::not_found("service account"))?;
        let scope = store::service_account::scope(&row);
        let permit = op(ctx).permit::<cap::ServiceAccountManage>(scope).await?;
        let rows = store::api_key::of_service_account(store, &permit, self.0.id, &page).await?;
        Ok(connection(rows, |row| row.id, ApiKey))
    }
}

/// The service accounts of a scope, for those who manage them.
pub(super) async fn service_accounts(
    ctx: &Context<'_>,
    scope: Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<ServiceAccount>> {
    let page = page::<UserId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::ServiceAccountManage>(scope).await?;
    let rows = store::service_account::list(op(ctx).store(), &permit, &page).await?;
    Ok(connection(rows, |row| row.id, ServiceAccount))
}
