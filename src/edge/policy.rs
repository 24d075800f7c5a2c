//! What the edge does for a host beside serving it, made of what the table says; the counts of clients live as long as the
//! settings that they belong to. It must not know requests.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{gate::Gate, routes::RouteTable};
use crate::domain::edge_settings::EdgeSettings;

/// What the edge does for one host.
#[derive(Debug)]
pub(super) struct Policy {
    /// Plain requests are sent on to HTTPS.
    pub(super) redirect_to_https: bool,
    /// What was set for the environment that the host belongs to; none when nothing was.
    pub(super) rules: Option<Arc<Rules>>,
}

/// What was set for an environment.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) settings: Arc<EdgeSettings>,
    /// HTML by the status that it goes with.
    pub(super) pages: HashMap<u16, Bytes>,
    /// Who is let through; none when everybody is.
    pub(super) gate: Option<Gate>,
}

impl Rules {
    fn new(settings: Arc<EdgeSettings>) -> Arc<Self> {
        let pages = settings.error_pages.iter().map(|(status, html)| (*status, html.clone().into())).collect();
        Arc::new(Self { gate: Gate::of(&settings), pages, settings })
    }
}

/// The rules of a table by the name of their settings; those whose settings are the same as before stay.
pub(super) fn rules(table: &RouteTable, before: &HashMap<String, Arc<Rules>>) -> HashMap<String, Arc<Rules>> {
    let rules = table.settings.iter().map(|(name, settings)| {
        let kept = before.get(name).filter(|old| old.settings == *settings);
        (name.clone(), kept.cloned().unwrap_or_else(|| Rules::new(settings.clone())))
    });
    rules.collect()
}

/// The policies of a table, by host.
pub(super) fn policies(table: &RouteTable, rules: &HashMap<String, Arc<Rules>>) -> HashMap<String, Arc<Policy>> {
    let policies = table.policies.iter().map(|(host, told)| {
        let rules = told.settings.as_ref().and_then(|name| rules.get(name)).cloned();
        (host.clone(), Arc::new(Policy { redirect_to_https: told.redirect_to_https, rules }))
    });
    policies.collect()
}
