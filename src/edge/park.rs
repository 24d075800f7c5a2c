//! Visitors of a deployment that sleeps: the first wakes it, all wait until it serves. Browsers soon get a page that asks
//! again, programs wait longer; there is a limit to how many wait. It must not know how a deployment is woken.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{HeaderMap, Method, header::USER_AGENT};

use super::{
    Shared,
    pages::{Form, Problem},
    routes::TargetSpec,
    table::Lookup,
    target::Claim,
};

/// Requests that wait for one deployment.
const MOST: usize = 1_000;
/// Of these from one address, behind which there may be a whole office.
const MOST_FROM_ONE: usize = 500;
/// How long a browser shows nothing before it shows the waiting page.
const BROWSER_WAIT: Duration = Duration::from_secs(3);
/// How long a program waits for its answer.
const PROGRAM_WAIT: Duration = Duration::from_secs(30);
/// What names itself so looks at everything and needs nothing.
const CRAWLERS: [&str; 4] = ["bot", "crawl", "spider", "slurp"];

/// What a crawler reads, who wakes nobody.
const ASLEEP: &str = "this deployment is retired";

/// Who waits, by deployment and address.
#[derive(Default)]
pub(super) struct Parking(Mutex<HashMap<String, HashMap<IpAddr, usize>>>);

/// The place of one request that waits.
struct Place {
    shared: Arc<Shared>,
    deployment: String,
    address: IpAddr,
}

impl Parking {
    fn enter(shared: &Arc<Shared>, deployment: &str, address: IpAddr) -> Option<Place> {
        let mut lots = shared.parking.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lot = lots.entry(deployment.to_owned()).or_default();
        if lot.values().sum::<usize>() >= MOST || lot.get(&address).is_some_and(|waiting| *waiting >= MOST_FROM_ONE) {
            return None;
        }
        *lot.entry(address).or_default() += 1;
        Some(Place { shared: shared.clone(), deployment: deployment.to_owned(), address })
    }
}

impl Shared {
    /// The sleeping deployments that somebody waits for.
    pub(super) fn waited_for(&self) -> Vec<String> {
        let waited: Vec<String> =
            self.parking.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let asleep = self.table.asleep();
        waited.into_iter().filter(|deployment| asleep.contains(deployment)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lots = self.shared.parking.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lot) = lots.get_mut(&self.deployment) else { return };
        if let Some(waiting) = lot.get_mut(&self.address) {
            *waiting -= 1;
            if *waiting == 0 {
                lot.remove(&self.address);
            }
        }
        if lot.is_empty() {
            lots.remove(&self.deployment);
        }
    }
}

/// What is known of a request before its target is found.
pub(super) struct Visitor<'a> {
    pub(super) address: IpAddr,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) accept: Form,
}

impl Visitor<'_> {
    fn patience(&self) -> Duration {
        let page = self.accept == Form::Html && (self.method == Method::GET || self.method == Method::HEAD);
        if page { BROWSER_WAIT } else { PROGRAM_WAIT }
    }

    fn is_crawler(&self) -> bool {
        let name = self.headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        CRAWLERS.iter().any(|word| name.contains(word))
    }
}

/// A claim on the target of `host`; if that sleeps, once it is awake.
pub(super) async fn claim(shared: &Arc<Shared>, host: &str, visitor: &Visitor<'_>) -> Result<Claim, Problem> {
    match found(shared, host, visitor)? {
        Found::Awake(claim) => Ok(claim),
        Found::Asleep(deployment) => wait(shared, host, visitor, &deployment).await,
    }
}

enum Found {
    Awake(Claim),
    /// It is being woken; which deployment that is.
    Asleep(String),
}

fn found(shared: &Shared, host: &str, visitor: &Visitor<'_>) -> Result<Found, Problem> {
    let claim = match shared.table.claim(host) {
        Lookup::Found(claim) => claim,
        Lookup::Unknown { inside: true } => return Err(Problem::UnknownLink),
        Lookup::Unknown { inside: false } => return Err(Problem::UnknownDomain),
    };
    let target = claim.target();
    match target.route.target {
        TargetSpec::Asleep if visitor.is_crawler() => return Err(Problem::Stopped(ASLEEP.to_owned())),
        TargetSpec::Asleep => target.wake(shared.config.wake.as_ref()),
        TargetSpec::Waking => {}
        TargetSpec::Starting
        | TargetSpec::Failed { .. }
        | TargetSpec::Stopped { .. }
        | TargetSpec::Static(_)
        | TargetSpec::Process(_) => return Ok(Found::Awake(claim)),
    }
    Ok(Found::Asleep(target.route.deployment.clone()))
}

async fn wait(shared: &Arc<Shared>, host: &str, visitor: &Visitor<'_>, deployment: &str) -> Result<Claim, Problem> {
    let _place = Parking::enter(shared, deployment, visitor.address).ok_or(Problem::Starting)?;
    let patience = tokio::time::sleep(visitor.patience());
    tokio::pin!(patience);
    let mut applied = shared.table.watch();
    loop {
        // It may have woken before the watch began, so it is looked for first.
        if let Found::Awake(claim) = found(shared, host, visitor)? {
            return Ok(claim);
        }
        tokio::select! {
            changed = applied.changed() => if changed.is_err() { return Err(Problem::Starting) },
            () = &mut patience => return Err(Problem::Starting),
            () = shared.closing.cancelled() => return Err(Problem::Starting),
        }
    }
}
