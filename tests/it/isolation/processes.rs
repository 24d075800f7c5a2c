//! Processes and privileges: a program sees its own, is nobody, and stays that.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::world::World;
use crate::harness::eventually;

/// Processes behind the walls of a deployment.
fn inside(data: &Path, deployment: &str) -> Vec<i32> {
    let release = format!("{}/releases/{deployment} ", data.file_name().unwrap().display());
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mounts = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    pids.filter(|pid| mounts(pid).contains(&release)).collect()
}

#[tokio::test]
async fn only_its_own_processes_are_seen() {
    let Some(world) = World::new().await else { return };
    let attempt = r#"
import json, os
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
lines = [open(f"/proc/{pid}/cmdline").read().replace("\0", " ") for pid in pids]
print(json.dumps([1 in pids, all("python" in line for line in lines), len(pids) <= 4]))
"#;
    assert_eq!(world.ask(attempt).await, json!([false, true, true]));
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn a_fork_bomb_goes_off_in_its_own_yard() {
    let Some(world) = World::new().await else { return };
    let bomb = r#"
import os, signal
made = 0
while True:
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        os.closerange(0, 3)
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            try:
                os.fork()
            except OSError:
                signal.pause()
    made += 1
print(made)
"#;
    let attempt = world.attempt(bomb).await;
    let made: usize = attempt.out.trim().parse().unwrap_or_else(|_| panic!("{attempt:?}"));
    assert!(made < 256, "{made}");
    let alive = inside(world.data.path(), &world.mallory.deployment.id);
    assert!((2..=257).contains(&alive.len()), "{} processes", alive.len());
    // With its shim everything goes, whatever it ignores.
    let record =
        world.data.path().join("instances").join(format!("{}-1-0", world.mallory.deployment.id)).join("pid.json");
    let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
    kill(Pid::from_raw(i32::try_from(record["shim"]["pid"].as_i64().unwrap()).unwrap()), Signal::SIGKILL).unwrap();
    eventually("the bomb is gone", async || {
        let now = inside(world.data.path(), &world.mallory.deployment.id);
        alive.iter().all(|pid| !now.contains(pid)).then_some(())
    })
    .await;
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn a_program_that_kills_all_it_can_kills_itself() {
    let Some(world) = World::new().await else { return };
    let killed = super::world::run(&world.server, &world.mallory, "import os; os.kill(-1, 9)").await;
    assert!(killed.is_err(), "{killed:?}");
    // The server brings it back.
    eventually("Mallory's program runs again", async || {
        super::world::run(&world.server, &world.mallory, "print(1)").await.ok()
    })
    .await;
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn it_is_nobody_and_cannot_become_anybody() {
    let Some(world) = World::new().await else { return };
    let attempt = r#"
import json, os
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
became = []
for name, work in [("setuid", lambda: os.setuid(0)), ("setgid", lambda: os.setgid(0)), ("groups", lambda: os.setgroups([0])),
                   ("setresuid", lambda: os.setresuid(0, 0, 0)), ("chown", lambda: os.chown("/tmp", 0, 0)),
                   ("mknod", lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(8, 0))), ("nice", lambda: os.nice(-5))]:
    try:
        work()
        became.append(name)
    except OSError:
        pass
# The bit is worth nothing on any file system here.
os.system("cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id")
print(json.dumps([became, status["CapEff"], status["CapPrm"], status["CapBnd"], status["NoNewPrivs"], status["Seccomp"],
                  os.getgroups() in ([], [os.getgid()]), os.getuid()]))
"#;
    let found = world.ask(attempt).await;
    let none = "0000000000000000";
    let user = found[7].as_u64().unwrap();
    assert_eq!(found, json!([[], none, none, none, "1", "2", true, user]));
    assert!((2_000_000_000..=2_000_065_535).contains(&user), "{user}");
    let hers = super::world::run(&world.server, &world.vera, "import os; print(os.getuid())").await.unwrap();
    assert_ne!(hers.out.trim(), user.to_string(), "two projects have one user");
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn system_calls_of_attackers_are_refused() {
    let Some(world) = World::new().await else { return };
    let attempt = r#"
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, *arguments):
    ctypes.set_errno(0)
    answer = getattr(libc, name)(*arguments)
    return [name, "done" if answer != -1 else errno.errorcode[ctypes.get_errno()]]
child = os.fork()
if child == 0:
    import signal
    signal.pause()
NEWUSER, NEWNS, NEWNET = 0x10000000, 0x20000, 0x40000000
answers = [
    tried("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    tried("umount2", b"/proc", 2),
    tried("chroot", b"/tmp"),
    tried("unshare", NEWUSER),
    tried("unshare", NEWNS | NEWNET),
    tried("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    tried("ptrace", 16, child, 0, 0),
    tried("process_vm_readv", child, None, 0, None, 0, 0),
    tried("reboot", 0),
    tried("sethostname", b"x", 1),
    tried("swapon", b"/tmp/x", 0),
    tried("syscall", 56, NEWUSER | 17, 0, 0, 0, 0),
    tried("syscall", 435, 0, 0),
    tried("syscall", 321, 0, 0, 0),
    tried("syscall", 425, 1, 0),
    tried("syscall", 0x40000000 | 165, 0, 0, 0, 0, 0),
]
os.kill(child, 9)
print(json.dumps(answers))
"#;
    if cfg!(target_arch = "x86_64") {
        let answers = world.ask(attempt).await;
        let refused = |answer: &serde_json::Value| matches!(answer[1].as_str(), Some("EPERM" | "ENOSYS"));
        assert!(answers.as_array().unwrap().iter().all(refused), "{answers}");
    }
    world.nobody_was_hurt().await;
}
