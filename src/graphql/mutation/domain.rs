//! Adding, verifying and removing custom domains.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::{DomainId, EnvironmentId};

use crate::domain::custom_domain::CustomDomain;
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::Domain;
use crate::service::domain;

/// A new custom domain.
#[derive(InputObject)]
struct AddDomainInput {
    /// The environment that it is to lead to.
    environment_id: ID,
    /// The host name, such as `www.example.com`; no wildcard, and other alphabets as `xn--…`.
    name: String,
    /// Whether plain requests are sent on to HTTPS once there is a certificate.
    #[graphql(default = true)]
    redirect_to_https: bool,
}

/// The new domain.
#[derive(SimpleObject)]
struct AddDomainPayload {
    /// It, with the record that proves it.
    domain: Domain,
}

/// Changes of a custom domain.
#[derive(InputObject)]
struct UpdateDomainInput {
    /// Which.
    id: ID,
    /// Whether plain requests are sent on to HTTPS once there is a certificate.
    redirect_to_https: bool,
}

/// The changed domain.
#[derive(SimpleObject)]
struct UpdateDomainPayload {
    /// It.
    domain: Domain,
}

/// A custom domain to check.
#[derive(InputObject)]
struct VerifyDomainInput {
    /// Which.
    id: ID,
}

/// The domain as it was found.
#[derive(SimpleObject)]
struct VerifyDomainPayload {
    /// It.
    domain: Domain,
}

/// A custom domain to remove.
#[derive(InputObject)]
struct RemoveDomainInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct RemoveDomainPayload {
    /// Its id.
    removed_id: ID,
}

#[derive(Default)]
pub(super) struct DomainMutation;

#[Object]
impl DomainMutation {
    /// Adds a custom domain. It is served when its proof is found in DNS. Requires `domain.create`.
    #[graphql(directive = requires::apply("domain.create".into(), "environmentId".into()))]
    async fn add_domain(&self, ctx: &Context<'_>, input: AddDomainInput) -> Result<AddDomainPayload> {
        let environment_id = input::id::<EnvironmentId>("environmentId", &input.environment_id)?;
        let name = CustomDomain::parse(&input.name, &app(ctx).config.base_domain);
        let name = name.map_err(|problem| problem.within("name"))?;
        let add = domain::Add { environment_id, name, redirect_to_https: input.redirect_to_https };
        Ok(AddDomainPayload { domain: Domain(domain::add(app(ctx), op(ctx), add).await?) })
    }

    /// Edits a custom domain. Requires `domain.update`.
    #[graphql(directive = requires::apply("domain.update".into(), "id".into()))]
    async fn update_domain(&self, ctx: &Context<'_>, input: UpdateDomainInput) -> Result<UpdateDomainPayload> {
        let id = input::id::<DomainId>("id", &input.id)?;
        let row = domain::update(app(ctx), op(ctx), id, input.redirect_to_https).await?;
        Ok(UpdateDomainPayload { domain: Domain(row) })
    }

    /// Asks DNS about a custom domain now, and answers with what was found. Requires `domain.update`.
    #[graphql(directive = requires::apply("domain.update".into(), "id".into()))]
    async fn verify_domain(&self, ctx: &Context<'_>, input: VerifyDomainInput) -> Result<VerifyDomainPayload> {
        let id = input::id::<DomainId>("id", &input.id)?;
        Ok(VerifyDomainPayload { domain: Domain(domain::verify(app(ctx), op(ctx), id).await?) })
    }

    /// Removes a custom domain with its certificate. Requires `domain.delete`.
    #[graphql(directive = requires::apply("domain.delete".into(), "id".into()))]
    async fn remove_domain(&self, ctx: &Context<'_>, input: RemoveDomainInput) -> Result<RemoveDomainPayload> {
        domain::remove(app(ctx), op(ctx), input::id::<DomainId>("id", &input.id)?).await?;
        Ok(RemoveDomainPayload { removed_id: input.id })
    }
}
