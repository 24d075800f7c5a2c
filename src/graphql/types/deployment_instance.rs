//! The programs of a deployment: what each does, how it ended, what it uses.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use crate::runtime::{Exit, ExitCause};
use crate::service::instance::{Instance, InstanceState};

/// What an instance does.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "InstanceState")]
pub(in crate::graphql) enum DeploymentInstanceState {
    /// It was started and has not answered as it should yet.
    Starting,
    /// It runs and serves.
    Running,
    /// It runs, and something is wrong with it. It serves only as long as no other does.
    Unhealthy,
    /// It ended by itself and is started again after a while.
    Waiting,
    /// It was asked to end.
    Stopping,
    /// It does not run.
    Stopped,
}

/// How a program ended.
#[derive(SimpleObject)]
pub(in crate::graphql) struct InstanceExit {
    /// When; nothing if nobody saw it, as in a power cut.
    at: Option<DateTime<Utc>>,
    /// The code with which it ended by itself.
    code: Option<i32>,
    /// The number of the signal that ended it.
    signal: Option<i32>,
    /// Whether it wanted more memory than it may have.
    out_of_memory: bool,
    /// The same in words.
    reason: String,
}

impl From<Exit> for InstanceExit {
    fn from(exit: Exit) -> Self {
        let (code, signal, out_of_memory) = match exit.cause {
            ExitCause::Code(code) => (Some(code), None, false),
            ExitCause::Signal(signal) => (None, Some(signal), false),
            ExitCause::Memory => (None, None, true),
            ExitCause::TimeLimit | ExitCause::DiskLimit | ExitCause::Lost => (None, None, false),
        };
        let at = Some(exit.at_ms).filter(|at| *at > 0).and_then(DateTime::from_timestamp_millis);
        Self { at, code, signal, out_of_memory, reason: format!("the program {exit}") }
    }
}

/// One of the programs that a deployment runs side by side.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeploymentInstance {
    /// Which, from 1.
    number: u32,
    /// What it does.
    state: DeploymentInstanceState,
    /// Whether it runs and answers its health checks.
    healthy: bool,
    /// What is wrong with it.
    problem: Option<String>,
    /// When its program was started.
    started_at: Option<DateTime<Utc>>,
    /// How often it was started again as it had ended by itself or was sick. A restart that somebody asks for begins anew.
    restarts: u32,
    /// When it is to be started again.
    restarts_at: Option<DateTime<Utc>>,
    /// How it ended; if it runs, how the run before ended.
    last_exit: Option<InstanceExit>,
    /// Seconds of one processor that it has used since it was started, if it runs.
    cpu_seconds: Option<f64>,
    /// Bytes of memory that it uses, if it runs.
    memory_bytes: Option<i64>,
}

impl From<Instance> for DeploymentInstance {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a century are exact")]
    fn from(instance: Instance) -> Self {
        Self {
            number: instance.number,
            state: instance.state.into(),
            healthy: instance.state == InstanceState::Running,
            problem: instance.problem,
            started_at: instance.started_at,
            restarts: instance.restarts,
            restarts_at: instance.starts_at,
            last_exit: instance.last_exit.map(Into::into),
            cpu_seconds: instance.usage.map(|usage| usage.cpu_micros as f64 / 1e6),
            memory_bytes: instance.usage.map(|usage| i64::try_from(usage.memory_bytes).unwrap_or(i64::MAX)),
        }
    }
}
