//! Reeve's edge beside nginx, in one run: as a reverse proxy and for static files, at 16 and 64 connections.
//!
//! `cargo run --release -p edge-bench` needs Debian's `nginx-light`, `wrk` and `taskset`. The server under test has one
//! worker and the first core, the load and the program behind it have the second; without a second core they share one.
//! Nobody compresses, nobody logs. Each figure is the median of interleaved rounds, and a round with a failed request is
//! an error. The command starts itself again for the edge and for the program behind it: `edge` and `upstream` are its
//! roles.
//!
//! This part must not know how either server is set up.

mod contest;
mod nginx;
mod role;
mod table;

use std::io::{Error, Write, stdout};
use std::process::ExitCode;

use contest::{CONNECTIONS, Contestant, ROUNDS, Score};

/// What goes wrong ends the run.
type Result<T> = std::result::Result<T, Error>;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    ProxySmall,
    ProxyLarge,
    StaticSmall,
    StaticLarge,
}

impl Scenario {
    const ALL: [Self; 4] = [Self::ProxySmall, Self::ProxyLarge, Self::StaticSmall, Self::StaticLarge];

    fn name(self) -> &'static str {
        match self {
            Self::ProxySmall => "proxy, 100 bytes",
            Self::ProxyLarge => "proxy, 100 KB",
            Self::StaticSmall => "file, 1 KB",
            Self::StaticLarge => "file, 100 KB",
        }
    }

    fn host(self) -> &'static str {
        match self {
            Self::ProxySmall | Self::ProxyLarge => role::PROXY,
            Self::StaticSmall | Self::StaticLarge => role::FILES,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::ProxySmall | Self::StaticSmall => "/small.bin",
            Self::ProxyLarge | Self::StaticLarge => "/large.bin",
        }
    }
}

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("edge") => role::edge(arguments.next().as_deref(), arguments.next().as_deref()),
        Some("upstream") => role::upstream(),
        None => measure(),
        Some(other) => Err(Error::other(format!("`{other}` is no role of this command; call it without one"))),
    }
}

fn measure() -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    role::write_files(folder.path())?;
    let upstream = contest::start_self(&["upstream"], contest::LOAD_CORE)?;
    let reeve = contest::start_self(&["edge", &upstream.address, &folder.path().to_string_lossy()], contest::CORE)?;
    let nginx = nginx::start(folder.path(), &upstream.address)?;
    let contestants = [Contestant::new("reeve", &reeve.address), Contestant::new("nginx", &nginx.address)];
    let mut scores = Vec::new();
    for scenario in Scenario::ALL {
        for connections in CONNECTIONS {
            let mut rounds = contestants.each_ref().map(|_| Vec::new());
            for _ in 0..ROUNDS {
                for (contestant, rounds) in contestants.iter().zip(&mut rounds) {
                    rounds.push(contestant.run(scenario, connections)?);
                }
            }
            let [reeve, nginx] = rounds.map(contest::median);
            scores.push(Score { scenario, connections, reeve, nginx });
        }
    }
    let mut out = stdout().lock();
    writeln!(out, "{}", table::table(&scores))?;
    let holds = scores.iter().all(|score| score.ratio() >= table::GOAL);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
