//! What `/proc` says about processes: which one a pid means, what it has started, who listens on a port. It must not
//! know instances.

use std::{collections::HashSet, fs};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// A process for certain: pids are used again, and after a reboot start times are as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: i32,
    pub(super) start_time: u64,
    boot: String,
}

impl Identity {
    /// The process that has this pid now, if it lives.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::read(pid).filter(|(state, _)| *state == State::Alive).map(|(_, identity)| identity)
    }

    /// The same for a child of this process, which may have ended but keeps its pid until it is waited for.
    pub(super) fn of_child(pid: i32) -> Option<Self> {
        Self::read(pid).map(|(_, identity)| identity)
    }

    fn read(pid: i32) -> Option<(State, Self)> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let (state, start_time) = stat(pid)?;
        Some((state, Self { pid, start_time, boot: boot.trim().to_owned() }))
    }

    /// Whether exactly this process is there, be it that it has ended and nobody has asked how.
    pub(super) fn exists(&self) -> bool {
        Self::of_child(self.pid).as_ref() == Some(self)
    }

    /// Whether exactly this process still lives.
    pub(super) fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal to exactly this process, otherwise nothing.
    pub(super) fn signal(&self, signal: Signal) {
        if self.lives() {
            // It may end between the two lines; then there is nothing left to signal.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Sends a signal to the group that this process leads.
    pub(super) fn signal_group(&self, signal: Signal) {
        if self.lives() {
            let _ = killpg(Pid::from_raw(self.pid), signal);
        }
    }
}

#[derive(PartialEq, Eq)]
enum State {
    Alive,
    /// A zombie: it runs nothing, its parent has not asked yet how it ended.
    Ended,
}

/// What a process has used of processors itself and through children that it has waited for, in ticks, and what it has in
/// memory, in pages: fields 14 to 17 and 24 of `/proc/<pid>/stat`.
pub(super) fn used(pid: i32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // The first of these is field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok().map(|it| u64::try_from(it).unwrap_or(0));
    Some((field(14)? + field(15)? + field(16)? + field(17)?, field(24)?))
}

/// The state and field 22 of `/proc/<pid>/stat`, the start in ticks since boot. The second field is the program's name
/// and may contain spaces and parentheses, so the fields are counted from its end.
fn stat(pid: i32) -> Option<(State, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = if matches!(fields.next()?, "Z" | "X") { State::Ended } else { State::Alive };
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// All descendants of a process, as far as they hold still; a caller that kills them asks again until there are none.
pub(super) fn descendants(pid: i32) -> Vec<Identity> {
    let mut seen = HashSet::from([pid]);
    let mut open = vec![pid];
    let mut found = Vec::new();
    while let Some(parent) = open.pop() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
                if seen.insert(child) {
                    open.push(child);
                    found.extend(Identity::of(child));
                }
            }
        }
    }
    found
}

/// Whether something on this machine listens on a TCP port. Reads tables rather than connect: a first connection means
/// something to some programs.
pub(super) fn listens(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let table = fs::read_to_string(table).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some(LISTEN)
        })
    })
}
