//! Revive: a retired deployment serves its own link again. Also what a rollback does first when its target is retired, and
//! what brings the same version up again as a new deployment has in common with a deploy.

use entities::values::DeploymentState;

use super::deploy::{self, Enough};
use super::{Doing, Step, Workshop, run};
use crate::domain::configuration::Configuration;
use crate::domain::deployment::state::State;
use crate::store::action::Lease;
use crate::store::{deployment, route};

/// The steps, in order.
pub const STEPS: &[Step] =
    &[Step { name: "start", run: start, undo: Some(stop) }, Step { name: "publish", run: publish, undo: None }];

/// Starts the program again, from the files that were kept; static files need no start.
pub(super) fn start<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        let row = deployment::leased(&app.store, lease).await?;
        if row.state == DeploymentState::Retired {
            // A rollback waited for its turn while it was retired.
            deployment::advance(&app.store, lease, State::Reviving, None).await?;
        }
        if !matches!(row.state, DeploymentState::Retired | DeploymentState::Reviving) {
            return Ok(());
        }
        let project = route::project_of(&app.store, row.environment_id).await?;
        match run::configuration(row.id, &row.configuration)? {
            Configuration::Static(_) => run::verify(app, project, row.id).await,
            Configuration::Process(process) => run::start(app, project, row.id, &process, lease.fence()).await,
        }
    })
}

/// Stops what was started only for this.
pub(super) fn stop<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        if row.state != DeploymentState::Reviving {
            return Ok(());
        }
        run::stop(&shop.app, row.id, lease.fence()).await
    })
}

/// Opens the deployment's own link, once it answers.
pub(super) fn publish<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        if row.state == DeploymentState::Reviving {
            deploy::healthy(shop, &row, lease.fence(), Enough::All).await?;
            deployment::advance(&shop.app.store, lease, State::Ready, None).await?;
        }
        shop.publisher.publish().await
    })
}
