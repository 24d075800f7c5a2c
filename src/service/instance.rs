//! The programs of deployments on this machine: what they are called, which of them the edge is to serve, and what is known of
//! their health. Who starts and stops them is the workflow's and the keeper's matter.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use entities::ids::DeploymentId;
use entities::values::DeploymentState;

use super::App;
use crate::authz::cap;
use crate::domain::configuration::Configuration;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::reach::Address;
use crate::runtime::{Exit, Run, Status, Usage};
use crate::store;

/// One program: the instance of a deployment with this number, in a turn of its own for each restart that somebody asked for,
/// so that the next one can run beside the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Program {
    /// Whose.
    pub deployment: DeploymentId,
    /// Which of its instances, from 1.
    pub number: u32,
    /// From 0; the restart that made it.
    pub turn: u32,
}

impl Program {
    /// What the driver calls it.
    #[must_use]
    pub fn name(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.deployment, self.number, self.turn)
    }
}

impl FromStr for Program {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut parts = text.split('-');
        let (Some(deployment), Some(number), Some(turn), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        Ok(Self {
            deployment: deployment.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
            turn: turn.parse().map_err(|_| ())?,
        })
    }
}

/// What the driver calls the build of a deployment.
#[must_use]
pub fn build(id: DeploymentId) -> String {
    format!("{id}-build")
}

/// The number of an instance among those of its deployment, from 1; none for a build.
#[must_use]
pub fn number(name: &str) -> Option<i32> {
    i32::try_from(name.parse::<Program>().ok()?.number).ok()
}

/// What is known of a program beside what its driver says.
#[derive(Clone, Debug, Default)]
pub struct Note {
    /// Where the edge sends visitors, if it does.
    pub address: Option<Address>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// When it is started again.
    pub starts_at: Option<DateTime<Utc>>,
    /// It is being started now.
    pub starting: bool,
}

/// What is known of all programs on this machine. A program that nobody has found healthy is not served.
#[derive(Debug, Default)]
pub struct Board(Mutex<HashMap<DeploymentId, BTreeMap<Program, Note>>>);

impl Board {
    /// It answers as it should: the next table serves it.
    pub fn serves(&self, program: Program, address: Address) {
        self.set(program, Note { address: Some(address), ..Note::default() });
    }

    /// It is being started again: visitors who find no other wait for it.
    pub fn starts(&self, program: Program) {
        let problem = self.note(&program).problem;
        self.set(program, Note { problem, starting: true, ..Note::default() });
    }

    /// Something is wrong with it. It stays in the table only as long as there is no other.
    pub fn ails(&self, program: Program, problem: String, starts_at: DateTime<Utc>) {
        let alone = self.serving(program.deployment).len() < 2;
        let address = self.note(&program).address.filter(|_| alone);
        self.set(program, Note { address, problem: Some(problem), starts_at: Some(starts_at), starting: false });
    }

    /// It does not run: the next table is without it.
    pub fn is_out(&self, program: &Program) {
        if let Some(note) = self.all().get_mut(&program.deployment).and_then(|notes| notes.get_mut(program)) {
            note.address = None;
        }
    }

    /// Nothing is known of it any more.
    pub fn forget(&self, program: &Program) {
        if let Some(notes) = self.all().get_mut(&program.deployment) {
            notes.remove(program);
        }
    }

    /// The same of all programs of a deployment.
    pub fn forget_all(&self, id: DeploymentId) {
        self.all().remove(&id);
    }

    /// The same of all programs of a deployment for which `stands` does not hold.
    pub fn only(&self, id: DeploymentId, stands: impl Fn(&Program) -> bool) {
        if let Some(notes) = self.all().get_mut(&id) {
            notes.retain(|program, _| stands(program));
        }
    }

    /// The same of all programs of deployments that `is_there` does not know.
    pub fn retain(&self, is_there: impl Fn(&DeploymentId) -> bool) {
        self.all().retain(|id, _| is_there(id));
    }

    /// Where a deployment is served.
    pub fn serving(&self, id: DeploymentId) -> Vec<Address> {
        let all = self.all();
        all.get(&id).into_iter().flat_map(|notes| notes.values()).filter_map(|note| note.address.clone()).collect()
    }

    /// Whether one of its programs is being started again.
    pub fn is_starting(&self, id: DeploymentId) -> bool {
        self.all().get(&id).is_some_and(|notes| notes.values().any(|note| note.starting))
    }

    /// What is known of a program.
    pub fn note(&self, program: &Program) -> Note {
        self.all().get(&program.deployment).and_then(|notes| notes.get(program)).cloned().unwrap_or_default()
    }

    fn set(&self, program: Program, note: Note) {
        self.all().entry(program.deployment).or_default().insert(program, note);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<DeploymentId, BTreeMap<Program, Note>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program as its driver sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which.
    pub program: Program,
    /// What it does.
    pub status: Status,
    /// How that came about, if it was ever started.
    pub run: Option<Run>,
}

impl Seen {
    /// Where it runs, unless it was asked to end.
    pub fn address(&self) -> Option<&Address> {
        match &self.status {
            Status::Running { address, .. } if !self.is_stopping() => Some(address),
            Status::Running { .. } | Status::Exited { .. } | Status::Absent => None,
        }
    }

    /// Whether it was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.run.is_some_and(|run| run.stopping)
    }
}

/// Looks at one program.
///
/// # Errors
/// `Internal` when the runtime cannot tell.
pub async fn see(app: &App, program: Program) -> Result<Seen> {
    let name = program.name();
    Ok(Seen { program, status: app.driver.status(&name).await?, run: app.driver.run(&name).await? })
}

/// Every program that leaves a trace on this machine, by deployment.
///
/// # Errors
/// `Internal` when the runtime cannot tell.
pub async fn on_record(app: &App) -> Result<HashMap<DeploymentId, Vec<Program>>> {
    let mut found: HashMap<DeploymentId, Vec<Program>> = HashMap::new();
    for program in app.driver.list().await?.iter().filter_map(|name| name.parse::<Program>().ok()) {
        found.entry(program.deployment).or_default().push(program);
    }
    Ok(found)
}

/// Those of one deployment.
///
/// # Errors
/// `Internal` when the runtime cannot tell.
pub async fn of(app: &App, id: DeploymentId) -> Result<Vec<Program>> {
    Ok(on_record(app).await?.remove(&id).unwrap_or_default())
}

/// For each number up to `instances` the program that stands for it: one that runs before one that does not, and the later of
/// several. One that was never started is there as well. `known` are those on record.
///
/// # Errors
/// `Internal` when the runtime cannot tell.
pub async fn current(app: &App, id: DeploymentId, instances: u32, known: &[Program]) -> Result<Vec<Seen>> {
    let mut all = Vec::new();
    for number in 1..=instances {
        let mut best = see(app, Program { deployment: id, number, turn: 0 }).await?;
        for program in known.iter().filter(|program| program.number == number && program.turn > 0) {
            let seen = see(app, *program).await?;
            if rank(&seen) > rank(&best) {
                best = seen;
            }
        }
        all.push(best);
    }
    Ok(all)
}

/// Which of two programs stands for an instance.
fn rank(seen: &Seen) -> (bool, bool, bool, u32) {
    (seen.address().is_some(), seen.run.is_some(), !seen.is_stopping(), seen.program.turn)
}

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It was started and has not answered as it should yet.
    Starting,
    /// It runs and is served.
    Running,
    /// It runs, and something is wrong with it.
    Unhealthy,
    /// It ended by itself and is started again after a while.
    Waiting,
    /// It was asked to end.
    Stopping,
    /// It does not run.
    Stopped,
}

/// An instance of a deployment on this machine.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Which, from 1.
    pub number: u32,
    /// What it does.
    pub state: InstanceState,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// When its program was started.
    pub started_at: Option<DateTime<Utc>>,
    /// How often that was started again as it had ended by itself or was sick.
    pub restarts: u32,
    /// When it is started again.
    pub starts_at: Option<DateTime<Utc>>,
    /// How it ended, or the run before it.
    pub last_exit: Option<Exit>,
    /// What it uses, if it runs.
    pub usage: Option<Usage>,
}

/// The instances of a deployment; none if it is files.
///
/// # Errors
/// `Forbidden`, `NotFound` by `log.view`.
pub async fn list(app: &App, op: &Op, id: DeploymentId) -> Result<Vec<Instance>> {
    let permit = op.permit::<cap::LogView>(id).await?;
    let row = store::deployment::get(op.store(), &permit, id).await?;
    let configuration = serde_json::from_value(row.configuration)
        .map_err(|error| Error::Internal(format!("configuration of {id}: {error}")))?;
    let Configuration::Process(process) = configuration else { return Ok(Vec::new()) };
    let known = of(app, id).await?;
    let mut all = Vec::new();
    for seen in current(app, id, process.instances(), &known).await? {
        let usage = app.driver.usage(&seen.program.name()).await?;
        all.push(instance(&seen, app.board.note(&seen.program), row.state, usage));
    }
    Ok(all)
}

fn instance(seen: &Seen, note: Note, of: DeploymentState, usage: Option<Usage>) -> Instance {
    let state = match &seen.status {
        Status::Running { .. } if seen.is_stopping() => InstanceState::Stopping,
        Status::Running { .. } if note.problem.is_some() && !note.starting => InstanceState::Unhealthy,
        Status::Running { .. } if note.address.is_some() => InstanceState::Running,
        Status::Running { .. } => InstanceState::Starting,
        Status::Exited { .. } | Status::Absent => match of {
            DeploymentState::Ready | DeploymentState::Active if note.starts_at.is_some() => InstanceState::Waiting,
            DeploymentState::Ready
            | DeploymentState::Active
            | DeploymentState::Starting
            | DeploymentState::Reviving => InstanceState::Starting,
            DeploymentState::Draft
            | DeploymentState::Queued
            | DeploymentState::Building
            | DeploymentState::Failed
            | DeploymentState::Cancelled
            | DeploymentState::Skipped
            | DeploymentState::Retired
            | DeploymentState::Deleted => InstanceState::Stopped,
        },
    };
    let before = seen.run.and_then(|run| run.history.last_exit);
    Instance {
        number: seen.program.number,
        state,
        problem: note.problem,
        started_at: seen.run.and_then(|run| DateTime::from_timestamp_millis(run.since_ms)),
        restarts: seen.run.map_or(0, |run| run.history.restarts),
        starts_at: note.starts_at,
        last_exit: match seen.status {
            Status::Exited { exit } => Some(exit),
            Status::Running { .. } | Status::Absent => before,
        },
        usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_name_and_nothing_else_is_one() {
        let program = Program { deployment: crate::sys::ids::new(), number: 3, turn: 12 };
        assert_eq!(program.name().parse(), Ok(program));
        for other in ["", "dep_1", "d1-1-1", &format!("{program}-1"), &program.deployment.to_string()] {
            assert_eq!(other.parse::<Program>(), Err(()), "{other}");
        }
    }

    #[test]
    fn a_sick_one_stays_in_the_table_only_while_there_is_no_other() {
        let (board, deployment) = (Board::default(), crate::sys::ids::new());
        let at = |port: u16| Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        let one = Program { deployment, number: 1, turn: 0 };
        let two = Program { number: 2, ..one };
        let now = crate::sys::clock::now();
        board.serves(one, at(1));
        board.ails(one, "sick".to_owned(), now);
        assert_eq!(board.serving(deployment), [at(1)], "the only one");
        board.serves(one, at(1));
        board.serves(two, at(2));
        board.ails(one, "sick".to_owned(), now);
        assert_eq!(board.serving(deployment), [at(2)]);
        board.ails(two, "sick".to_owned(), now);
        assert_eq!(board.serving(deployment), [at(2)], "the last one that is left");
        board.is_out(&two);
        assert_eq!(board.serving(deployment), []);
        assert_eq!(board.note(&two).problem.as_deref(), Some("sick"));
        board.starts(two);
        assert!(board.is_starting(deployment));
        board.forget_all(deployment);
        assert!(!board.is_starting(deployment));
    }
}
