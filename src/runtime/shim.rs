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
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::setsid,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{
    Exit, ExitCause, LogStream,
    instance::{ChildRecord, Instance, Spec},
    log::{Lines, LogFile},
    procfs::{self, Identity},
};
use crate::sys::clock;

/// The word without which nothing runs.
pub(super) const GO: &str = "go\n";
/// What the shim answers when the program is on record.
pub(super) const STARTED: &str = "started\n";
/// As a shell says that it cannot run a command.
const CANNOT_RUN: i32 = 127;
/// Between a request to stop without a grace on record and the kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// Killed processes that are stuck in the kernel are not waited for longer.
const KILL_WAIT: Duration = Duration::from_secs(10);
/// All writers are gone by then; what they wrote is in the pipe.
const LOG_WAIT: Duration = Duration::from_secs(2);

type Log = Arc<Mutex<LogFile>>;

/// Runs the program of the instance in this folder to its end. Must be called before any other thread exists.
pub fn run(dir: &Path) -> ExitCode {
    // Out of the server's session: a signal to its terminal or group is not for customers' programs. It fails only for
    // a group leader, which is out already.
    let _ = setsid();
    let mut word = String::new();
    if io::stdin().lock().read_line(&mut word).is_err() || word != GO {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(supervise(&Instance { dir: dir.to_owned() }))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn supervise(instance: &Instance) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child_ended = signal(SignalKind::child())?;
    // Everything that a descendant leaves behind becomes a child of this process and can be found and killed.
    prctl::set_child_subreaper(true)?;
    let log: Log = Arc::new(Mutex::new(LogFile::open(&instance.dir)?));
    let spec = instance.take_spec().ok_or(io::ErrorKind::NotFound)?;
    let mut child = match spawn(&spec, instance) {
        Ok(child) => child,
        Err(why) => {
            write(&log, LogStream::System, why.as_bytes());
            return end(instance, ExitCause::Code(CANNOT_RUN));
        }
    };
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let shim = Identity::of(i32::try_from(std::process::id()).map_err(io::Error::other)?);
    let (Some(shim), Some(identity)) = (shim, Identity::of_child(pid)) else {
        kill_all(pid, &mut None).await;
        return Err(io::ErrorKind::NotFound.into());
    };
    instance.write_json("child.json", &ChildRecord { shim, child: identity.clone() })?;
    // If the server is gone meanwhile, the next one finds the record.
    let _ = io::stdout().write_all(STARTED.as_bytes()).and_then(|()| io::stdout().flush());
    let mut pumps = pumps(&mut child, &log)?;

    let mut cause = None;
    let deadline = tokio::time::sleep(Duration::MAX);
    tokio::pin!(deadline);
    let mut stopping = false;
    while cause.is_none() {
        tokio::select! {
            _ = child_ended.recv() => {
                reap(pid, &mut cause);
                // A real-time signal ends a program without a cause that nix can name.
                if Identity::of_child(pid).as_ref() != Some(&identity) {
                    break;
                }
            }
            _ = terminate.recv() => {
                let grace = instance.stop().map_or(DEFAULT_GRACE, |stop| Duration::from_millis(stop.grace_ms));
                identity.signal_group(Signal::SIGTERM);
                stopping = true;
                deadline.set(tokio::time::sleep(grace));
            }
            () = &mut deadline, if stopping => break,
        }
    }
    kill_all(pid, &mut cause).await;
    let _ = tokio::time::timeout(LOG_WAIT, async { while pumps.join_next().await.is_some() {} }).await;
    end(instance, cause.unwrap_or(ExitCause::Lost))
}

fn spawn(spec: &Spec, instance: &Instance) -> Result<Child, String> {
    let (program, arguments) = spec.command.split_first().ok_or("the command is empty")?;
    if !spec.folder.is_dir() {
        return Err("the release folder is missing: deploy again".to_owned());
    }
    let tmp = instance.tmp();
    // The shim itself was started with no variable but PATH.
    Command::new(program)
        .args(arguments)
        .current_dir(&spec.folder)
        .env("HOME", &tmp)
        .env("TMPDIR", &tmp)
        .env("LANG", "C.UTF-8")
        .env("HOST", "127.0.0.1")
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env("PORT", spec.port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("the command `{program}` was not found"),
            io::ErrorKind::PermissionDenied => format!("the command `{program}` is not executable"),
            _ => format!("the command `{program}` could not be started: {error}"),
        })
}

fn pumps(child: &mut Child, log: &Log) -> io::Result<JoinSet<()>> {
    let mut pumps = JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        pumps.spawn(pump(pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?, LogStream::Stdout, log.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        pumps.spawn(pump(pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?, LogStream::Stderr, log.clone()));
    }
    Ok(pumps)
}

async fn pump(mut pipe: pipe::Receiver, stream: LogStream, log: Log) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        lines.feed(&buffer[..read], |line| write(&log, stream, line));
    }
    lines.end(|line| write(&log, stream, line));
}

fn write(log: &Log, stream: LogStream, text: &[u8]) {
    log.lock().unwrap_or_else(PoisonError::into_inner).write(stream, text);
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
async fn kill_all(program: i32, cause: &mut Option<ExitCause>) {
    let myself = i32::try_from(std::process::id()).unwrap_or_default();
    let work = async {
        while reap(program, cause) {
            for process in procfs::descendants(myself) {
                process.signal(Signal::SIGKILL);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let _ = tokio::time::timeout(KILL_WAIT, work).await;
}

fn end(instance: &Instance, cause: ExitCause) -> io::Result<()> {
    instance.write_json("exit.json", &Exit { cause, at_ms: clock::now().timestamp_millis() })
}
