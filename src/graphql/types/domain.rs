//! Custom domains.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::domain::Model;

use crate::domain::custom_domain::{State, proof_name};
use crate::error::Result;
use crate::graphql::context::{app, loaders};
use crate::service::domain::state;

/// Where a custom domain stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DomainState")]
pub(in crate::graphql) enum DomainState {
    /// It has not been verified yet.
    Pending,
    /// Its proof is there, and it leads here.
    Verified,
    /// It was verified, and its proof is gone, or it leads elsewhere.
    Lost,
}

impl From<State> for DomainState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Verified => Self::Verified,
            State::Lost => Self::Lost,
        }
    }
}

/// How it stands with the certificate of a custom domain.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DomainCertificate {
    /// When it was issued; null while there is none.
    issued_at: Option<DateTime<Utc>>,
    /// Until when it is good.
    expires_at: Option<DateTime<Utc>>,
    /// When it is next asked for, or looked at whether it has to be renewed.
    next_try_at: DateTime<Utc>,
    /// Why the last attempt failed; null when it did not.
    failure: Option<String>,
}

/// A custom domain of an environment.
#[derive(Clone)]
pub(in crate::graphql) struct Domain(pub(in crate::graphql) Model);

/// A custom domain of an environment. It is served as long as its proof is there.
#[Object]
impl Domain {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The host name, in ASCII and lower case.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it stands.
    async fn state(&self) -> DomainState {
        state(&self.0).into()
    }

    /// Why it stands there: what the last check found, and what to do.
    async fn reason(&self) -> &str {
        &self.0.finding
    }

    /// Since when it stands there.
    async fn since(&self) -> DateTime<Utc> {
        self.0.state_changed_at
    }

    /// Whether its proof was found; it is served for this environment, and for no other, from then on.
    async fn owned(&self) -> bool {
        self.0.owned
    }

    /// Whether it leads to this edge.
    async fn delegated(&self) -> bool {
        self.0.delegated
    }

    /// When it was first verified.
    async fn verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.verified_at
    }

    /// When DNS was last asked.
    async fn checked_at(&self) -> Option<DateTime<Utc>> {
        self.0.checked_at
    }

    /// The name of the TXT record that proves it.
    async fn proof_name(&self) -> String {
        proof_name(&self.0.name)
    }

    /// The value that this TXT record has to have.
    async fn proof_value(&self) -> &str {
        &self.0.token
    }

    /// What the domain has to be a CNAME for; a domain that cannot be a CNAME takes the addresses of this name.
    async fn target(&self, ctx: &Context<'_>) -> String {
        app(ctx).dns.target().to_owned()
    }

    /// Whether plain requests are sent on to HTTPS once there is a certificate.
    async fn redirect_to_https(&self) -> bool {
        self.0.redirect_to_https
    }

    /// How it stands with its certificate; null while none was asked for.
    async fn certificate(&self, ctx: &Context<'_>) -> Result<Option<DomainCertificate>> {
        Ok(loaders(ctx).certificates.one(self.0.id).await?.map(|row| DomainCertificate {
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            next_try_at: row.next_try_at,
            failure: row.failure.clone(),
        }))
    }

    /// When it was added.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}
