//! What is done for one program at a time, apart from the round in which the others are looked at: asking for its health,
//! starting it, and replacing it when it is sick.

use crate::edge::Edge;
use crate::error::Result;
use crate::runtime::{Exit, History, Status, health};
use crate::service::App;
use crate::service::instance::{self, Program, Seen};
use crate::store::deployment_event::{self, OfInstance};
use crate::store::route::{self, EnvironmentRoute};
use crate::tasks::routes::Publisher;
use crate::workflow::run::{self, Launch};

use entities::values::DeploymentEventKind;

use super::{Ward, should_run};

/// What a job came to.
pub(super) enum Outcome {
    /// What the program answered when it was asked for its health.
    Asked(std::result::Result<(), String>),
    /// Whether it came up.
    Started(Result<()>),
}

/// Asks a running program for its health.
pub(super) async fn ask(ward: &Ward, seen: &Seen) -> Outcome {
    let check = ward.process.health();
    let Some(address) = seen.address() else { return Outcome::Asked(Err("it is being stopped".to_owned())) };
    Outcome::Asked(health::ask(address, check.path(), check.probe().timeout()).await)
}

/// What starting takes.
pub(super) struct Keeping<'a> {
    pub(super) app: &'a App,
    pub(super) publisher: &'a Publisher,
    pub(super) edge: &'a Edge,
}

impl Keeping<'_> {
    /// Starts a program that does not run, or finds it running; stops it before that if it is sick.
    pub(super) async fn start(&self, environment: &EnvironmentRoute, ward: &Ward, program: Program) -> Outcome {
        Outcome::Started(self.bring_back(environment, ward, program).await)
    }

    async fn bring_back(&self, environment: &EnvironmentRoute, ward: &Ward, program: Program) -> Result<()> {
        let row = &ward.row;
        let launch = Launch::prepare(self.app, environment.project_id, row.id, &ward.process, row.fence).await?;
        // The list may be old by now: what is being taken away, or replaced, stays away.
        let now = route::standing(&self.app.store, row.id).await?;
        if !now.is_some_and(|(state, restarting)| should_run(row.kind, state) && !restarting) {
            return Ok(());
        }
        let sick = self.app.board.note(&program).problem.is_some();
        self.app.board.starts(program);
        self.publisher.publish().await?;
        let seen = instance::see(self.app, program).await?;
        if let (true, Some(address)) = (sick, seen.address()) {
            let name = program.name();
            let grace = self.app.config.drain_grace;
            let _ = self.edge.drain_instance(&row.id.to_string(), address, grace).await;
            self.app.driver.stop(&name, run::fence_of(row.fence), self.app.config.stop_grace).await?;
        }
        let seen = instance::see(self.app, program).await?;
        if seen.address().is_none() {
            tracing::info!(%program, "bringing a program back");
            launch.start(self.app, program, history(&seen)).await?;
            if seen.run.is_some() {
                self.tell(ward, program, DeploymentEventKind::Restarted, None).await?;
            }
        }
        run::check(self.app, program, &ward.process).await?;
        self.publisher.publish().await
    }

    /// Keeps for the deployment's history what happened to one of its instances.
    pub(super) async fn tell(
        &self,
        ward: &Ward,
        program: Program,
        kind: DeploymentEventKind,
        detail: Option<String>,
    ) -> Result<()> {
        let event = OfInstance { kind, instance: program.number, detail };
        deployment_event::of_instance(&self.app.store, ward.row.id, ward.row.state, event).await
    }
}

/// What comes before the next run of a program.
fn history(seen: &Seen) -> History {
    let exit: Option<Exit> = match seen.status {
        Status::Exited { exit } => Some(exit),
        Status::Running { .. } | Status::Absent => None,
    };
    match seen.run {
        Some(run) => History { restarts: run.history.restarts + 1, last_exit: exit },
        None => History::default(),
    }
}
