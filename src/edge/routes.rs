//! What the control plane tells the edge: a table from host to target, published as a whole. These are descriptions; the
//! live targets behind them are made in `target`. It must not know where the table comes from.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    static_site::{self, StaticSite},
    tls::Certificate,
};
use crate::{domain::edge_settings::EdgeSettings, reach::Address};

/// Everything that the edge serves at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Grows with every table; the edge acknowledges it.
    pub version: u64,
    /// The domain under which links are made. Unknown hosts outside it get a page about DNS, inside it one about links.
    pub base_domain: String,
    /// By host: lower case, without a port.
    pub routes: HashMap<String, Route>,
    /// By host: what is shown to clients that come over TLS.
    pub certificates: HashMap<String, Certificate>,
    /// By host: what is done beside serving it; nothing for a host that is not here.
    pub policies: HashMap<String, Policy>,
    /// What was set for environments, by a name of each.
    pub settings: HashMap<String, Arc<EdgeSettings>>,
    /// Files below `/.well-known/acme-challenge/`, on every host: name and content.
    pub challenges: HashMap<String, String>,
}

/// What is done for one host beside serving it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Plain requests are sent on to HTTPS.
    pub redirect_to_https: bool,
    /// The name of the settings that count here, among those of the table.
    pub settings: Option<String>,
}

/// Where one host leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The identity of the live target. The same key with the same kind of target keeps connections and counts across
    /// tables; a changed key drains the old target. It must contain the host, as two hosts never share a target.
    pub key: String,
    /// The deployment, for drains and logs.
    pub deployment: String,
    /// What answers.
    pub target: TargetSpec,
}

/// What answers for a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TargetSpec {
    /// A waiting page, 503, that reloads itself.
    Starting,
    /// A page like that in time; a visit asks for it to be woken, and waits for a while.
    Asleep,
    /// The same once it is being woken.
    Waking,
    /// An error page, 503, with a message that visitors may read.
    Failed {
        /// Shown to visitors.
        message: String,
    },
    /// A page, 503, that says why nothing runs.
    Stopped {
        /// Shown to visitors.
        message: String,
    },
    /// Files. Written down it is the site's name alone.
    Static(#[serde(with = "static_site::by_name")] Arc<StaticSite>),
    /// Programs, each as good as the other.
    Process(Addresses),
}

/// Where the programs behind one target are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses(pub Vec<Address>);

impl From<Vec<Address>> for Addresses {
    fn from(all: Vec<Address>) -> Self {
        Self(all)
    }
}

impl<A: Into<Address>> From<A> for Addresses {
    fn from(one: A) -> Self {
        Self(vec![one.into()])
    }
}

impl Route {
    /// The parts that come and go each by itself: one for each program; otherwise the whole. What has no program is starting.
    pub(super) fn parts(&self) -> Vec<Route> {
        let part = |target| Route { target, ..self.clone() };
        match &self.target {
            TargetSpec::Process(Addresses(all)) if all.is_empty() => vec![part(TargetSpec::Starting)],
            TargetSpec::Process(Addresses(all)) => {
                all.iter().map(|address| part(TargetSpec::Process(address.clone().into()))).collect()
            }
            TargetSpec::Starting
            | TargetSpec::Asleep
            | TargetSpec::Waking
            | TargetSpec::Failed { .. }
            | TargetSpec::Stopped { .. }
            | TargetSpec::Static(_) => vec![self.clone()],
        }
    }
}

impl TargetSpec {
    /// Whether a live target made from `self` can go on serving `other`, given that the keys are the same.
    pub(super) fn continues(&self, other: &TargetSpec) -> bool {
        match (self, other) {
            (TargetSpec::Starting, TargetSpec::Starting)
            | (TargetSpec::Asleep, TargetSpec::Asleep)
            | (TargetSpec::Waking, TargetSpec::Waking) => true,
            (TargetSpec::Failed { message: a }, TargetSpec::Failed { message: b })
            | (TargetSpec::Stopped { message: a }, TargetSpec::Stopped { message: b }) => a == b,
            (TargetSpec::Static(_), TargetSpec::Static(_)) => true,
            (TargetSpec::Process(a), TargetSpec::Process(b)) => a == b,
            (
                TargetSpec::Starting
                | TargetSpec::Asleep
                | TargetSpec::Waking
                | TargetSpec::Failed { .. }
                | TargetSpec::Stopped { .. }
                | TargetSpec::Static(_)
                | TargetSpec::Process(_),
                _,
            ) => false,
        }
    }
}
