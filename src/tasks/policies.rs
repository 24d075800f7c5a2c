//! What the edge is told of hosts beside where they lead: certificates, and what was set for an environment. Kept from one
//! table to the next, since both cost something to open.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use entities::ids::{DomainId, EnvironmentId};

use crate::domain::edge_settings::EdgeSettings;
use crate::edge::routes::Policy;
use crate::edge::tls::Certificate;
use crate::error::Result;
use crate::service::{self, App};
use crate::store::domain::Served;
use crate::store::{certificate, edge_settings};

/// What was opened so far.
#[derive(Default)]
pub(super) struct Opened {
    /// Certificates, and when each was issued.
    certificates: HashMap<DomainId, (DateTime<Utc>, Certificate)>,
    /// Settings and the version that they are of.
    settings: HashMap<EnvironmentId, (i32, Arc<EdgeSettings>)>,
}

impl Opened {
    /// The certificates of the domains that are served, by host.
    pub(super) async fn certificates(&mut self, app: &App, served: &[Served]) -> Result<HashMap<String, Certificate>> {
        let issued = certificate::all(&app.store).await?;
        let issued: HashMap<DomainId, DateTime<Utc>> =
            issued.into_iter().filter_map(|(id, _, issued)| Some((id, issued?))).collect();
        self.certificates.retain(|id, (at, _)| issued.get(id) == Some(at));
        let mut by_host = HashMap::new();
        for domain in served {
            let Some(at) = issued.get(&domain.id) else { continue };
            if !self.certificates.contains_key(&domain.id)
                && let Some(opened) = opened(app, domain).await?
            {
                self.certificates.insert(domain.id, (*at, opened));
            }
            if let Some((_, certificate)) = self.certificates.get(&domain.id) {
                by_host.insert(domain.name.clone(), certificate.clone());
            }
        }
        Ok(by_host)
    }

    /// What was set, by environment.
    pub(super) async fn settings(&mut self, app: &App) -> Result<HashMap<String, Arc<EdgeSettings>>> {
        let versions: HashMap<EnvironmentId, i32> = edge_settings::versions(&app.store).await?.into_iter().collect();
        self.settings.retain(|id, (version, _)| versions.get(id) == Some(version));
        for id in versions.keys() {
            if !self.settings.contains_key(id)
                && let Some((settings, version)) = edge_settings::of(&app.store, *id).await?
            {
                self.settings.insert(*id, (version, Arc::new(settings)));
            }
        }
        Ok(self.settings.iter().map(|(id, (_, settings))| (id.to_string(), settings.clone())).collect())
    }
}

/// The policy of every host of an environment that something was set for, and of every domain that is sent on to HTTPS.
pub(super) fn policies<'a>(
    hosts: impl Iterator<Item = (&'a str, EnvironmentId)>,
    settings: &HashMap<String, Arc<EdgeSettings>>,
    redirected: impl Fn(&str) -> bool,
) -> HashMap<String, Policy> {
    let policy = |(host, environment): (&str, EnvironmentId)| {
        let settings = Some(environment.to_string()).filter(|id| settings.contains_key(id));
        let policy = Policy { redirect_to_https: redirected(host), settings };
        (policy != Policy::default()).then(|| (host.to_owned(), policy))
    };
    hosts.filter_map(policy).collect()
}

/// A certificate that cannot be used is no reason not to serve all others.
async fn opened(app: &App, domain: &Served) -> Result<Option<Certificate>> {
    let Some(row) = certificate::find(&app.store, domain.id).await? else { return Ok(None) };
    let opened = service::certificate::open(app, row).map_err(|error| format!("{error:?}"));
    let parsed = opened.and_then(|opened| opened.map(|it| Certificate::parse(&it.chain, &it.key)).transpose());
    Ok(parsed.unwrap_or_else(|error| {
        tracing::error!(domain = domain.name, error, "a certificate cannot be used");
        None
    }))
}
