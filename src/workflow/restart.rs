//! Restart: one after the other, each instance of a deployment gets a new program. That one is started beside the one before
//! and has to answer before visitors are sent to it; then the one before serves to the end those it has, and is stopped. Which
//! instances are done is seen by the programs that run.

use entities::deployment::Model;

use super::run::{self, Launch};
use super::{Doing, Step, Workshop};
use crate::domain::configuration::Configuration;
use crate::error::{Error, Result};
use crate::runtime::History;
use crate::service::instance::{self, Program};
use crate::store::action::Lease;
use crate::store::{deployment, deployment_event, in_hand, route};
use crate::sys::crash;

/// The steps: one, since how many instances there are is the deployment's matter. It is left where it waits, and goes on there.
pub const STEPS: &[Step] = &[Step { name: "roll", run: roll, undo: Some(unroll) }];

/// What happens to each instance within the step, in order; the names of places at which a test can have the program die.
pub const PLACES: [&str; 4] = ["started", "checked", "published", "stopped"];

fn reached(place: &str) {
    crash::point(&format!("restart.roll.{place}"));
}

fn roll<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        let row = deployment::leased(&app.store, lease).await?;
        let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else {
            return Err(Error::Internal(format!("{} has no instances", row.id)));
        };
        let project = route::project_of(&app.store, row.environment_id).await?;
        let launch = Launch::prepare(app, project, row.id, &process, lease.fence()).await?;
        for number in 1..=process.instances() {
            let program = program(shop, lease, number).await?;
            launch.start(app, program, History::default()).await?;
            reached("started");
            run::check(app, program, &process).await?;
            reached("checked");
            take_over(shop, lease, &row, program).await?;
        }
        Ok(())
    })
}

/// The program that this restart makes for an instance.
async fn program(shop: &Workshop, lease: &Lease, number: u32) -> Result<Program> {
    let turn = in_hand::restarts(&shop.app.store, lease).await?;
    Ok(Program { deployment: lease.action().deployment_id, number, turn })
}

/// The other programs of the same instance.
async fn others(shop: &Workshop, program: Program) -> Result<Vec<Program>> {
    let mut all = instance::of(&shop.app, program.deployment).await?;
    all.retain(|other| other.number == program.number && *other != program);
    Ok(all)
}

/// Sends visitors to a program that answers, and lets those before it end.
async fn take_over(shop: &Workshop, lease: &Lease, row: &Model, program: Program) -> Result<()> {
    let (app, fence) = (&shop.app, run::fence_of(lease.fence()));
    let others = others(shop, program).await?;
    for other in &others {
        app.board.is_out(other);
    }
    shop.publisher.publish().await?;
    reached("published");
    for other in others {
        let name = other.name();
        if let Some(address) = instance::see(app, other).await?.address() {
            let grace = app.config.drain_grace;
            // Whoever is served by it still is served by its heir as well, so it is in no table any more.
            let _ = shop.edge.drain_instance(&other.deployment.to_string(), address, grace).await;
        }
        app.driver.stop(&name, fence, app.config.stop_grace).await?;
        reached("stopped");
        deployment_event::restarted(&app.store, lease, row.state, program.number).await?;
        app.board.forget(&other);
    }
    forget_all_but_last(shop, program, fence).await
}

/// The log of the program before stays, so that whoever reads it misses nothing; those of earlier ones go.
async fn forget_all_but_last(shop: &Workshop, program: Program, fence: u64) -> Result<()> {
    let mut others = others(shop, program).await?;
    others.sort_unstable();
    others.pop();
    for other in others {
        shop.app.driver.remove(&other.name(), fence).await?;
    }
    Ok(())
}

/// What took over stays; what was only started is stopped, and its log says why.
fn unroll<'a>(shop: &'a Workshop, lease: &'a Lease) -> Doing<'a> {
    Box::pin(async move {
        let app = &shop.app;
        let row = deployment::leased(&app.store, lease).await?;
        for program in instance::of(app, row.id).await? {
            if program != self::program(shop, lease, program.number).await? || others(shop, program).await?.is_empty() {
                continue;
            }
            if app.board.note(&program).address.is_some() {
                take_over(shop, lease, &row, program).await?;
            } else {
                app.driver.stop(&program.name(), run::fence_of(lease.fence()), app.config.stop_grace).await?;
                app.board.forget(&program);
            }
        }
        Ok(())
    })
}
