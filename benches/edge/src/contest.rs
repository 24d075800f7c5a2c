//! Starts the servers, puts load on them, and reads what came of it. It must not know what is asked for.

use std::io::{BufRead as _, BufReader, Error};
use std::process::{Child, Command, Stdio};

use crate::{Result, Scenario};

/// Of the server under test, and of the load and the program behind the server.
pub(crate) const CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;
/// At once.
pub(crate) const CONNECTIONS: [u32; 2] = [16, 64];
/// Of each contestant; the median counts.
pub(crate) const ROUNDS: usize = 3;
/// Seconds of one round, and of the one before that nobody counts.
const SECONDS: u32 = 4;

/// A server that was started; it goes with this value.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn new(child: Child, address: String) -> Self {
        Self { child, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has one core, if the machine has that many.
pub(crate) fn pinned(program: &str, core: usize) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut command = Command::new("taskset");
    command.args(["-c", &(core % cores).to_string(), program]);
    command
}

/// Starts this program in a role; it says on its first line where it listens.
pub(crate) fn start_self(arguments: &[&str], core: usize) -> Result<Running> {
    let program = std::env::current_exe()?;
    let mut child = pinned(&program.to_string_lossy(), core).args(arguments).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().ok_or_else(|| Error::other("no output"))?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(Running::new(child, line.trim().to_owned()))
}

/// Who takes part.
pub(crate) struct Contestant {
    name: &'static str,
    address: String,
}

/// What one round gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Answers in a second.
    pub(crate) rate: f64,
    /// Milliseconds that 99 of 100 answers took at most.
    pub(crate) p99: f64,
}

/// What both gave.
pub(crate) struct Score {
    pub(crate) scenario: Scenario,
    pub(crate) connections: u32,
    pub(crate) reeve: Round,
    pub(crate) nginx: Round,
}

impl Score {
    /// Reeve's answers for each of nginx's.
    pub(crate) fn ratio(&self) -> f64 {
        self.reeve.rate / self.nginx.rate
    }
}

impl Contestant {
    pub(crate) fn new(name: &'static str, address: &str) -> Self {
        Self { name, address: address.to_owned() }
    }

    /// One round, after a second that nobody counts.
    pub(crate) fn run(&self, scenario: Scenario, connections: u32) -> Result<Round> {
        self.load(scenario, connections, 1)?;
        self.load(scenario, connections, SECONDS)
    }

    fn load(&self, scenario: Scenario, connections: u32, seconds: u32) -> Result<Round> {
        let output = pinned("wrk", LOAD_CORE)
            .args(["--latency", "-t1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")])
            .args(["-H", &format!("Host: {}", scenario.host())])
            .arg(format!("http://{}{}", self.address, scenario.path()))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = ["Non-2xx", "Socket errors"].iter().any(|word| said.contains(word));
        match (number(&said, "Requests/sec:"), milliseconds(&said)) {
            (Some(rate), Some(p99)) if !failed && output.status.success() => Ok(Round { rate, p99 }),
            _ => Err(Error::other(format!("{} under {}: {said}", self.name, scenario.name()))),
        }
    }
}

fn number(said: &str, label: &str) -> Option<f64> {
    said.lines().find_map(|line| line.trim().strip_prefix(label)?.trim().parse().ok())
}

/// The line `99%   12.34ms`, in whatever unit.
fn milliseconds(said: &str) -> Option<f64> {
    let text = said.lines().find_map(|line| line.trim().strip_prefix("99%"))?.trim();
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// The middle one of the rates, and of the times.
pub(crate) fn median(mut rounds: Vec<Round>) -> Round {
    let middle = rounds.len() / 2;
    rounds.sort_by(|one, other| one.p99.total_cmp(&other.p99));
    let p99 = rounds[middle].p99;
    rounds.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    Round { rate: rounds[middle].rate, p99 }
}
