//! A live target and the claims on it. A request holds a claim until the last byte of its response body; a drained
//! target has none. This is what makes a switch drop nothing. It must not know hosts or tables.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    forward::Upstream,
    meter::Meter,
    routes::{Route, TargetSpec},
};

/// After the cancel token, claims end by themselves, save those of clients that do not read. Their bodies refuse to give
/// another byte, so a drain need not wait for them.
const CUT_WAIT: Duration = Duration::from_secs(1);

/// Whoever was told to wake a target may have failed to; a later visitor tells again.
const WAKE_AGAIN: Duration = Duration::from_secs(5);

/// One target of one table entry, alive as long as a table or a request holds it.
pub(super) struct Target {
    pub(super) route: Route,
    /// The client and its pool; only for processes.
    pub(super) upstream: Option<Upstream>,
    /// Ends everything that still runs on this target.
    pub(super) cancel: CancellationToken,
    pub(super) meter: Meter,
    in_flight: AtomicUsize,
    draining: AtomicBool,
    idle: Notify,
    at_switch: AtomicUsize,
    visited: AtomicBool,
    /// When somebody was told to wake it.
    woken: Mutex<Option<Instant>>,
    undrained: AtomicUsize,
}

impl Target {
    pub(super) fn new(route: Route, connect: Duration) -> Arc<Self> {
        let upstream = match &route.target {
            TargetSpec::Process(address) => Upstream::new(address.clone(), connect),
            TargetSpec::Starting
            | TargetSpec::Asleep
            | TargetSpec::Waking
            | TargetSpec::Failed { .. }
            | TargetSpec::Stopped { .. }
            | TargetSpec::Static(_) => None,
        };
        Arc::new(Self {
            route,
            upstream,
            cancel: CancellationToken::new(),
            meter: Meter::default(),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            at_switch: AtomicUsize::new(0),
            visited: AtomicBool::new(false),
            woken: Mutex::new(None),
            undrained: AtomicUsize::new(0),
        })
    }

    /// A claim, unless the target has begun to drain. Counted first and checked after, so that a drain either sees the
    /// claim or is seen by it.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Claim> {
        self.in_flight.fetch_add(1, SeqCst);
        let claim = Claim(self.clone());
        self.visited.store(true, Relaxed);
        (!self.draining.load(SeqCst)).then_some(claim)
    }

    /// Whether it was visited since this was asked last.
    pub(super) fn take_visited(&self) -> bool {
        self.visited.swap(false, Relaxed)
    }

    /// Whether the deployment itself answers here, and not a page in its place.
    pub(super) fn serves(&self) -> bool {
        matches!(self.route.target, TargetSpec::Static(_) | TargetSpec::Process(_))
    }

    /// Asks for it to be woken; once for all who visit it within a while.
    pub(super) fn wake(&self, wake: Option<&mpsc::Sender<String>>) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = woken.is_some_and(|at| at.elapsed() < WAKE_AGAIN);
        if !asked && wake.is_some_and(|wake| wake.try_send(self.route.deployment.clone()).is_ok()) {
            *woken = Some(Instant::now());
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// No more claims. Only after the table without this target is in place, so that a refused claim finds another.
    pub(super) fn retire(&self) {
        self.draining.store(true, SeqCst);
        self.at_switch.store(self.in_flight(), SeqCst);
    }

    /// Waits for the last claim; after `grace` cuts what is left. Several may wait: the shortest grace cuts for all.
    pub(super) async fn drain(&self, grace: Duration) {
        tokio::select! {
            () = self.wait_idle() => return,
            () = self.cancel.cancelled() => {}
            () = tokio::time::sleep(grace) => {
                if !self.cancel.is_cancelled() {
                    self.undrained.store(self.in_flight(), SeqCst);
                    self.cancel.cancel();
                }
            }
        }
        let _ = tokio::time::timeout(CUT_WAIT, self.wait_idle()).await;
    }

    /// In flight when the switch happened, and cut when the grace was over.
    pub(super) fn drain_counts(&self) -> (usize, usize) {
        (self.at_switch.load(SeqCst), self.undrained.load(SeqCst))
    }

    async fn wait_idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// The right to use a target; dropped when the response body, stream or tunnel has ended.
pub(super) struct Claim(Arc<Target>);

impl Claim {
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_retired_target_gives_no_claim_and_waits_for_those_it_gave() {
        let route = Route { key: "k".to_owned(), deployment: "d".to_owned(), target: TargetSpec::Starting };
        let target = Target::new(route, Duration::ZERO);
        let held = target.claim();
        assert!(held.is_some());
        target.retire();
        assert!(target.claim().is_none());
        assert_eq!(target.in_flight(), 1);
        let (drained, ()) =
            tokio::join!(tokio::time::timeout(Duration::from_secs(10), target.drain(Duration::from_secs(20))), async {
                drop(held)
            });
        assert!(drained.is_ok());
        assert_eq!(target.drain_counts(), (1, 0));
    }
}
