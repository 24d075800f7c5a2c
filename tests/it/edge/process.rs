//! The process driver without walls: programs outlive the server, end completely, and are never mistaken for others.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use reeve::domain::tier::Tier;
use reeve::runtime::{
    Driver, Exit, ExitCause, History, LogFrom, LogLine, LogStream, RuntimeError, StartSpec, Status,
    process::ProcessDriver,
};

use super::support::eventually;

const GRACE: Duration = Duration::from_secs(10);

struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("release")).unwrap();
        Self { dir }
    }

    /// A driver over the same records, as after a restart of the server.
    fn driver(&self) -> ProcessDriver {
        ProcessDriver::new(self.dir.path(), env!("CARGO_BIN_EXE_reeve"), reeve::runtime::Machine::without_walls())
    }

    fn spec(&self, script: &str, fence: u64) -> StartSpec {
        StartSpec {
            instance: "d1".to_owned(),
            number: 2,
            history: History::default(),
            folder: self.release(),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            environment: vec![("GREETING".to_owned(), "hello".to_owned())],
            project: "p1".to_owned(),
            user: 0,
            tier: Tier::Hobby,
            fence,
        }
    }

    fn release(&self) -> PathBuf {
        self.dir.path().join("release")
    }

    fn record(&self, name: &str) -> PathBuf {
        self.dir.path().join("instances/d1").join(name)
    }

    /// Waits for a file that a program writes into its release folder.
    async fn written(&self, name: &str) -> String {
        let path = self.release().join(name);
        eventually("the program writes its file", || {
            std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        std::fs::read_to_string(path).unwrap()
    }
}

impl Drop for Machine {
    /// A test that fails leaves no program behind.
    fn drop(&mut self) {
        let record = std::fs::read(self.record("pid.json")).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
        if let (true, Some(pid)) = (std::thread::panicking(), record["shim"]["pid"].as_i64()) {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
    }
}

struct Bystander(std::process::Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// The last lines of the log.
async fn said(driver: &ProcessDriver, lines: usize) -> Vec<LogLine> {
    driver.log("d1", LogFrom::Last(lines), lines).await.unwrap().lines
}

async fn exited(driver: &ProcessDriver) -> ExitCause {
    crate::harness::eventually("the program exits", async || {
        let Status::Exited { exit } = driver.status("d1").await.unwrap() else { return None };
        assert!(exit.at_ms > 0);
        Some(exit.cause)
    })
    .await
}

#[tokio::test]
async fn a_program_outlives_its_server_and_is_adopted() {
    let machine = Machine::new();
    let first = machine.driver();
    assert_eq!(first.status("d1").await.unwrap(), Status::Absent);
    let endpoint = first.start(machine.spec("echo $$ > pid; exec sleep 1000", 3)).await.unwrap();
    let pid = machine.written("pid").await;
    drop(first);

    let second = machine.driver();
    assert_eq!(second.list().await.unwrap(), ["d1"]);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(machine.record("")), mode(machine.record("pid.json"))), (0o700, 0o600));
    let running = Status::Running { address: endpoint.address.clone(), pid: pid.trim().parse().unwrap() };
    assert_eq!(second.status("d1").await.unwrap(), running);
    assert_eq!(second.start(machine.spec("exit 9", 3)).await.unwrap(), endpoint);
    assert_eq!(second.start(machine.spec("exit 9", 5)).await.unwrap(), endpoint);
    assert_eq!(second.status("d1").await.unwrap(), running);

    let stale = RuntimeError::StaleFence { recorded: 5 };
    assert_eq!(second.start(machine.spec("exit 9", 4)).await.unwrap_err(), stale);
    assert_eq!(second.stop("d1", 4, GRACE).await.unwrap_err(), stale);
    assert_eq!(second.remove("d1", 4).await.unwrap_err(), stale);
    second.stop("d1", 6, GRACE).await.unwrap();
    assert!(!alive(&pid));
    assert_eq!(exited(&second).await, ExitCause::Signal(15));
    // A worker that was stopped for long cannot start it again.
    assert_eq!(second.start(machine.spec("true", 5)).await.unwrap_err(), RuntimeError::StaleFence { recorded: 6 });
    second.stop("d1", 6, GRACE).await.unwrap();
    second.remove("d1", 6).await.unwrap();
    second.remove("d1", 6).await.unwrap();
    assert!(second.list().await.unwrap().is_empty());
    assert_eq!(second.status("d1").await.unwrap(), Status::Absent);
}

#[tokio::test]
async fn starts_at_the_same_time_start_one_program() {
    let machine = Machine::new();
    let (first, second) = (machine.driver(), machine.driver());
    let script = "echo $$ >> starts; exec sleep 1000";
    let (a, b) = tokio::join!(first.start(machine.spec(script, 1)), second.start(machine.spec(script, 1)));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(machine.written("starts").await.lines().count(), 1);
    first.remove("d1", 1).await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_everything_that_was_started() {
    let machine = Machine::new();
    let driver = machine.driver();
    // A grandchild that ignores SIGTERM, one in a session of its own, and one whose parent has gone.
    let script = "trap '' TERM
        sh -c 'trap \"\" TERM; echo $$ > stubborn; while :; do sleep 1; done' &
        setsid sh -c 'trap \"\" TERM; echo $$ > session; while :; do sleep 1; done' &
        sh -c 'setsid sh -c \"echo \\$\\$ > orphan; exec sleep 1000\" & exit 0'
        wait";
    driver.start(machine.spec(script, 1)).await.unwrap();
    let mut pids = Vec::new();
    for name in ["stubborn", "session", "orphan"] {
        pids.push(machine.written(name).await);
    }
    assert!(pids.iter().all(|pid| alive(pid)));
    driver.stop("d1", 1, Duration::from_millis(50)).await.unwrap();
    assert!(pids.iter().all(|pid| !alive(pid)), "{pids:?}");
    assert_eq!(exited(&driver).await, ExitCause::Signal(9));
}

#[tokio::test]
async fn a_program_that_ends_takes_its_children_along() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("setsid sleep 1000 & echo $! > child; exit 3", 1)).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(3));
    assert!(!alive(&machine.written("child").await));
}

#[tokio::test]
async fn a_program_may_end_in_its_own_time() {
    let machine = Machine::new();
    let driver = machine.driver();
    let script = "trap 'echo bye; exit 0' TERM; echo up > up; while :; do sleep 0.01; done";
    driver.start(machine.spec(script, 1)).await.unwrap();
    machine.written("up").await;
    driver.stop("d1", 1, GRACE).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(0));
    assert_eq!(said(&driver, 10).await.last().unwrap().text, "bye");
}

#[tokio::test]
async fn output_and_environment_are_what_was_agreed() {
    let machine = Machine::new();
    let driver = machine.driver();
    let script = "echo out; echo err >&2; env | sort | sed 's/=.*//' | tr '\\n' ' '; echo; echo $GREETING $HOST; pwd; \
                  head -c 100000 /dev/zero | tr '\\0' x; echo; printf last; exit 7";
    let mut spec = machine.spec(script, 1);
    spec.environment.push(("PORT".to_owned(), "1".to_owned()));
    driver.start(spec).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(7));
    let log = said(&driver, 100).await;
    let lines: Vec<&str> =
        log.iter().filter(|line| line.stream == LogStream::Stdout).map(|line| line.text.as_str()).collect();
    assert_eq!(lines[0], "out");
    let names: Vec<&str> = lines[1].split(' ').filter(|name| !matches!(*name, "_" | "OLDPWD" | "SHLVL" | "")).collect();
    let agreed =
        ["GREETING", "HOME", "HOST", "LANG", "PATH", "PORT", "PWD", "REEVE_INSTANCE", "REEVE_STORAGE", "TMPDIR"];
    assert_eq!(names, agreed);
    assert_eq!(lines[2], "hello 127.0.0.1");
    assert_eq!(Path::new(lines[3]).canonicalize().unwrap(), machine.release().canonicalize().unwrap());
    assert!(lines[4].starts_with(&"x".repeat(16 * 1024)) && lines[4].ends_with("x … [cut]"), "cut, and visibly");
    assert_eq!(lines[5], "last");
    assert!(log.iter().any(|line| line.stream == LogStream::Stderr && line.text == "err"));
    assert_eq!(said(&driver, 1).await.len(), 1);
    // Secrets do not stay on disk.
    assert!(!machine.record("spec.json").exists());
}

#[tokio::test]
async fn a_flood_of_output_is_capped() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("yes 'a line of the flood that goes on' | head -n 200000; echo end", 1)).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(0));
    let kept = std::fs::read_dir(machine.record("")).unwrap().map(|entry| entry.unwrap());
    let kept = kept.filter(|entry| entry.file_name().to_str().unwrap().starts_with("log-"));
    let size: u64 = kept.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(size > 4 << 20 && size <= 8 << 20, "{size}");
    assert_eq!(said(&driver, 5).await.last().unwrap().text, "end");
}

#[tokio::test]
async fn a_command_that_cannot_run_says_so() {
    let machine = Machine::new();
    let driver = machine.driver();
    let mut spec = machine.spec("", 1);
    spec.command = vec!["no-such-program".to_owned()];
    driver.start(spec.clone()).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(127));
    let log = said(&driver, 10).await;
    assert_eq!(log[0].stream, LogStream::System);
    assert_eq!(log[0].text, "the command `no-such-program` was not found");
    spec.command.clear();
    assert!(matches!(driver.start(spec.clone()).await, Err(RuntimeError::Invalid(_))));
    spec.instance = "../d1".to_owned();
    spec.command = vec!["true".to_owned()];
    assert!(matches!(driver.start(spec).await, Err(RuntimeError::Invalid(_))));
}

#[tokio::test]
async fn a_taken_port_is_exchanged() {
    let machine = Machine::new();
    let driver = machine.driver();
    let script = "[ -e second ] && exec sleep 1000; touch second; echo 'Error: listen EADDRINUSE' >&2; exit 1";
    driver.start(machine.spec(script, 1)).await.unwrap();
    assert!(matches!(driver.status("d1").await.unwrap(), Status::Running { .. }));
    driver.remove("d1", 1).await.unwrap();
}

#[tokio::test]
async fn without_the_word_go_nothing_runs() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("true", 1)).await.unwrap();
    exited(&driver).await;
    let dir = machine.dir.path().join("instances/d1");
    std::fs::remove_file(dir.join("child.json")).unwrap();
    let spec = format!(r#"{{"command":["touch","ran"],"folder":{:?},"environment":[],"port":1}}"#, machine.release());
    std::fs::write(dir.join("spec.json"), spec).unwrap();
    let shim = Command::new(env!("CARGO_BIN_EXE_reeve")).arg("shim").arg(&dir).stdin(Stdio::null()).status().unwrap();
    assert!(shim.success());
    assert!(!machine.release().join("ran").exists() && !dir.join("child.json").exists());
}

#[tokio::test]
async fn a_pid_that_was_used_again_is_left_alone() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("true", 1)).await.unwrap();
    exited(&driver).await;
    let mut bystander = Bystander(Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap());
    // The records now name a living process, but with the start times of others, a second before. (Start times count
    // hundredths of a second, and all of this may happen in one of them.)
    for name in ["pid.json", "child.json"] {
        let text = std::fs::read_to_string(machine.record(name)).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
        for part in ["shim", "child"] {
            if let Some(identity) = record.get_mut(part) {
                identity["pid"] = bystander.0.id().into();
                identity["start_time"] = (identity["start_time"].as_u64().unwrap() - 100).into();
            }
        }
        std::fs::write(machine.record(name), record.to_string()).unwrap();
    }
    std::fs::remove_file(machine.record("exit.json")).unwrap();
    let status = driver.status("d1").await.unwrap();
    assert!(matches!(status, Status::Exited { exit } if exit.cause == ExitCause::Lost), "{status:?}");
    driver.stop("d1", 2, Duration::ZERO).await.unwrap();
    driver.remove("d1", 2).await.unwrap();
    assert_eq!(bystander.0.try_wait().unwrap(), None);
}

#[tokio::test]
async fn a_killed_shim_leaves_a_program_that_is_found_and_ended() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("echo $$ > pid; exec sleep 1000", 1)).await.unwrap();
    let pid = machine.written("pid").await;
    let record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(machine.record("pid.json")).unwrap()).unwrap();
    let shim = record["shim"]["pid"].to_string();
    assert!(Command::new("kill").args(["-9", &shim]).status().unwrap().success());
    eventually("the shim is gone", || !alive(&shim)).await;
    assert!(matches!(driver.status("d1").await.unwrap(), Status::Exited { exit } if exit.cause == ExitCause::Lost));
    let again = driver.start(machine.spec("echo $$ > again; exec sleep 1000", 2)).await.unwrap();
    eventually("the old program is gone", || !alive(&pid)).await;
    let second = machine.written("again").await;
    let running = Status::Running { address: again.address, pid: second.trim().parse().unwrap() };
    assert_eq!(driver.status("d1").await.unwrap(), running);
    driver.remove("d1", 2).await.unwrap();
    assert!(!alive(&second));
}

#[tokio::test]
async fn a_program_knows_its_number_and_its_history() {
    let machine = Machine::new();
    let driver = machine.driver();
    driver.start(machine.spec("echo old $REEVE_INSTANCE; exit 4", 1)).await.unwrap();
    assert_eq!(exited(&driver).await, ExitCause::Code(4));
    let run = driver.run("d1").await.unwrap().unwrap();
    assert_eq!((run.number, run.history, run.stopping), (2, History::default(), false));
    assert!(run.since_ms > 0);
    let nothing = async || driver.usage("d1").await.unwrap().is_none().then_some(());
    crate::harness::eventually("it uses nothing any more", nothing).await;
    let last_exit = Some(Exit { cause: ExitCause::Code(4), at_ms: 7 });
    let history = History { restarts: 3, last_exit };
    let heir = StartSpec { instance: "d1-new".to_owned(), history, ..machine.spec("echo new; exec sleep 1000", 1) };
    driver.start(heir).await.unwrap();
    assert_eq!(driver.run("d1-new").await.unwrap().unwrap().history, history, "it is kept with the run");
    assert!(driver.usage("d1-new").await.unwrap().is_some_and(|usage| usage.memory_bytes > 0));
    driver.stop("d1-new", 1, GRACE).await.unwrap();
    assert!(driver.run("d1-new").await.unwrap().unwrap().stopping);
}
