//! The live table: which target serves a host now, and which targets are on their way out. It turns a published
//! `RouteTable` into live targets. It must not know HTTP.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{
    DrainReport, StillRouted,
    policy::{self, Policy, Rules},
    routes::{Route, RouteTable, TargetSpec},
    target::{Claim, Target},
    tls::Certificate,
};
use crate::domain::traffic::Traffic;

#[derive(Default)]
struct Live {
    base_domain: String,
    targets: HashMap<String, Entry>,
    certificates: HashMap<String, Certificate>,
    policies: HashMap<String, Arc<Policy>>,
    rules: HashMap<String, Arc<Rules>>,
    challenges: HashMap<String, String>,
}

/// What answers for a host: one target, or several that are as good as each other.
struct Entry {
    targets: Vec<Arc<Target>>,
    /// Whose turn it is among those that have equally much to do.
    turn: AtomicUsize,
}

impl Entry {
    /// The one with the least to do, in turn where several have; not `but`, unless it is the only one.
    fn least_busy(&self, but: Option<&Arc<Target>>) -> Option<&Arc<Target>> {
        let [_, _, ..] = self.targets.as_slice() else { return self.targets.first() };
        let others = || self.targets.iter().filter(|target| but.is_none_or(|but| !Arc::ptr_eq(target, but)));
        let least = others().map(|target| target.in_flight()).min()?;
        let idle: Vec<&Arc<Target>> = others().filter(|target| target.in_flight() <= least).collect();
        let turn = self.turn.fetch_add(1, Relaxed).checked_rem(idle.len());
        // They may all have been given something to do in between.
        turn.and_then(|turn| idle.get(turn).copied()).or_else(|| others().next())
    }
}

impl Live {
    fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.values().flat_map(|entry| &entry.targets)
    }
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
        let visited = live.targets().filter(|target| target.take_visited());
        visited.map(|target| target.route.deployment.clone()).collect()
    }

    /// The deployments that sleep.
    pub(super) fn asleep(&self) -> HashSet<String> {
        let live = self.live.load();
        let asleep = live.targets().filter(|target| matches!(target.route.target, TargetSpec::Asleep));
        asleep.map(|target| target.route.deployment.clone()).collect()
    }

    /// What was counted of each deployment's requests since this was asked last.
    pub(super) fn take_traffic(&self) -> HashMap<String, Traffic> {
        let mut taken: HashMap<String, Traffic> = HashMap::new();
        for target in self.live.load().targets().chain(self.retired().iter()) {
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
        let targets: HashMap<String, Entry> = table
            .routes
            .iter()
            .map(|(host, route)| {
                let old = before.targets.get(host).map(|entry| entry.targets.as_slice()).unwrap_or_default();
                let target = |part: Route| {
                    let kept =
                        old.iter().find(|it| it.route.key == part.key && it.route.target.continues(&part.target));
                    kept.cloned().unwrap_or_else(|| Target::new(part, self.connect))
                };
                let targets = route.parts().into_iter().map(target).collect();
                (host.clone(), Entry { targets, turn: AtomicUsize::new(0) })
            })
            .collect();
        let kept: HashSet<*const Target> = targets.values().flat_map(|entry| &entry.targets).map(Arc::as_ptr).collect();
        let retired: Vec<Arc<Target>> =
            before.targets().filter(|old| !kept.contains(&Arc::as_ptr(old))).cloned().collect();
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

    /// A claim on the target of `host`.
    pub(super) fn claim(&self, host: &str) -> Lookup {
        self.claim_but(host, None)
    }

    /// A claim on another target of `host` than `but`, which has failed somebody; on the same if there is no other. Every turn
    /// of the loop means that a newer table has come in between.
    pub(super) fn claim_but(&self, host: &str, but: Option<&Arc<Target>>) -> Lookup {
        loop {
            let live = self.live.load();
            let Some(target) = live.targets.get(host).and_then(|entry| entry.least_busy(but)) else {
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
        if self.live.load().targets().any(|target| is(target)) {
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
        live.targets().filter(of).map(|target| target.in_flight()).sum::<usize>()
            + self.retired().iter().filter(of).map(|target| target.in_flight()).sum::<usize>()
    }

    /// Ends everything on every target, for shutdown.
    pub(super) fn cancel_all(&self) {
        for target in self.live.load().targets().chain(self.retired().iter()) {
            target.cancel.cancel();
        }
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Target>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
