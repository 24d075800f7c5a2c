//! Certificates of custom domains: asked for, kept sealed, renewed before they expire, and not asked for too often.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use entities::acme_account;
use entities::certificate::Model;
use entities::ids::DomainId;

use super::{App, vault};
use crate::acme::{self, Account, Authority, Challenge, Failure, Issued, Validity};
use crate::audit::Entry;
use crate::authn::master_key::MasterKey;
use crate::authz::Scope;
use crate::error::{Error, Result};
use crate::store::domain::Served;
use crate::store::{certificate, facts};
use crate::sys::clock;

/// No other replica takes up a certificate that is being looked after. Longer than an order may take.
const LEASE: Duration = Duration::from_secs(300);
/// After a failure, and twice as long after each that follows. Authorities allow five failures an hour for one host.
const FIRST_PAUSE: Duration = Duration::from_secs(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);
/// After being told that it was too often.
const LIMITED_PAUSE: Duration = Duration::from_secs(3600);
/// The authority is asked so often whether a certificate should be renewed earlier than planned.
const ASK_AGAIN: TimeDelta = TimeDelta::hours(6);

/// What seals keys, and who issues certificates if anybody does.
pub struct Certificates {
    master: MasterKey,
    authority: Option<Authority>,
}

/// A certificate with its key, ready to be served.
pub struct Opened {
    /// The certificate and those that vouch for it, in PEM.
    pub chain: String,
    /// The private key, in PEM. Nothing prints it.
    pub key: Vec<u8>,
}

impl Certificates {
    /// Without an authority, none are asked for; those that there are go on being served.
    #[must_use]
    pub fn new(master: MasterKey, authority: Option<Authority>) -> Self {
        Self { master, authority }
    }

    /// Whether anybody issues certificates.
    #[must_use]
    pub fn are_issued(&self) -> bool {
        self.authority.is_some()
    }

    /// Opens a stored certificate; none while there is none.
    ///
    /// # Errors
    /// `Internal` when the master key does not open it.
    pub fn open(&self, row: Model) -> Result<Option<Opened>> {
        let (Some(chain), Some(sealed)) = (row.chain, row.sealed_key) else { return Ok(None) };
        let key = self.master.open(&sealed, &vault::of_certificate(row.domain_id));
        let key =
            key.map_err(|error| Error::Internal(format!("certificate of {}: {}", row.domain_id, error.message())))?;
        Ok(Some(Opened { chain, key }))
    }

    fn seal(&self, text: &[u8], purpose: &str) -> Result<Vec<u8>> {
        self.master.seal(text, purpose).map_err(|error| Error::Internal(error.message().to_owned()))
    }

    /// The account with the authority, made when there is none.
    async fn account(&self, app: &App, authority: &Authority) -> Result<Result<Account, Failure>> {
        let purpose = vault::of_acme_account(&authority.directory);
        if let Some(row) = certificate::account(&app.store, &authority.directory).await? {
            let credentials = self.master.open(&row.sealed_credentials, &purpose);
            let credentials = credentials.map_err(|error| Error::Internal(error.message().to_owned()))?;
            return Ok(authority.open(&credentials).await);
        }
        let (account, credentials) = match authority.register().await {
            Ok(made) => made,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut write = app.store.write(Entry::new("certificate.register", None, "-".to_owned())).await?;
        write.entry().details = serde_json::json!({ "directory": authority.directory });
        let row = acme_account::Model {
            directory: authority.directory.clone(),
            sealed_credentials: self.seal(&credentials, &purpose)?,
            created_at: clock::now(),
        };
        certificate::add_account(&mut write, row).await?;
        write.commit().await?;
        Ok(Ok(account))
    }
}

/// Looks after the certificate of one domain if it is due: gets one, renews it, or finds that it is too early. Whether a new
/// one is there.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn look_after<F, A>(app: &App, domain: &Served, answer: F) -> Result<bool>
where
    F: Fn(Challenge) -> A + Send + Sync,
    A: Future<Output = Result<()>> + Send,
{
    let Some(authority) = &app.certificates.authority else { return Ok(false) };
    let Some(row) = certificate::take(&app.store, domain.id, clock::now(), LEASE).await? else { return Ok(false) };
    let account = match app.certificates.account(app, authority).await? {
        Ok(account) => account,
        Err(failure) => return failed(app, domain, &row, failure).await,
    };
    if let Some(chain) = &row.chain {
        let due = renewal(&account, domain.id, chain).await;
        if due > clock::now() {
            certificate::wait(&app.store, domain.id, due.min(clock::now() + ASK_AGAIN)).await?;
            return Ok(false);
        }
    }
    match account.obtain(&domain.name, row.chain.as_deref(), answer).await {
        Ok(issued) => keep(app, domain, row, issued).await,
        Err(failure) => failed(app, domain, &row, failure).await,
    }
}

/// When a certificate is to be renewed: when the authority says, or when a third of its time is left.
async fn renewal(account: &Account, id: DomainId, chain: &str) -> DateTime<Utc> {
    let usual = acme::validity(chain).map_or_else(clock::now, |Validity { from, until }| until - (until - from) / 3);
    // Every domain takes its own moment, so that not all come at once.
    let share = f64::from(id.0.as_bytes()[15]) / 256.0;
    account.renewal(chain, share).await.unwrap_or(usual)
}

async fn keep(app: &App, domain: &Served, row: Model, issued: Issued) -> Result<bool> {
    let Some(validity) = acme::validity(&issued.chain) else {
        let failure = Failure { message: "the authority sent no certificate".to_owned(), limited: false };
        return failed(app, domain, &row, failure).await;
    };
    let scope = Scope::from(domain.environment_id);
    let mut write = app.store.write(Entry::new("certificate.issue", None, "-".to_owned())).await?;
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    write.entry().subject = Some(domain.id.to_string());
    write.entry().details = serde_json::json!({ "name": domain.name, "expiresAt": validity.until });
    let third = (validity.until - validity.from) / 3;
    let row = Model {
        sealed_key: Some(app.certificates.seal(issued.key.as_bytes(), &vault::of_certificate(domain.id))?),
        chain: Some(issued.chain),
        issued_at: Some(clock::now()),
        expires_at: Some(validity.until),
        next_try_at: (validity.until - third).min(clock::now() + ASK_AGAIN),
        failures: 0,
        failure: None,
        ..row
    };
    certificate::issued(&mut write, row).await?;
    write.commit().await?;
    tracing::info!(domain = domain.name, until = %validity.until, "a certificate was issued");
    app.ring();
    Ok(true)
}

async fn failed(app: &App, domain: &Served, row: &Model, failure: Failure) -> Result<bool> {
    let failures = row.failures.saturating_add(1);
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).clamp(0, 16));
    let pause = if failure.limited { doubled.max(LIMITED_PAUSE) } else { doubled }.min(LONGEST_PAUSE);
    tracing::warn!(domain = domain.name, failures, reason = failure.message, "a certificate could not be obtained");
    certificate::failed(&app.store, domain.id, failures, &failure.message, clock::now() + pause).await?;
    Ok(false)
}
