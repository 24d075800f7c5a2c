//! Deploy: a deployment whose files are there comes to serve its own link, and then the environment's. A re-deploy is the same
//! without the last part.

use super::{Doing, Step, Workshop, activate, build, run};
use crate::domain::configuration::Configuration;
use crate::domain::deployment::state::State;
use crate::error::Result;
use crate::runtime::{Exit, ExitCause, Status};
use crate::store::action::Lease;
use crate::store::{deployment, route};
use crate::tasks::routes::running;

/// The steps, in order.
pub const STEPS: &[Step] = &[
    Step { name: "build", run: build::run, undo: Some(build::undo) },
    Step { name: "release", run: release, undo: Some(unrelease) },
    Step { name: "start", run: start, undo: Some(stop) },
    Step { name: "check", run: check, undo: None },
    Step { name: "publish", run: publish, undo: None },
    Step { name: "activate", run: activate::on_deploy, undo: None },
    Step { name: "drain", run: activate::drain, undo: None },
];

/// The steps of a re-deploy, in order.
pub const REDEPLOY: &[Step] = &[
    Step { name: "build", run: build::run, undo: Some(build::undo) },
    Step { name: "release", run: release, undo: Some(unrelease) },
    Step { name: "start", run: start, undo: Some(stop) },
    Step { name: "check", run: check, undo: None },
    Step { name: "publish", run: publish, undo: None },
];

/// Makes what will be served: a folder for a program; for static files their content is it already, and is verified.
fn release<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        deployment::advance(&app.store, lease, State::Building, None).await?;
        let row = deployment::leased(&app.store, lease).await?;
        let project = route::project_of(&app.store, row.environment_id).await?;
        match run::configuration(row.id, &row.configuration)? {
            Configuration::Process(_) => run::materialize(app, project, row.id).await.map(|_| ()),
            Configuration::Static(_) => run::verify(app, project, row.id).await,
        }
    })
}

fn unrelease<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { run::dematerialize(&shop.app, &lease.action().deployment_id.to_string()).await })
}

fn start<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        deployment::advance(&app.store, lease, State::Starting, None).await?;
        let row = deployment::leased(&app.store, lease).await?;
        let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else {
            return Ok(());
        };
        let project = route::project_of(&app.store, row.environment_id).await?;
        let folder = run::materialize(app, project, row.id).await?;
        run::start(app, project, row.id, folder, &process, lease.fence()).await
    })
}

/// Stops the program and keeps its log, which says why.
fn stop<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { run::stop(&shop.app, &lease.action().deployment_id.to_string(), lease.fence()).await })
}

fn check<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        healthy(shop, &row, lease.fence()).await
    })
}

/// Waits until a deployment answers; static files always do. A program that went down with this machine is started again
/// first; one that ended by itself is not.
pub(super) async fn healthy(shop: &Workshop, row: &entities::deployment::Model, fence: i64) -> Result<()> {
    let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else {
        return Ok(());
    };
    let status = shop.app.driver.status(&row.id.to_string()).await?;
    let lost = matches!(status, Status::Exited { exit: Exit { cause: ExitCause::Lost, .. } });
    if lost || matches!(status, Status::Absent) {
        let project = route::project_of(&shop.app.store, row.environment_id).await?;
        let folder = run::materialize(&shop.app, project, row.id).await?;
        run::start(&shop.app, project, row.id, folder, &process, fence).await?;
    }
    run::check(&shop.app, row.id, &process).await?;
    if let Some(address) = running(&shop.app, row.id).await? {
        shop.publisher.is_healthy(row.id, address).await;
    }
    Ok(())
}

/// Opens the deployment's own link.
fn publish<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        healthy(shop, &row, lease.fence()).await?;
        deployment::advance(&shop.app.store, lease, State::Ready, None).await?;
        shop.publisher.publish().await
    })
}
