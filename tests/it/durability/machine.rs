//! What really runs on this machine for one data folder, as `/proc` and the records say. It must not ask the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::kill_edges;

/// A program, the shim above it, and the first process behind its walls in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) shim: i32,
    pub(crate) child: i32,
    pub(crate) init: Option<i32>,
}

impl Running {
    /// All of them.
    pub(crate) fn pids(self) -> impl Iterator<Item = i32> {
        [self.shim, self.child].into_iter().chain(self.init)
    }
}

/// The programs that are on record and live, by deployment; of several instances only one.
pub(super) fn on_record(data: &Path) -> BTreeMap<String, Running> {
    let of = |(name, running): (String, Running)| (name.split('-').next().unwrap().to_owned(), running);
    programs(data).into_iter().map(of).collect()
}

/// The same, by their own names.
pub(crate) fn programs(data: &Path) -> BTreeMap<String, Running> {
    names(&data.join("instances")).into_iter().filter_map(|name| Some((name.clone(), recorded(data, &name)?))).collect()
}

fn recorded(data: &Path, id: &str) -> Option<Running> {
    let living = |record: &str, key: &str| {
        let text = std::fs::read_to_string(data.join("instances").join(id).join(record)).ok()?;
        let identity = serde_json::from_str::<Value>(&text).ok()?[key].clone();
        let pid = i32::try_from(identity["pid"].as_i64()?).ok()?;
        (started(pid)? == identity["start_time"].as_u64()?).then_some(pid)
    };
    let (shim, child) = (living("pid.json", "shim")?, living("child.json", "child")?);
    Some(Running { shim, child, init: living("child.json", "init") })
}

/// Field 22 of `/proc/<pid>/stat` of a process that has not ended.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Every process that works in the data folder: shims and programs, whoever knows of them or not. Behind walls a release of
/// this folder is mounted.
pub(crate) fn processes(data: &Path) -> BTreeSet<i32> {
    let data = data.canonicalize().unwrap();
    let releases = format!("{}/releases/", data.file_name().unwrap().display());
    let works_there = |pid: &i32| {
        let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let mounts = || std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        (folder.starts_with(&data) || mounts().contains(&releases)) && started(*pid).is_some()
    };
    pids().filter(works_there).collect()
}

/// The server over a data folder.
pub(super) fn server(data: &Path) -> Pid {
    let serves = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        words.next() == Some(b"serve") && words.any(|word| word == data.as_os_str().as_encoded_bytes())
    };
    let found: Vec<i32> = pids().filter(serves).collect();
    let [pid] = found.as_slice() else { panic!("not exactly one server over {}: {found:?}", data.display()) };
    Pid::from_raw(*pid)
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Kills everything that works in the data folder, and what serves it, as a power cut would.
pub(crate) fn cut_power(data: &Path) {
    kill_edges(data);
    // What is killed is gone a moment later; after a power cut it is gone.
    loop {
        let left = processes(data);
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::yield_now();
    }
}

/// The folders of releases, finished or not.
pub(super) fn releases(data: &Path) -> BTreeSet<String> {
    names(&data.join("releases"))
}

/// Where a program of this deployment works.
pub(super) fn release(data: &Path, id: &str) -> PathBuf {
    data.join("releases").join(id)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
