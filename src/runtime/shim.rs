//! The shim: the small parent of one program. It outlives the server, so that a restart or crash of the server stops
//! nobody's program, and it leaves nothing behind when the program ends. It must not know the server: the two talk
//! through the instance's folder only, but for one word at the start.
//!
//! The server writes down the shim's pid before it says `go`, and without that word the shim runs nothing. So whatever
//! runs is on record.

use std::{
    io::{self, BufRead, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::setsid,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::MissedTickBehavior,
};

use super::{
    Exit, ExitCause, LogStream,
    instance::{ChildRecord, Instance, Spec},
    log::{Lines, LogFile},
    machine,
    procfs::{self, Identity},
    walled::{self, Walled},
    work::Work,
};
use crate::sys::clock;

/// The word without which nothing runs.
pub(super) const GO: &str = "go\n";
/// What the shim answers when the program is on record.
pub(super) const STARTED: &str = "started\n";
/// By which the shim learns that the program has answered as it should.
pub(super) const HEALTHY: Signal = Signal::SIGUSR1;
/// As a shell says that it cannot run a command.
const CANNOT_RUN: i32 = 127;
/// Between a request to stop without a grace on record and the kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// Killed processes that are stuck in the kernel are not waited for longer.
const KILL_WAIT: Duration = Duration::from_secs(10);
/// All writers are gone by then; what they wrote is in the pipe.
const LOG_WAIT: Duration = Duration::from_secs(2);
/// What a program is given to start faster is taken away after this time, whether it is healthy or not.
const BOOST: Duration = Duration::from_secs(60);

/// How often it is looked whether a build has written too much, where no file system sees to it.
const MEASURE: Duration = Duration::from_secs(1);
/// How often what is too old is taken out of the log.
const TIDY: Duration = Duration::from_secs(60);
/// Shorter texts are no secrets: half of a log would be masked.
const SHORTEST_SECRET: usize = 4;

type Log = Arc<Mutex<Said>>;

/// What was said, without what nobody is to read.
struct Said {
    file: LogFile,
    secrets: Vec<String>,
}

impl Said {
    fn write(&mut self, stream: LogStream, text: String) {
        let masked = self.secrets.iter().fold(text, |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), "***") } else { text }
        });
        self.file.write(stream, masked);
    }
}

/// A program that runs, or has just ended.
struct Started {
    /// The child of this process with which it ends: the program, or the first process behind its walls.
    pid: i32,
    /// What signals are for.
    program: Identity,
    stdout: OwnedFd,
    stderr: OwnedFd,
    walled: Option<Walled>,
}

/// Runs the program of the instance in this folder to its end, or finds out what the machine can enforce. Must be called
/// before any other thread exists.
pub fn run(dir: &Path, argument: Option<&str>) -> ExitCode {
    if dir == Path::new(machine::PROBE) {
        return machine::run(argument);
    }
    // Out of the server's session: a signal to its terminal or group is not for customers' programs. It fails only for
    // a group leader, which is out already.
    let _ = setsid();
    let mut word = String::new();
    if io::stdin().lock().read_line(&mut word).is_err() || word != GO {
        return ExitCode::SUCCESS;
    }
    match instance(&Instance { dir: dir.to_owned() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn instance(instance: &Instance) -> io::Result<()> {
    // What comes before somebody listens is heard then.
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGCHLD, HEALTHY].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block()?;
    // Everything that a descendant leaves behind becomes a child of this process and can be found and killed.
    prctl::set_child_subreaper(true)?;
    let mut spec = instance.take_spec().ok_or(io::ErrorKind::NotFound)?;
    let log = Said { file: LogFile::open(&instance.dir, spec.logs)?, secrets: secrets(&spec) };
    let log: Log = Arc::new(Mutex::new(log));
    let work = spec.build.as_ref().map(|build| Work::open(&spec, build)).transpose();
    let outcome = work.and_then(|work| {
        if let Some(work) = &work {
            work.folder().clone_into(&mut spec.folder);
        }
        Ok((start(&spec, instance, &signals)?, work))
    });
    let ended = match outcome {
        Ok((started, work)) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let ended = runtime.block_on(supervise(&spec, instance, started, &signals, (&log, work.as_ref())));
            drop(runtime);
            match finish(&spec, instance, work, ended.as_ref().ok(), &log) {
                Ok(()) => ended,
                Err(error) => {
                    write(&log, LogStream::System, format!("what the build has left cannot be kept: {error}"));
                    Ok(ExitCause::Lost)
                }
            }
        }
        Err(why) => {
            write(&log, LogStream::System, why);
            kill_all(0, &mut None);
            Ok(ExitCause::Code(CANNOT_RUN))
        }
    };
    let mut ended = ended;
    let killed = spec.cgroups.killed_for_memory(&instance.name());
    if killed > 0 {
        let megabytes = spec.limits.memory_bytes >> 20;
        let why = format!("{killed} of its processes were killed: the program may use {megabytes} MB of memory");
        write(&log, LogStream::System, why);
        if matches!(ended, Ok(ExitCause::Signal(signal)) if signal == Signal::SIGKILL as i32) {
            ended = Ok(ExitCause::Memory);
        }
    }
    spec.cgroups.remove(&instance.name());
    instance.write_json("exit.json", &Exit { cause: ended?, at_ms: clock::now().timestamp_millis() })
}

/// The lines of what a build's log is not to show, the longest first.
fn secrets(spec: &Spec) -> Vec<String> {
    let lines = spec.build.iter().flat_map(|build| &build.secrets).flat_map(|secret| secret.lines());
    let lines = lines.map(str::trim).filter(|line| line.len() >= SHORTEST_SECRET);
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    lines
}

/// Keeps what a build that went well has left, and nothing else of it.
fn finish(
    spec: &Spec,
    instance: &Instance,
    work: Option<Work>,
    cause: Option<&ExitCause>,
    log: &Log,
) -> io::Result<()> {
    let (Some(work), Some(build)) = (work, &spec.build) else { return Ok(()) };
    if cause == Some(&ExitCause::Code(0)) {
        let output = work.collect(instance, build);
        if let Err(why) = &output {
            write(log, LogStream::System, why.clone());
        }
        instance.write_json("output.json", &output)?;
    }
    work.close()
}

/// Starts the program and puts it on record.
fn start(spec: &Spec, instance: &Instance, signals: &SigSet) -> Result<Started, String> {
    if !spec.folder.is_dir() {
        return Err("the release folder is missing: deploy again".to_owned());
    }
    let myself = i32::try_from(std::process::id()).ok().and_then(Identity::of);
    let shim = myself.ok_or("the shim cannot find itself")?;
    match spec.walls {
        Some(walls) => {
            let mut walled = walled::start(instance, spec, walls, &shim)?;
            let (stdout, stderr) = walled.outputs.take().ok_or("its output is gone")?;
            let (pid, program) = (walled.init.pid, walled.program.clone());
            Ok(Started { pid, program, stdout, stderr, walled: Some(walled) })
        }
        None => spawn(spec, instance, shim, signals),
    }
}

/// Without walls.
fn spawn(spec: &Spec, instance: &Instance, shim: Identity, signals: &SigSet) -> Result<Started, String> {
    let (program, arguments) = spec.command.split_first().ok_or("the command is empty")?;
    let (kept, kept_name) = (spec.storage.folder(), if spec.build.is_some() { "REEVE_CACHE" } else { "REEVE_STORAGE" });
    let tmp = spec.build.as_ref().map_or_else(|| instance.tmp(), |build| build.work.place.join("tmp"));
    let _kept = match &spec.build {
        None => spec.storage.open()?,
        Some(_) => spec.storage.attach().map_err(|error| format!("the cache cannot be used: {error}"))?,
    };
    // A program begins with the signals that its parent has.
    signals.thread_unblock().map_err(|error| format!("signals: {error}"))?;
    // The shim itself was started with no variable but PATH.
    let child = Command::new(program)
        .args(arguments)
        .current_dir(&spec.folder)
        .env("HOME", &tmp)
        .env("TMPDIR", &tmp)
        .env("LANG", "C.UTF-8")
        .env("HOST", "127.0.0.1")
        .env(kept_name, kept)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env("PORT", spec.port.to_string())
        .env("REEVE_INSTANCE", spec.number.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    let mut child = child.map_err(|error| cannot_run(program, &error))?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let lost = || format!("the command `{program}` ended at once");
    let identity = Identity::of_child(pid).ok_or_else(lost)?;
    let record = ChildRecord { shim, child: identity.clone(), init: None };
    instance
        .write_json("child.json", &record)
        .map_err(|error| format!("the program cannot be put on record: {error}"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { return Err(lost()) };
    Ok(Started { pid, program: identity, stdout: stdout.into(), stderr: stderr.into(), walled: None })
}

/// Why a command cannot be executed, for its log.
pub(super) fn cannot_run(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("the command `{program}` was not found"),
        io::ErrorKind::PermissionDenied => format!("the command `{program}` is not executable"),
        _ => format!("the command `{program}` could not be started: {error}"),
    }
}

/// Looks after the program until it has ended with all that it started; says how it ended.
async fn supervise(
    spec: &Spec,
    instance: &Instance,
    started: Started,
    signals: &SigSet,
    (log, work): (&Log, Option<&Work>),
) -> io::Result<ExitCause> {
    let Started { pid, program, stdout, stderr, mut walled } = started;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child_ended = signal(SignalKind::child())?;
    let mut healthy = signal(SignalKind::from_raw(HEALTHY as i32))?;
    signals.thread_unblock()?;
    // If the server is gone meanwhile, the next one finds the record.
    let _ = io::stdout().write_all(STARTED.as_bytes()).and_then(|()| io::stdout().flush());
    let child = Identity::of_child(pid);
    let mut pumps = JoinSet::new();
    for (output, stream) in [(stdout, LogStream::Stdout), (stderr, LogStream::Stderr)] {
        pumps.spawn(pump(pipe::Receiver::from_owned_fd(output)?, stream, log.clone()));
    }
    let mut cause = None;
    // It may have ended before anybody listened.
    reap(pid, &mut cause);
    let limit = spec.build.as_ref().map_or(Duration::MAX, |build| Duration::from_millis(build.time_limit_ms));
    let (deadline, boost) = (tokio::time::sleep(Duration::MAX), tokio::time::sleep(BOOST));
    let limit = tokio::time::sleep(limit);
    tokio::pin!(deadline, boost, limit);
    let (mut stopping, mut boosted, mut over) = (false, true, None);
    let (mut measure, mut tidy) = (tokio::time::interval(MEASURE), tokio::time::interval(TIDY));
    measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A real-time signal ends a program without a cause that nix can name.
    while cause.is_none() && Identity::of_child(pid) == child {
        tokio::select! {
            _ = child_ended.recv() => {
                reap(pid, &mut cause);
            }
            _ = terminate.recv() => {
                let grace = instance.stop().map_or(DEFAULT_GRACE, |stop| Duration::from_millis(stop.grace_ms));
                program.signal_group(Signal::SIGTERM);
                stopping = true;
                deadline.set(tokio::time::sleep(grace));
            }
            () = &mut deadline, if stopping => break,
            () = &mut limit => {
                over = Some(ExitCause::TimeLimit);
                break;
            }
            _ = measure.tick(), if work.is_some() => {
                if work.is_some_and(Work::is_over) {
                    over = Some(ExitCause::DiskLimit);
                    break;
                }
            }
            _ = tidy.tick() => lock(log).file.tidy(),
            () = async { tokio::select! { _ = healthy.recv() => {} () = &mut boost => {} } }, if boosted => {
                boosted = false;
                if let Err(error) = spec.cgroups.set_cpu(&instance.name(), spec.limits.cpu_millis) {
                    write(log, LogStream::System, format!("its processors cannot be limited: {error}"));
                }
            }
        }
    }
    kill_all(pid, &mut cause);
    let _ = tokio::time::timeout(LOG_WAIT, async { while pumps.join_next().await.is_some() {} }).await;
    let inside = walled.as_mut().and_then(Walled::cause);
    Ok(over.or(inside).or(cause).unwrap_or(ExitCause::Lost))
}

async fn pump(mut pipe: pipe::Receiver, stream: LogStream, log: Log) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        lines.feed(&buffer[..read], |line| write(&log, stream, line));
    }
    lines.end(|line| write(&log, stream, line));
}

fn write(log: &Log, stream: LogStream, text: String) {
    lock(log).write(stream, text);
}

fn lock(log: &Log) -> MutexGuard<'_, Said> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for every child that has ended; notes how the program did. False when there is no child left.
fn reap(program: i32, cause: &mut Option<ExitCause>) -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == program => *cause = Some(ExitCause::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == program => {
                *cause = Some(ExitCause::Signal(signal as i32));
            }
            Ok(WaitStatus::StillAlive) => return true,
            Err(Errno::ECHILD) => return false,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Kills all that is left, also what left its group or session, until this process has no child any more.
fn kill_all(program: i32, cause: &mut Option<ExitCause>) {
    let myself = i32::try_from(std::process::id()).unwrap_or_default();
    let since = clock::instant();
    while reap(program, cause) && since.elapsed() < KILL_WAIT {
        for process in procfs::descendants(myself) {
            process.signal(Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
