//! Walls around one program of a customer: it gets a process tree, a file system, a network and a user of its own, no
//! privilege, and no system call that only attackers need. The only crate with `unsafe`. It must not know deployments,
//! tiers or the server; what it cannot build it refuses.
//!
//! ```text
//! caller ── clone ──> init (pid 1 inside)  ── fork ──> the program
//!    │  exit of init <────────┘ │ hands out sockets through the door, reaps orphans, ends when the caller ends
//! ```

pub mod disk;
mod filter;
mod init;
pub mod loops;
mod mounts;
mod privileges;
pub mod socket;

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use nix::{
    fcntl::OFlag,
    libc,
    unistd::{Gid, Uid, pipe2},
};

/// Where the program finds its files inside: its working directory.
pub const FOLDER: &str = "/app";
/// Where the project keeps what outlives its programs, inside.
pub const STORAGE: &str = "/storage";
/// Where builds of one project keep what the next one may use, inside.
pub const CACHE: &str = "/cache";
/// The user inside a user namespace, whoever it is outside.
pub const INNER_USER: u32 = 1000;

/// Who the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// This user and group of the machine; takes root.
    Own(u32),
    /// The caller, as [`INNER_USER`] of a user namespace; takes no privilege.
    Namespace,
}

/// What lies at [`STORAGE`], or at [`CACHE`].
#[derive(Debug)]
pub enum Storage {
    /// A folder of the machine.
    Folder(PathBuf),
    /// An ext4 file system on this device, which is as large as it may become; takes root.
    Device(OwnedFd),
}

/// One program and its walls.
#[derive(Debug)]
pub struct Jail {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All its variables.
    pub environment: Vec<(String, String)>,
    /// What it finds at [`FOLDER`].
    pub folder: PathBuf,
    /// Whether it may change that.
    pub writable: bool,
    /// What it finds at `storage_at`.
    pub storage: Storage,
    /// [`STORAGE`] or [`CACHE`].
    pub storage_at: &'static str,
    /// A folder over which the new root is built; nothing of it is seen inside, and nothing happens to it outside.
    pub base: PathBuf,
    /// Who it is.
    pub user: User,
    /// `cgroup.procs` files of the control groups that it belongs to.
    pub cgroups: Vec<PathBuf>,
    /// Bytes in `/tmp`.
    pub tmp_bytes: u64,
    /// Bytes of data of each process, where no control group counts them.
    pub data_bytes: Option<u64>,
    /// Processes of its user, where no control group counts them.
    pub processes: Option<u64>,
}

/// Why there is no program; the text is for the log.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// For `map_err`: what was being done when the system refused.
fn at<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Refused {
    move |error| Refused(format!("{doing}: {error}"))
}

/// The walls stand, the program waits behind them for the word.
#[derive(Debug)]
pub struct Ready {
    init: i32,
    running: Running,
    word: UnixStream,
}

/// A program that runs. When this is dropped, or its process ends, everything inside is killed.
#[derive(Debug)]
pub struct Running {
    outputs: Option<(OwnedFd, OwnedFd)>,
    report: File,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Builds the walls. Whoever connects to `door` gets a socket of the network inside.
///
/// # Errors
/// What the system refused. Also when this process has more than one thread: then it cannot be copied.
pub fn start(jail: &Jail, door: UnixListener) -> Result<Ready, Refused> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(at("counting threads"))?.count();
    if threads != 1 {
        return Err(Refused(format!("a process with {threads} threads cannot be copied")));
    }
    close_on_exec()?;
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(at("a pipe"));
    let ((stdout, stdout_end), (stderr, stderr_end), (report, report_end)) = (pipe()?, pipe()?, pipe()?);
    let (word, word_end) = UnixStream::pair().map_err(at("a pair of sockets"))?;
    let inside = init::Ends {
        door,
        report: report_end.into(),
        word: word_end,
        stdout: stdout_end,
        stderr: stderr_end,
        caller: (Uid::effective(), Gid::effective()),
    };
    match privileges::clone_into(jail.user).map_err(at("namespaces"))? {
        None => {
            // The caller's ends are the caller's alone: by their closing each side learns of the other's death.
            drop((stdout, stderr, report, word));
            inside.alone(&jail.storage);
            init::run(jail, inside)
        }
        Some(init) => {
            drop(inside);
            let mut running = Running { outputs: Some((stdout, stderr)), report: report.into() };
            match running.line()?.as_str() {
                "ready" => Ok(Ready { init, running, word }),
                "" => Err(Refused("the first process inside ended at once".to_owned())),
                why => Err(Refused(why.to_owned())),
            }
        }
    }
}

/// Whatever was inherited by accident ends at the program's door.
fn close_on_exec() -> Result<(), Refused> {
    // SAFETY: a plain system call on numbers; marking a descriptor closes nothing in this process.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked == 0 { Ok(()) } else { Err(at("marking descriptors")(io::Error::last_os_error())) }
}

impl Ready {
    /// The first process inside, as the caller's process ids count; a child of the caller.
    pub fn init(&self) -> i32 {
        self.init
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// Why it cannot be executed.
    pub fn go(mut self) -> io::Result<Running> {
        self.word.write_all(b"g")?;
        let mut said = Vec::new();
        self.word.read_to_end(&mut said)?;
        match said.try_into() {
            // The other end closed as the program took over.
            Err(_) => Ok(self.running),
            Ok(number) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number))),
        }
    }
}

impl Running {
    /// What the program writes, and what it complains of; can be taken once.
    pub fn take_outputs(&mut self) -> Option<(OwnedFd, OwnedFd)> {
        self.outputs.take()
    }

    /// How the program ended; asked for after the first process inside has ended. None if that one was killed.
    pub fn end(&mut self) -> Option<End> {
        let line = self.line().ok()?;
        let (how, number) = line.split_once(' ')?;
        let number = number.parse().ok()?;
        match how {
            "code" => Some(End::Code(number)),
            "signal" => Some(End::Signal(number)),
            _ => None,
        }
    }

    fn line(&mut self) -> Result<String, Refused> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.report.read(&mut byte).map_err(at("reading what init says"))? == 1 && byte != *b"\n" {
            line.extend_from_slice(&byte);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// A path that leads to an open descriptor.
fn through(fd: &impl AsFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}
