//! Making and removing service accounts and keys.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::{ApiKeyId, UserId};

use super::access::make;
use crate::domain::name::DisplayName;
use crate::error::Result;
use crate::graphql::context::op;
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::permission::capability;
use crate::graphql::types::service_account::{ApiKey, ServiceAccount};
use crate::service::access::Change;
use crate::service::access::person::PersonChange;
use crate::service::{api_key, resolve, service_account};

/// A new service account.
#[derive(InputObject)]
struct CreateServiceAccountInput {
    /// Id or path of an organization or project, or `console`.
    scope: String,
    /// Display name.
    name: String,
}

/// The new service account.
#[derive(SimpleObject)]
struct CreateServiceAccountPayload {
    /// It.
    service_account: ServiceAccount,
}

/// A service account to remove.
#[derive(InputObject)]
struct DeleteServiceAccountInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteServiceAccountPayload {
    /// Its id.
    deleted_id: ID,
}

/// A new key.
#[derive(InputObject)]
struct CreateApiKeyInput {
    /// Id of the service account that it stands for; the viewer if it is left out.
    service_account_id: Option<ID>,
    /// What people call it.
    name: String,
    /// What it carries at most; everything that its holder holds if it is left out.
    capabilities: Option<Vec<String>>,
    /// Id or path of the scope on and below which it counts; everywhere if it is left out.
    scope: Option<String>,
    /// Counts until then; until it is revoked if it is left out.
    expires_at: Option<DateTime<Utc>>,
}

/// The new key.
#[derive(SimpleObject)]
struct CreateApiKeyPayload {
    /// It.
    api_key: ApiKey,
    /// Goes with every request: `Authorization: Bearer …`. It is shown this once.
    secret: String,
}

/// A key to end.
#[derive(InputObject)]
struct RevokeApiKeyInput {
    /// Which.
    id: ID,
}

/// The key that is gone.
#[derive(SimpleObject)]
struct RevokeApiKeyPayload {
    /// Its id.
    revoked_id: ID,
}

#[derive(Default)]
pub(super) struct ServiceAccountMutation;

#[Object]
impl ServiceAccountMutation {
    /// Makes a service account. It holds what it is given by `grantRole`, like anybody. Requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "scope".into()))]
    async fn create_service_account(
        &self,
        ctx: &Context<'_>,
        input: CreateServiceAccountInput,
    ) -> Result<CreateServiceAccountPayload> {
        let name = DisplayName::parse(&input.name).map_err(|problem| problem.within("name"))?;
        let scope = resolve::scope(op(ctx), &input.scope).await?;
        let row = service_account::create(op(ctx), scope, name).await?;
        Ok(CreateServiceAccountPayload { service_account: ServiceAccount(row) })
    }

    /// Ends a service account with its keys and everything that it holds. Requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "id".into()))]
    async fn delete_service_account(
        &self,
        ctx: &Context<'_>,
        input: DeleteServiceAccountInput,
    ) -> Result<DeleteServiceAccountPayload> {
        let id = input::id::<UserId>("id", &input.id)?;
        make(op(ctx), Change::Person(PersonChange::EndServiceAccount(id))).await?;
        Ok(DeleteServiceAccountPayload { deleted_id: input.id })
    }

    /// Makes a key of the viewer's own, or of a service account. A key carries at most what its holder holds. Whoever has a key
    /// of a service account acts as it, so its maker has to hold everything that the account holds. A key makes no keys. For a
    /// service account it requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "serviceAccountId".into()))]
    async fn create_api_key(&self, ctx: &Context<'_>, input: CreateApiKeyInput) -> Result<CreateApiKeyPayload> {
        let op = op(ctx);
        op.session()?;
        let named = input
            .capabilities
            .map(|names| names.iter().map(|name| capability("capabilities", name)).collect::<Result<Vec<_>>>());
        let scope = match &input.scope {
            Some(text) => Some(resolve::scope(op, text).await?),
            None => None,
        };
        let create = api_key::Create {
            name: input::text("name", &input.name, 100)?,
            capabilities: named.transpose()?,
            scope,
            expires_at: input.expires_at,
        };
        let made = match &input.service_account_id {
            None => api_key::create_own(op, create).await?,
            Some(id) => api_key::create_for(op, input::id::<UserId>("serviceAccountId", id)?, create).await?,
        };
        Ok(CreateApiKeyPayload { api_key: ApiKey(made.row), secret: made.secret })
    }

    /// Ends a key of the viewer's own, or one of a service account, at once. For that it requires `service_account.manage`.
    #[graphql(directive = requires::apply("service_account.manage".into(), "id".into()))]
    async fn revoke_api_key(&self, ctx: &Context<'_>, input: RevokeApiKeyInput) -> Result<RevokeApiKeyPayload> {
        api_key::revoke(op(ctx), input::id::<ApiKeyId>("id", &input.id)?).await?;
        Ok(RevokeApiKeyPayload { revoked_id: input.id })
    }
}
