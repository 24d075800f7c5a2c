//! What the edge is told of hosts beside where they lead: certificates, and what was set for an environment. Kept from one
//! table to the next, since both cost something to open, and the counts of clients live as long as the settings.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use entities::ids::{DomainId, EnvironmentId};

use crate::domain::edge_settings::EdgeSettings;
use crate::edge::policy::{self, Later, Policy, Redirect, Rules};
use crate::edge::tls::Certificate;
use crate::error::Result;
use crate::service::App;
use crate::service::edge::{self, Closed};
use crate::store::domain::Served;
use crate::store::{certificate, edge_settings};

/// What was opened so far.
#[derive(Default)]
pub(super) struct Opened {
    /// Certificates, and when each was issued.
    certificates: HashMap<DomainId, (DateTime<Utc>, Certificate)>,
    /// Settings and the version that they are of.
    rules: HashMap<EnvironmentId, (i32, Arc<Rules>)>,
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
    pub(super) async fn rules(&mut self, app: &App) -> Result<HashMap<EnvironmentId, Arc<Rules>>> {
        let versions: HashMap<EnvironmentId, i32> = edge_settings::versions(&app.store).await?.into_iter().collect();
        self.rules.retain(|id, (version, _)| versions.get(id) == Some(version));
        for id in versions.keys() {
            if !self.rules.contains_key(id)
                && let Some((settings, version)) = edge_settings::of(&app.store, *id).await?
            {
                self.rules.insert(*id, (version, Arc::new(rules(settings))));
            }
        }
        Ok(self.rules.iter().map(|(id, (_, rules))| (*id, rules.clone())).collect())
    }
}

/// The policy of every host of an environment that something was set for, and of every domain that is sent on to HTTPS.
pub(super) fn policies<'a>(
    hosts: impl Iterator<Item = (&'a str, EnvironmentId)>,
    rules: &HashMap<EnvironmentId, Arc<Rules>>,
    redirected: impl Fn(&str) -> bool,
) -> HashMap<String, Arc<Policy>> {
    let policy = |(host, environment): (&str, EnvironmentId)| {
        let policy = Policy { redirect_to_https: redirected(host), rules: rules.get(&environment).cloned() };
        (policy.redirect_to_https || policy.rules.is_some()).then(|| (host.to_owned(), Arc::new(policy)))
    };
    hosts.filter_map(policy).collect()
}

/// A certificate that cannot be used is no reason not to serve all others.
async fn opened(app: &App, domain: &Served) -> Result<Option<Certificate>> {
    let Some(row) = certificate::find(&app.store, domain.id).await? else { return Ok(None) };
    let opened = app.certificates.open(row).map_err(|error| format!("{error:?}"));
    let parsed = opened.and_then(|opened| opened.map(|it| Certificate::parse(&it.chain, &it.key)).transpose());
    Ok(parsed.unwrap_or_else(|error| {
        tracing::error!(domain = domain.name, error, "a certificate cannot be used");
        None
    }))
}

fn rules(settings: EdgeSettings) -> Rules {
    let gate = edge::Gate::of(&settings).map(|gate| Arc::new(Standing(gate)) as Arc<dyn policy::Gate>);
    let redirects = settings.redirects.into_iter().map(|redirect| Redirect {
        permanent: redirect.permanent(),
        target: Box::new(move |path| redirect.target(path)),
    });
    Rules {
        redirects: redirects.collect(),
        pages: settings.error_pages.into_iter().map(|(status, html)| (status, html.into())).collect(),
        compression: settings.compression,
        gate,
    }
}

/// The gate of the services, as the edge asks for it.
struct Standing(edge::Gate);

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(redacted)")
    }
}

fn told(closed: Closed) -> policy::Closed {
    match closed {
        Closed::Locked => policy::Closed::Locked,
        Closed::TooOften(seconds) => policy::Closed::TooOften(seconds),
    }
}

impl policy::Gate for Standing {
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    fn admits(&self, client: IpAddr, authorization: Option<&[u8]>) -> Option<Result<(), policy::Closed>> {
        self.0.admits(client, authorization).map(|answer| answer.map_err(told))
    }

    fn check<'a>(&'a self, client: IpAddr, authorization: &'a [u8]) -> Later<'a, Result<(), policy::Closed>> {
        Box::pin(async move { self.0.check(client, authorization).await.map_err(told) })
    }
}
