//! Programs of customers, and the edge, outlive their server by design; a test takes its own away.

use std::io::ErrorKind;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The processes of this machine that serve deployments for a data folder.
pub(crate) fn edges(data: &Path) -> Vec<Pid> {
    let serves = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        words.next() == Some(b"edge") && words.next() == Some(data.as_os_str().as_encoded_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(serves).map(Pid::from_raw).collect()
}

/// Kills the edge of a data folder; when it returns, it is gone.
pub(crate) fn kill_edges(data: &Path) {
    for edge in edges(data) {
        let _ = kill(edge, Signal::SIGKILL);
        // What has ended has no command line any more.
        while edges(data).contains(&edge) {
            std::thread::yield_now();
        }
    }
}

/// Kills what the instances below a data folder run, and everything that was started by it; and its edge.
pub(crate) fn kill_all(data: &Path) {
    kill_edges(data);
    let Ok(folders) = std::fs::read_dir(data.join("instances")) else { return };
    for folder in folders.flatten() {
        for (record, key) in [("pid.json", "shim"), ("child.json", "init"), ("child.json", "child")] {
            let text = std::fs::read_to_string(folder.path().join(record)).unwrap_or_default();
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let (Some(pid), Some(start)) = (value[key]["pid"].as_i64(), value[key]["start_time"].as_u64()) else {
                continue;
            };
            if let Some(pid) = i32::try_from(pid).ok().filter(|pid| started(*pid) == Some(start)) {
                kill_tree(pid);
            }
        }
        remove_groups(&folder.file_name());
    }
}

/// A group is busy until its processes are gone.
fn remove_groups(instance: &std::ffi::OsStr) {
    for controller in ["", "cpu", "memory", "pids"] {
        let group = Path::new("/sys/fs/cgroup").join(controller).join("reeve").join(instance);
        let removed = || !std::fs::remove_dir(&group).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy);
        while !removed() {
            std::thread::yield_now();
        }
    }
}

/// Field 22 of `/proc/<pid>/stat`. A pid is used again, a pid with its start time is not.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The parent first, so that it starts nothing more.
fn kill_tree(pid: i32) {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    for child in children.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
        kill_tree(child);
    }
}
