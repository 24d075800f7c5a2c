//! Makes the programs on this machine run that should, and only those: brings back what has ended, asks those that run for their
//! health, replaces what is sick, stops what has no business running, and says which answer, so that their links open.
//!
//! A program that ends, or fails its health checks too often in a row, is started again: at once the first time, then after
//! pauses that grow. One that is sick leaves the edge's table while others of its deployment serve; the last one stays in it,
//! since a doubtful answer is better than none.

mod care;
mod pace;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use entities::ids::{DeploymentId, EnvironmentId};
use entities::values::{DeploymentEventKind, DeploymentKind, DeploymentState};

use crate::domain::configuration::{Configuration, Process};
use crate::edge::Edge;
use crate::error::Result;
use crate::runtime::{Exit, ExitCause, Status};
use crate::service::App;
use crate::service::instance::{self, Program, Seen};
use crate::store::route::{self, DeploymentRoute, EnvironmentRoute};
use crate::sys::clock;
use crate::tasks::routes::Publisher;
use crate::workflow::run;

use care::{Keeping, Outcome};

/// How often it looks when nobody rang.
const LOOK: Duration = Duration::from_secs(1);

/// Finds the programs that went on running while this process was not there, before the first table is published: their links
/// never close. Of two programs of one instance the earlier has served; nobody knows that of the other.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn adopt(app: &App) -> Result<()> {
    let (_, deployments) = route::all(&app.store).await?;
    let on_record = instance::on_record(app).await?;
    for row in deployments.iter().filter(|row| should_run(row.kind, row.state)) {
        let mut known = on_record.get(&row.id).cloned().unwrap_or_default();
        known.sort_unstable();
        let mut found = 0;
        for program in known {
            let seen = instance::see(app, program).await?;
            if let Some(address) = seen.address().filter(|_| program.number > found) {
                found = program.number;
                app.board.serves(program, address.clone());
            }
        }
    }
    Ok(())
}

/// Runs until `stop`.
pub async fn run(app: Arc<App>, publisher: Arc<Publisher>, edge: Edge, stop: CancellationToken) {
    let mut keeper = Keeper { app, publisher, edge, jobs: JoinSet::new(), cares: HashMap::new() };
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(keeper.once()).await {
            tracing::error!(?error, "what runs could not be brought in line");
        }
        tokio::select! {
            () = keeper.app.changed.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = keeper.jobs.join_next() => keeper.ended(ended).await,
            () = stop.cancelled() => return,
        }
    }
}

/// A deployment with programs.
#[derive(Clone)]
struct Ward {
    row: DeploymentRoute,
    process: Process,
}

/// What is remembered of a program from one look to the next.
#[derive(Default)]
struct Care {
    /// Something is being done for it.
    busy: bool,
    /// How often in a row it was started, or was to be, and did not stay well.
    starts: u32,
    /// When it is to be started again.
    due: Option<Instant>,
    /// Since when it answers as it should.
    well_since: Option<Instant>,
    /// When it is asked next, and how often in a row it failed to answer.
    asked_next: Option<Instant>,
    failures: u32,
    /// The end that was told of last.
    told: Option<Exit>,
}

type Job = (Program, Ward, Outcome);

/// What is remembered from one look to the next.
struct Keeper {
    app: Arc<App>,
    publisher: Arc<Publisher>,
    edge: Edge,
    /// What is being done for programs: a sick one keeps no other waiting.
    jobs: JoinSet<Job>,
    cares: HashMap<Program, Care>,
}

impl Keeper {
    async fn once(&mut self) -> Result<()> {
        let (environments, deployments) = route::all(&self.app.store).await?;
        let by_id: HashMap<EnvironmentId, &EnvironmentRoute> = environments.iter().map(|e| (e.id, e)).collect();
        let on_record = instance::on_record(&self.app).await?;
        for row in deployments.iter().filter(|row| row.kind == DeploymentKind::Process) {
            let Some(environment) = by_id.get(&row.environment_id) else { continue };
            let known = on_record.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            // What goes wrong with one program is no reason not to look after the others.
            if let Err(error) = self.keep(environment, row, known).await {
                tracing::error!(deployment = %row.id, ?error, "a program could not be looked after");
            }
        }
        let kept = |id: &DeploymentId| deployments.iter().any(|row| row.id == *id && should_run(row.kind, row.state));
        self.cares.retain(|program, care| care.busy || kept(&program.deployment));
        self.publisher.publish().await
    }

    async fn keep(&mut self, environment: &EnvironmentRoute, row: &DeploymentRoute, known: &[Program]) -> Result<()> {
        if !should_run(row.kind, row.state) {
            // An action that retires or deletes it lets its visitors go first.
            if is_over(row.state) && !row.busy && self.any_runs(known).await? {
                run::stop(&self.app, row.id, row.fence).await?;
                tracing::info!(deployment = %row.id, "stopped a program whose deployment is over");
            }
            return Ok(());
        }
        let Configuration::Process(process) = run::configuration(row.id, &row.configuration)? else { return Ok(()) };
        let ward = Ward { row: row.clone(), process };
        let current = instance::current(&self.app, row.id, ward.process.instances(), known).await?;
        for seen in current.iter().filter(|seen| seen.address().is_none()) {
            self.app.board.is_out(&seen.program);
        }
        // A restart has them in hand, one after the other.
        if row.restarting {
            return Ok(());
        }
        self.only(&current, known, row).await?;
        for seen in &current {
            self.look_after(environment, &ward, seen).await?;
        }
        Ok(())
    }

    /// Stops programs beside the ones that stand for their instances: they came up when their heirs did already.
    async fn only(&self, current: &[Seen], known: &[Program], row: &DeploymentRoute) -> Result<()> {
        let stands = |program: &Program| current.iter().any(|seen| seen.program == *program);
        self.app.board.only(row.id, stands);
        for program in known.iter().filter(|program| !row.busy && !stands(program)) {
            if instance::see(&self.app, *program).await?.address().is_some() {
                let (name, fence) = (program.name(), run::fence_of(row.fence));
                self.app.driver.stop(&name, fence, self.app.config.stop_grace).await?;
            }
        }
        Ok(())
    }

    async fn any_runs(&self, known: &[Program]) -> Result<bool> {
        for program in known {
            if matches!(instance::see(&self.app, *program).await?.status, Status::Running { .. }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn look_after(&mut self, environment: &EnvironmentRoute, ward: &Ward, seen: &Seen) -> Result<()> {
        let now = clock::instant();
        let (program, note) = (seen.program, self.app.board.note(&seen.program));
        let care = self.cares.entry(program).or_default();
        if care.busy {
            return Ok(());
        }
        if seen.address().is_none() {
            return self.has_ended(environment, ward, seen).await;
        }
        let is_well = note.address.is_some() && note.problem.is_none();
        if is_well {
            care.due = None;
            let since = *care.well_since.get_or_insert(now);
            if now.duration_since(since) >= pace::STEADY {
                care.starts = 0;
            }
        } else {
            care.well_since = None;
        }
        // One that nobody has seen to answer, and of which nothing bad is known, is on its way up.
        if note.address.is_none() && note.problem.is_none() || care.due.is_some_and(|due| due <= now) {
            self.start(environment, ward, program);
            return Ok(());
        }
        let interval = ward.process.health().probe().interval();
        if *care.asked_next.get_or_insert(now + interval) <= now {
            (care.busy, care.asked_next) = (true, Some(now + interval));
            let (ward, seen) = (ward.clone(), seen.clone());
            self.jobs.spawn(async move {
                let outcome = care::ask(&ward, &seen).await;
                (program, ward, outcome)
            });
        }
        Ok(())
    }

    /// It does not run: tells why, once, and starts it when it is time.
    async fn has_ended(&mut self, environment: &EnvironmentRoute, ward: &Ward, seen: &Seen) -> Result<()> {
        let program = seen.program;
        let care = self.cares.entry(program).or_default();
        (care.well_since, care.asked_next, care.failures) = (None, None, 0);
        if let Status::Exited { exit } = seen.status
            && !seen.is_stopping()
            && care.told != Some(exit)
        {
            care.told = Some(exit);
            let kind = match exit.cause {
                ExitCause::Memory => DeploymentEventKind::OutOfMemory,
                ExitCause::Code(_)
                | ExitCause::Signal(_)
                | ExitCause::TimeLimit
                | ExitCause::DiskLimit
                | ExitCause::Lost => DeploymentEventKind::Crashed,
            };
            let problem = format!("the program {exit}");
            if care.due.is_none() {
                self.later(program, problem.clone());
            }
            tracing::warn!(%program, problem, "a program has ended");
            self.keeping().tell(ward, program, kind, Some(problem)).await?;
        }
        let due = self.cares.get(&program).and_then(|care| care.due);
        if due.is_none_or(|due| due <= clock::instant()) {
            self.start(environment, ward, program);
        }
        Ok(())
    }

    /// Has a program started after a pause; what is wrong with it is known meanwhile.
    fn later(&mut self, program: Program, problem: String) {
        let care = self.cares.entry(program).or_default();
        let pause = pace::pause(care.starts);
        (care.starts, care.due) = (care.starts + 1, Some(clock::instant() + pause));
        self.app.board.ails(program, problem, clock::now() + pause);
    }

    fn start(&mut self, environment: &EnvironmentRoute, ward: &Ward, program: Program) {
        let care = self.cares.entry(program).or_default();
        (care.busy, care.due, care.asked_next, care.failures) = (true, None, None, 0);
        let (app, publisher, edge) = (self.app.clone(), self.publisher.clone(), self.edge.clone());
        let (environment, ward) = (environment.clone(), ward.clone());
        self.jobs.spawn(async move {
            let keeping = Keeping { app: &app, publisher: &publisher, edge: &edge };
            let outcome = keeping.start(&environment, &ward, program).await;
            (program, ward, outcome)
        });
    }

    async fn ended(&mut self, ended: std::result::Result<Job, tokio::task::JoinError>) {
        let (program, ward, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Whose job it was is not known any more.
                self.cares.values_mut().for_each(|care| care.busy = false);
                return tracing::error!(%error, "looking after a program ended badly");
            }
        };
        self.cares.entry(program).or_default().busy = false;
        let told = match outcome {
            Outcome::Asked(answer) => self.asked(&ward, program, answer).await,
            Outcome::Started(Ok(())) => Ok(()),
            Outcome::Started(Err(error)) => {
                tracing::warn!(%program, error = error.message(), "a program could not be brought back");
                self.later(program, error.message());
                Ok(())
            }
        };
        if let Err(error) = told {
            tracing::error!(%program, ?error, "what happened to a program could not be kept");
        }
    }

    async fn asked(&mut self, ward: &Ward, program: Program, answer: std::result::Result<(), String>) -> Result<()> {
        let (note, seen) = (self.app.board.note(&program), instance::see(&self.app, program).await?);
        let Some(address) = seen.address() else { return Ok(()) };
        let care = self.cares.entry(program).or_default();
        let sick = note.problem.is_some();
        match answer {
            Ok(()) => {
                (care.failures, care.due) = (0, None);
                if sick {
                    self.app.board.serves(program, address.clone());
                    self.keeping().tell(ward, program, DeploymentEventKind::Recovered, None).await?;
                }
            }
            Err(problem) => {
                care.failures += 1;
                if !sick && care.failures >= ward.process.health().probe().threshold() {
                    tracing::warn!(%program, problem, "a program is sick");
                    self.later(program, problem.clone());
                    self.keeping().tell(ward, program, DeploymentEventKind::Unhealthy, Some(problem)).await?;
                }
            }
        }
        Ok(())
    }

    fn keeping(&self) -> Keeping<'_> {
        Keeping { app: &self.app, publisher: &self.publisher, edge: &self.edge }
    }
}

fn should_run(kind: DeploymentKind, state: DeploymentState) -> bool {
    kind == DeploymentKind::Process && matches!(state, DeploymentState::Ready | DeploymentState::Active)
}

/// Whether nothing of a deployment in this state has any business running.
fn is_over(state: DeploymentState) -> bool {
    match state {
        DeploymentState::Failed
        | DeploymentState::Cancelled
        | DeploymentState::Skipped
        | DeploymentState::Retired
        | DeploymentState::Deleted => true,
        DeploymentState::Draft
        | DeploymentState::Queued
        | DeploymentState::Building
        | DeploymentState::Starting
        | DeploymentState::Ready
        | DeploymentState::Active
        | DeploymentState::Reviving => false,
    }
}
