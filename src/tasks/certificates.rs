//! Sees to it that every domain which leads here has a certificate that is good for a while yet.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use entities::ids::DomainId;

use crate::error::Result;
use crate::service::{App, certificate as service};
use crate::store::certificate;
use crate::store::domain::{self, Served};
use crate::sys::clock;
use crate::tasks::routes::Publisher;

/// How often it looks which are due.
const LOOK: Duration = Duration::from_secs(1);
/// Domains in hand at once.
const AT_ONCE: usize = 8;
/// Orders of this installation: authorities allow 300 in three hours.
const PER_HOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(89);

/// Runs until `stop`.
pub async fn run(app: Arc<App>, publisher: Arc<Publisher>, stop: CancellationToken) {
    if !app.certificates.are_issued() {
        return;
    }
    let limit = RateLimiter::direct(Quota::per_hour(PER_HOUR));
    let mut keeper = Keeper { app, publisher, limit, working: JoinSet::new(), busy: HashSet::new() };
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(keeper.once()).await {
            tracing::error!(?error, "certificates could not be looked after");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = keeper.working.join_next() => keeper.ended(ended),
            () = stop.cancelled() => return,
        }
    }
}

struct Keeper {
    app: Arc<App>,
    publisher: Arc<Publisher>,
    limit: DefaultDirectRateLimiter,
    working: JoinSet<(DomainId, Result<bool>)>,
    busy: HashSet<DomainId>,
}

impl Keeper {
    async fn once(&mut self) -> Result<()> {
        let now = clock::now();
        let known = certificate::all(&self.app.store).await?;
        let waiting: HashSet<DomainId> =
            known.into_iter().filter(|(_, next, _)| *next > now).map(|(id, ..)| id).collect();
        for domain in domain::served(&self.app.store).await? {
            let due = domain.delegated && !waiting.contains(&domain.id) && !self.busy.contains(&domain.id);
            if !due {
                continue;
            }
            if self.working.len() >= AT_ONCE || self.limit.check().is_err() {
                return Ok(());
            }
            self.busy.insert(domain.id);
            let (app, publisher) = (self.app.clone(), self.publisher.clone());
            self.working.spawn(async move { (domain.id, look_after(&app, &publisher, &domain).await) });
        }
        Ok(())
    }

    fn ended(&mut self, ended: Result<(DomainId, Result<bool>), tokio::task::JoinError>) {
        match ended {
            Ok((id, outcome)) => {
                self.busy.remove(&id);
                if let Err(error) = outcome {
                    tracing::error!(domain = %id, ?error, "a certificate could not be looked after");
                }
            }
            Err(error) => tracing::error!(%error, "looking after a certificate ended badly"),
        }
    }
}

async fn look_after(app: &App, publisher: &Publisher, domain: &Served) -> Result<bool> {
    let issued = service::look_after(app, domain, |challenge| publisher.answer(&domain.name, challenge)).await;
    publisher.no_answer(&domain.name).await;
    if matches!(issued, Ok(true)) {
        publisher.publish().await?;
    }
    issued
}
