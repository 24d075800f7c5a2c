//! What runs deployments: the trait that a driver implements, and the driver for this machine. It must not know stores,
//! actors or routes; whoever calls it has decided already.

pub mod artifacts;
mod build;
mod cache;
mod cgroups;
mod collect;
pub mod git;
mod halt;
pub mod health;
mod instance;
mod log;
mod machine;
mod ports;
pub mod process;
mod procfs;
pub mod release;
pub mod shim;
mod storage;
mod tree;
mod usage;
mod walled;
mod work;

pub use build::{BuildSpec, BuiltFile};
pub use log::LogLimits;
pub use machine::Machine;
pub use tree::remove as remove_folder;

use std::{fmt, future::Future, path::PathBuf, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{domain::tier::Tier, reach::Address};

/// What a driver answers with; boxed, so that `Arc<dyn Driver>` works.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, RuntimeError>> + Send + 'a>>;

/// Runs instances of deployments. Every call is idempotent and may be repeated after a crash. Calls that change
/// something carry the fence of the action: a lower one than the highest seen is refused, as it comes from a worker that
/// has lost its lease.
pub trait Driver: Send + Sync {
    /// What isolates programs from each other and from the server, and what is missing.
    fn enforcement(&self) -> Enforcement;

    /// Starts an instance, also one that has exited; adopts it if it runs already. Returns when the program has been started, not when it is
    /// healthy. A program that cannot be executed is no error here: it has exited with code 127 and a line in its log.
    fn start(&self, spec: StartSpec) -> Answer<'_, Endpoint>;

    /// Notes that the instance has answered as it should: what it was given to start faster is taken away.
    fn is_healthy<'a>(&'a self, instance: &'a str) -> Answer<'a, ()>;

    /// Asks the program to end, waits for `grace`, then kills everything that it has started.
    fn stop<'a>(&'a self, instance: &'a str, fence: u64, grace: Duration) -> Answer<'a, ()>;

    /// What the instance does now.
    fn status<'a>(&'a self, instance: &'a str) -> Answer<'a, Status>;

    /// How the run came about that is on record, be it over or not; None if there is none.
    fn run<'a>(&'a self, instance: &'a str) -> Answer<'a, Option<Run>>;

    /// What the instance has used and uses now; None if it does not run.
    fn usage<'a>(&'a self, instance: &'a str) -> Answer<'a, Option<Usage>>;

    /// All instances that leave a trace on this driver, running or not.
    fn list(&self) -> Answer<'_, Vec<String>>;

    /// Kills what still runs and forgets the instance with its log and its fence.
    fn remove<'a>(&'a self, instance: &'a str, fence: u64) -> Answer<'a, ()>;

    /// Lines that the instance wrote, at most `most`, the oldest first, and from where to look next.
    fn log<'a>(&'a self, instance: &'a str, from: LogFrom, most: usize) -> Answer<'a, LogPage>;

    /// Takes away what is too old of the logs of instances that do not run; those that run do it themselves.
    fn tidy_logs(&self) -> Answer<'_, ()>;

    /// Starts a build, which is an instance that ends by itself; adopts it if it runs already. One that has ended is
    /// begun anew. Returns when the command has been started.
    fn build(&self, spec: BuildSpec) -> Answer<'_, ()>;

    /// The files that a build which has exited with code 0 has left. They are there until it is stopped, removed or begun anew.
    /// `Invalid` when there is something among them that no deployment can have.
    fn built<'a>(&'a self, instance: &'a str) -> Answer<'a, Vec<BuiltFile>>;
}

/// How well a driver isolates programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// Nothing is missing.
    pub full: bool,
    /// What is missing, each in a few words for the log and the API.
    pub missing: Vec<&'static str>,
}

/// What to run.
#[derive(Clone)]
pub struct StartSpec {
    /// What to call it; no other program on this machine is called so.
    pub instance: String,
    /// Which of its deployment's instances it is, from 1; the program learns it from `REEVE_INSTANCE`.
    pub number: u32,
    /// What came before this run.
    pub history: History,
    /// The release folder; the program's working directory.
    pub folder: PathBuf,
    /// The program and its arguments. No shell reads it.
    pub command: Vec<String>,
    /// Variables of the environment; they win over those that the driver sets, but for `PORT`.
    pub environment: Vec<(String, String)>,
    /// The text of the project's id; its instances share a storage.
    pub project: String,
    /// The project's user of this machine.
    pub user: u32,
    /// How much of the machine it may use.
    pub tier: Tier,
    /// The fence of the action.
    pub fence: u64,
}

/// Refuses what cannot be run.
fn valid(command: &[String], environment: &[(String, String)]) -> Result<(), RuntimeError> {
    if command.first().is_none_or(|program| program.is_empty()) {
        return Err(RuntimeError::Invalid("the command is empty: say which program to run".to_owned()));
    }
    if command.iter().any(|part| part.contains('\0')) {
        return Err(RuntimeError::Invalid("the command contains a NUL character: remove it".to_owned()));
    }
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(RuntimeError::Invalid(format!(
                "the variable `{}` cannot be set: its name must not be empty or contain `=`, and neither name nor value \
                 may contain a NUL character",
                name.replace('\0', "\u{fffd}")
            )));
        }
    }
    Ok(())
}

/// What came before a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How often it was started again as it had ended by itself or was sick.
    pub restarts: u32,
    /// How the run before ended.
    pub last_exit: Option<Exit>,
}

/// How a run came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which of its deployment's instances it is.
    pub number: u32,
    /// When it was started, in milliseconds since 1970.
    pub since_ms: i64,
    /// What came before it.
    pub history: History,
    /// It was asked to end.
    pub stopping: bool,
}

/// What a program has used of processors since it was started, and uses of memory now, with all that it has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Microseconds of one processor.
    pub cpu_micros: u64,
    /// Bytes, without what the machine keeps of files only as long as nobody needs the room.
    pub memory_bytes: u64,
}

impl fmt::Debug for StartSpec {
    /// Leaves the values of variables out: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartSpec")
            .field("instance", &self.instance)
            .field("command", &self.command)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

/// Where an instance answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Reachable from the edge.
    pub address: Address,
}

/// What an instance does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The program runs; whether it is healthy is another question.
    Running {
        /// Where it should answer.
        address: Address,
        /// The process id of the program.
        pid: i32,
    },
    /// The program has ended.
    Exited {
        /// How and when.
        exit: Exit,
    },
    /// Never started, or removed.
    Absent,
}

/// How a program ended. Its `Display` completes a sentence that begins with "the program".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Why.
    pub cause: ExitCause,
    /// Milliseconds since 1970; 0 if nobody saw it.
    pub at_ms: i64,
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Killed, as it took longer than it may.
    TimeLimit,
    /// Killed, as it wrote more than it may.
    DiskLimit,
    /// It wanted more memory than it may have.
    Memory,
    /// Its guardian ended without a record, as after a power cut.
    Lost,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            ExitCause::Code(code) => write!(f, "exited with code {code}"),
            ExitCause::Signal(signal) => write!(f, "was ended by signal {signal}"),
            ExitCause::TimeLimit => f.write_str("took too long and was ended"),
            ExitCause::DiskLimit => f.write_str("wrote too much and was ended"),
            ExitCause::Memory => f.write_str("was ended, as it wanted more memory than it may have"),
            ExitCause::Lost => f.write_str("ended with the machine or its guardian"),
        }
    }
}

/// One line of a program's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number in the log, from 1.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Where it was written.
    pub stream: LogStream,
    /// Without the line break; invalid UTF-8 is replaced, long lines are cut.
    pub text: String,
}

/// From where to read a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFrom {
    /// The last so many lines that are there.
    Last(usize),
    /// What was written after an earlier look.
    Mark(LogMark),
    /// The last lines before the one with this number.
    Before(u64),
    /// What was written from this moment on, in milliseconds since 1970.
    Since(i64),
}

/// How far a log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogMark {
    /// The number of the last line that was read or missed.
    pub seq: u64,
    /// Where that is: the file, by its first line, and how far in it. Only so that nobody has to search.
    place: Option<(u64, u64)>,
}

impl LogMark {
    /// After the line with this number.
    #[must_use]
    pub fn after(seq: u64) -> Self {
        Self { seq, place: None }
    }
}

/// Lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// How many lines before these are not there any more that whoever asked has not seen.
    pub missed: u64,
    /// The lines, the oldest first.
    pub lines: Vec<LogLine>,
    /// From where to look next.
    pub mark: LogMark,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// By the runtime, about the program.
    System,
}

/// Whether the same may succeed once somebody has made room on the machine's disks.
pub fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// Why a driver did not do it. No `Display`: the caller decides what a user reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// Another worker has taken over the action.
    StaleFence {
        /// The highest fence seen.
        recorded: u64,
    },
    /// The request cannot be carried out as it is; the text is for the user.
    Invalid(String),
    /// The machine has no room now; the text is for the user.
    Unavailable(String),
    /// The machine failed; the text is for the log only.
    Internal(String),
}

impl RuntimeError {
    /// For `map_err`: what was being done, and how it failed.
    fn internal(doing: &str) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| {
            let text = format!("{doing}: {error}");
            if is_passing(&error) { RuntimeError::Unavailable(text) } else { RuntimeError::Internal(text) }
        }
    }
}
