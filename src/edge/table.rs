//! The live table: which target serves a host now, and which targets are on their way out. It turns a published
//! `RouteTable` into live targets. It must not know HTTP.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{
    DrainReport, StillRouted,
    policy::{self, Policy, Rules},
    routes::{RouteTable, TargetSpec},
    target::{Claim, Target},
    tls::Certificate,
};
use crate::domain::traffic::Traffic;

#[derive(Default)]
struct Live {
    base_domain: String,
    targets: HashMap<String, Arc<Target>>,
    certificates: HashMap<String, Certificate>,
    policies: HashMap<String, Arc<Policy>>,
    rules: HashMap<String, Arc<Rules>>,
    challenges: HashMap<String, String>,
}

/// What a host leads to.
pub(super) enum Lookup {
    Found(Claim),
    /// No route. Inside the base domain a link is wrong or gone; outside it a domain points here by mistake.
    Unknown {
        inside: bool,
    },
}

/// The table that is being served, and the targets that drain.
pub(super) struct Table {
    live: ArcSwap<Live>,
    retired: Mutex<Vec<Arc<Target>>>,
    connect: Duration,
    applied: watch::Sender<u64>,
}

impl Table {
    pub(super) fn new(connect: Duration) -> Self {
        let applied = watch::Sender::new(0);
        Self { live: ArcSwap::from_pointee(Live::default()), retired: Mutex::default(), connect, applied }
    }

    /// Tells of every table that is served.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// The deployments that were visited since this was asked last.
    pub(super) fn take_visited(&self) -> HashSet<String> {
        let live = self.live.load();
        let visited = live.targets.values().filter(|target| target.take_visited());
        visited.map(|target| target.route.deployment.clone()).collect()
    }

    /// The deployments that sleep.
    pub(super) fn asleep(&self) -> HashSet<String> {
        let live = self.live.load();
        let asleep = live.targets.values().filter(|target| matches!(target.route.target, TargetSpec::Asleep));
        asleep.map(|target| target.route.deployment.clone()).collect()
    }

    /// What was counted of each deployment's requests since this was asked last.
    pub(super) fn take_traffic(&self) -> HashMap<String, Traffic> {
        let mut taken: HashMap<String, Traffic> = HashMap::new();
        for target in self.live.load().targets.values().chain(self.retired().iter()) {
            if let Some(traffic) = target.meter.take() {
                taken.entry(target.route.deployment.clone()).or_default().add(&traffic);
            }
        }
        taken
    }

    /// Makes `table` the one that is served and begins to drain what it no longer holds. Gives the targets that now
    /// drain. Not to be called by two at once.
    pub(super) fn apply(&self, table: &RouteTable) -> Vec<Arc<Target>> {
        let before = self.live.load_full();
        let targets: HashMap<String, Arc<Target>> = table
            .routes
            .iter()
            .map(|(host, route)| {
                let kept = before
                    .targets
                    .get(host)
                    .filter(|old| old.route.key == route.key && old.route.target.continues(&route.target));
                (host.clone(), kept.cloned().unwrap_or_else(|| Target::new(route.clone(), self.connect)))
            })
            .collect();
        let kept: HashSet<*const Target> = targets.values().map(Arc::as_ptr).collect();
        let retired: Vec<Arc<Target>> =
            before.targets.values().filter(|old| !kept.contains(&Arc::as_ptr(old))).cloned().collect();
        // The one before may have been read already.
        let certificates = table.certificates.iter().map(|(host, certificate)| {
            let kept = before.certificates.get(host).filter(|old| *old == certificate);
            (host.clone(), kept.unwrap_or(certificate).clone())
        });
        let rules = policy::rules(table, &before.rules);
        self.live.store(Arc::new(Live {
            base_domain: table.base_domain.to_ascii_lowercase(),
            targets,
            certificates: certificates.collect(),
            policies: policy::policies(table, &rules),
            rules,
            challenges: table.challenges.clone(),
        }));
        self.retired().extend(retired.iter().cloned());
        for target in &retired {
            target.retire();
        }
        self.applied.send_replace(table.version);
        retired
    }

    /// A claim on the target of `host`. Every turn of the loop means that a newer table has come in between.
    pub(super) fn claim(&self, host: &str) -> Lookup {
        loop {
            let live = self.live.load();
            let Some(target) = live.targets.get(host) else {
                let inside = host
                    .strip_suffix(live.base_domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                return Lookup::Unknown { inside };
            };
            if let Some(claim) = target.claim() {
                return Lookup::Found(claim);
            }
        }
    }

    /// What is shown to a client that asks for `host` over TLS.
    pub(super) fn certificate(&self, host: &str) -> Option<Certificate> {
        self.live.load().certificates.get(host).cloned()
    }

    /// What is done for `host` beside serving it.
    pub(super) fn policy(&self, host: &str) -> Option<Arc<Policy>> {
        self.live.load().policies.get(host).cloned()
    }

    /// What an authority finds that looks for the proof with this name.
    pub(super) fn challenge(&self, token: &str) -> Option<String> {
        self.live.load().challenges.get(token).cloned()
    }

    /// Waits until the retired targets that `is` picks have drained.
    pub(super) async fn drain(
        &self,
        is: impl Fn(&Target) -> bool,
        grace: Duration,
    ) -> Result<DrainReport, StillRouted> {
        if self.live.load().targets.values().any(|target| is(target)) {
            return Err(StillRouted);
        }
        let targets: Vec<Arc<Target>> = self.retired().iter().filter(|target| is(target)).cloned().collect();
        let mut report = DrainReport::default();
        futures_util::future::join_all(targets.iter().map(|target| target.drain(grace))).await;
        for target in targets {
            let (at_switch, undrained) = target.drain_counts();
            report.in_flight_at_switch += at_switch;
            report.undrained += undrained;
        }
        Ok(report)
    }

    /// Forgets a retired target and its report.
    pub(super) fn forget(&self, target: &Arc<Target>) {
        self.retired().retain(|other| !Arc::ptr_eq(other, target));
    }

    /// Requests, streams and tunnels on a deployment, both serving and draining.
    pub(super) fn in_flight(&self, deployment: &str) -> usize {
        let of = |target: &&Arc<Target>| target.route.deployment == deployment;
        let live = self.live.load();
        live.targets.values().filter(of).map(|target| target.in_flight()).sum::<usize>()
            + self.retired().iter().filter(of).map(|target| target.in_flight()).sum::<usize>()
    }

    /// Ends everything on every target, for shutdown.
    pub(super) fn cancel_all(&self) {
        for target in self.live.load().targets.values().chain(self.retired().iter()) {
            target.cancel.cancel();
        }
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Target>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
