//! Deploy: a deployment whose files are there comes to serve its own link, and then the environment's. A re-deploy is the same
//! without the last part.

use futures_util::future::{select_ok, try_join_all};

use super::{Doing, Step, Workshop, activate, build, run};
use crate::domain::configuration::Configuration;
use crate::domain::deployment::state::State;
use crate::error::Result;
use crate::runtime::{ExitCause, History, Status};
use crate::service::instance::{self, Seen};
use crate::store::action::Lease;
use crate::store::{deployment, route};

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
        run::start(app, project, row.id, &process, lease.fence()).await
    })
}

/// Stops the programs and keeps their logs, which say why.
fn stop<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move { run::stop(&shop.app, lease.action().deployment_id, lease.fence()).await })
}

fn check<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        healthy(shop, &row, lease.fence(), Enough::All).await
    })
}

/// How many of a deployment's instances have to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    /// Each.
    All,
    /// Any: whoever looks after the programs brings the others back.
    One,
}

/// Waits until a deployment answers; static files always do. Programs that went down with this machine are started again
/// first; those that ended by themselves are not.
pub(super) async fn healthy(
    shop: &Workshop,
    row: &entities::deployment::Model,
    fence: i64,
    enough: Enough,
) -> Result<()> {
    let app = &shop.app;
    let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else {
        return Ok(());
    };
    let known = instance::of(app, row.id).await?;
    let seen = instance::current(app, row.id, process.instances(), &known).await?;
    let lost = |seen: &&Seen| match seen.status {
        Status::Exited { exit } => exit.cause == ExitCause::Lost,
        Status::Absent => true,
        Status::Running { .. } => false,
    };
    let lost: Vec<&Seen> = seen.iter().filter(lost).collect();
    if !lost.is_empty() {
        let project = route::project_of(&app.store, row.environment_id).await?;
        let launch = run::Launch::prepare(app, project, row.id, &process, fence).await?;
        try_join_all(lost.iter().map(|seen| launch.start(app, seen.program, History::default()))).await?;
    }
    let checks = seen.iter().map(|seen| Box::pin(run::check(app, seen.program, &process)));
    match enough {
        Enough::All => try_join_all(checks).await.map(|_| ()),
        Enough::One => select_ok(checks).await.map(|_| ()),
    }
}

/// Opens the deployment's own link.
fn publish<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let row = deployment::leased(&shop.app.store, lease).await?;
        healthy(shop, &row, lease.fence(), Enough::All).await?;
        deployment::advance(&shop.app.store, lease, State::Ready, None).await?;
        shop.publisher.publish().await
    })
}
