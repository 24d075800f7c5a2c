//! Gets certificates from an authority that speaks ACME (RFC 8555): an account, an order for one host, the proof by HTTP that
//! the host leads here, and when to renew (RFC 9773). It must not know where anything is kept.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use instant_acme::{
    Account as Registered, AccountBuilder, AccountCredentials, AuthorizationStatus, CertificateIdentifier,
    ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;

use crate::error::Error;

/// How long one order may take in all, and how long the authority may take to look and to issue.
const ALTOGETHER: Duration = Duration::from_secs(120);
const ISSUING: Duration = Duration::from_secs(50);
/// For what is only asked.
const ANSWER: Duration = Duration::from_secs(30);

/// Which authority issues certificates. Naming one agrees to its terms of service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The URL of its directory.
    pub directory: String,
    /// PEM file with the root that vouches for the authority's own address; this machine's roots if it is not said.
    pub ca_root: Option<PathBuf>,
    /// Whom the authority writes to, such as `mailto:ops@example.com`.
    pub contact: Option<String>,
}

/// Why there is no certificate, in words for whoever owns the domain.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What went wrong.
    pub message: String,
    /// The authority asks to be left alone for a while.
    pub limited: bool,
}

/// A certificate and its key, in PEM.
pub struct Issued {
    /// The certificate and those that vouch for it.
    pub chain: String,
    /// The private key. Nothing prints it.
    pub key: String,
}

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// From.
    pub from: DateTime<Utc>,
    /// Until.
    pub until: DateTime<Utc>,
}

/// What the authority will ask for: a file below `/.well-known/acme-challenge/`.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The file's name.
    pub token: String,
    /// Its content.
    pub answer: String,
}

/// An account with an authority.
pub struct Account(Registered);

impl Authority {
    /// Makes an account; what is given beside it opens it again, and is a secret.
    ///
    /// # Errors
    /// When the authority refuses or does not answer.
    pub async fn register(&self) -> Result<(Account, Vec<u8>), Failure> {
        let contact: Vec<&str> = self.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = within(ANSWER, self.builder()?.create(&new, self.directory.clone(), None)).await?;
        let credentials = serde_json::to_vec(&made.1).map_err(|error| failed(&error.into()))?;
        Ok((Account(made.0), credentials))
    }

    /// Opens an account that was made before.
    ///
    /// # Errors
    /// When the authority does not answer.
    pub async fn open(&self, credentials: &[u8]) -> Result<Account, Failure> {
        let credentials: AccountCredentials =
            serde_json::from_slice(credentials).map_err(|error| failed(&error.into()))?;
        Ok(Account(within(ANSWER, self.builder()?.from_credentials(credentials)).await?))
    }

    fn builder(&self) -> Result<AccountBuilder, Failure> {
        let builder = match &self.ca_root {
            Some(file) => Registered::builder_with_root(file),
            None => Registered::builder(),
        };
        builder.map_err(|error| failed(&error))
    }
}

impl Account {
    /// Gets a certificate for one host. `answer` has to make this edge answer the challenge before it returns.
    ///
    /// # Errors
    /// When the authority refuses, or does not find the answer.
    pub async fn obtain<F, A>(&self, host: &str, replaces: Option<&str>, answer: F) -> Result<Issued, Failure>
    where
        F: Fn(Challenge) -> A + Send + Sync,
        A: Future<Output = Result<(), Error>> + Send,
    {
        let work = self.order(host, replaces, answer);
        tokio::time::timeout(ALTOGETHER, work).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn order<F, A>(&self, host: &str, replaces: Option<&str>, answer: F) -> Result<Issued, Failure>
    where
        F: Fn(Challenge) -> A + Send + Sync,
        A: Future<Output = Result<(), Error>> + Send,
    {
        let names = [Identifier::Dns(host.to_owned())];
        let mut order = self.new_order(&names, replaces).await.map_err(|error| failed(&error))?;
        prove(&mut order, answer).await?;
        let wait = RetryPolicy::default().timeout(ISSUING);
        let status = order.poll_ready(&wait).await.map_err(|error| failed(&error))?;
        if status != OrderStatus::Ready {
            return Err(Failure { message: refused(&mut order).await, limited: false });
        }
        let key = order.finalize().await.map_err(|error| failed(&error))?;
        let chain = order.poll_certificate(&wait).await.map_err(|error| failed(&error))?;
        Ok(Issued { chain, key })
    }

    /// An authority that knows RFC 9773 is told what is being replaced; one that has forgotten it is not.
    async fn new_order(&self, names: &[Identifier], replaces: Option<&str>) -> Result<Order, instant_acme::Error> {
        let leaf = replaces.and_then(leaf);
        let replaced = leaf.as_ref().and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
        if let Some(replaced) = replaced {
            match self.0.new_order(&NewOrder::new(names).replaces(replaced.into_owned())).await {
                Ok(order) => return Ok(order),
                Err(error) => tracing::debug!(%error, "an order that replaces a certificate was refused"),
            }
        }
        self.0.new_order(&NewOrder::new(names)).await
    }

    /// When the authority would have this certificate renewed: the moment that lies at `share` (0 to 1) of the time that it
    /// names. None when it does not say.
    pub async fn renewal(&self, chain: &str, share: f64) -> Option<DateTime<Utc>> {
        let leaf = leaf(chain)?;
        let named = CertificateIdentifier::try_from(&leaf).ok()?;
        let (info, _) = tokio::time::timeout(ANSWER, self.0.renewal_info(&named)).await.ok()?.ok()?;
        let (start, end) = (info.suggested_window.start.unix_timestamp(), info.suggested_window.end.unix_timestamp());
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a few days")]
        let after = ((end - start).max(0) as f64 * share) as i64;
        DateTime::from_timestamp(start + after, 0)
    }
}

/// Answers every challenge of the order by HTTP.
async fn prove<F, A>(order: &mut Order, answer: F) -> Result<(), Failure>
where
    F: Fn(Challenge) -> A + Send + Sync,
    A: Future<Output = Result<(), Error>> + Send,
{
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| failed(&error))?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let none = || Failure { message: "the authority offers no proof by HTTP".to_owned(), limited: false };
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or_else(none)?;
        let told =
            Challenge { token: challenge.token.clone(), answer: challenge.key_authorization().as_str().to_owned() };
        answer(told).await.map_err(|error| Failure { message: error.message(), limited: false })?;
        challenge.set_ready().await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Why an order came to nothing: what the authority says of its look.
async fn refused(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(error) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return said(&error.to_string());
        }
    }
    "the authority did not find the proof".to_owned()
}

/// From when until when the first certificate of a chain is good.
#[must_use]
pub fn validity(chain: &str) -> Option<Validity> {
    let leaf = leaf(chain)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&leaf).ok()?;
    let at = |time: x509_parser::time::ASN1Time| DateTime::from_timestamp(time.timestamp(), 0);
    Some(Validity { from: at(parsed.validity().not_before)?, until: at(parsed.validity().not_after)? })
}

fn leaf(chain: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(chain.as_bytes()).ok()
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, instant_acme::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(silent()),
    }
}

fn silent() -> Failure {
    Failure { message: "the authority did not answer in time".to_owned(), limited: false }
}

fn failed(error: &instant_acme::Error) -> Failure {
    use instant_acme::Error as E;
    match error {
        E::Api(problem) => {
            let limited = problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:rateLimited");
            Failure { message: said(&problem.to_string()), limited }
        }
        E::Timeout(_) => silent(),
        other => {
            tracing::warn!(error = ?other, "the authority that issues certificates could not be used");
            Failure {
                message: "the authority could not be reached, or answered something else".to_owned(),
                limited: false,
            }
        }
    }
}

/// What an authority says, on one line and not without end.
fn said(text: &str) -> String {
    let shown: String = text.chars().take(500).flat_map(char::escape_debug).collect();
    format!("the authority says: {shown}")
}
