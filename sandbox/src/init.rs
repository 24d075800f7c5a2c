//! The first process inside: it makes the walls from within, starts the program, hands out sockets, buries orphans, and
//! ends with the program or with whoever started it; the kernel then kills all the rest. It must not know what it runs.

use std::{
    convert::Infallible,
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::{
            net::{UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::PathBuf,
    process::Command,
};

use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{ForkResult, Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fork, sethostname, setsid},
};

use crate::{FOLDER, INNER_USER, Jail, Refused, Storage, User, at, mounts, privileges, socket};

/// The ends of pipes and sockets that are inside.
pub(crate) struct Ends {
    /// Who connects gets a socket.
    pub(crate) door: UnixListener,
    /// To whoever started it; its other end closes when that one dies.
    pub(crate) report: File,
    /// The program waits here for the word.
    pub(crate) word: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Who the caller is outside; nobody inside could tell.
    pub(crate) caller: (Uid, Gid),
}

impl Ends {
    /// Closes whatever else the caller had open: a file that is open here as well is locked for as long as this one lives.
    pub(crate) fn alone(&self, storage: &Storage) {
        let mut kept = vec![
            self.door.as_raw_fd(),
            self.report.as_raw_fd(),
            self.word.as_raw_fd(),
            self.stdout.as_raw_fd(),
            self.stderr.as_raw_fd(),
        ];
        if let Storage::Device(device) = storage {
            kept.push(device.as_raw_fd());
        }
        let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|fd| *fd > libc::STDERR_FILENO && !kept.contains(fd))
            .collect();
        for fd in open {
            // SAFETY: what owns the number is in the caller's code, to which this copy never comes back.
            unsafe { libc::close(fd) };
        }
    }
}

/// Does all of it, and never comes back to the copy of the caller's code around it.
pub(crate) fn run(jail: &Jail, ends: Ends) -> ! {
    let mut report = match ends.report.try_clone() {
        Ok(report) => report,
        Err(_) => leave(1),
    };
    match inside(jail, ends) {
        Ok(never) => match never {},
        Err(why) => {
            let _ = writeln!(report, "{}", why.0.replace('\n', " "));
            leave(1)
        }
    }
}

/// Ends this process without running anything that its original has left to run.
fn leave(code: i32) -> ! {
    // SAFETY: the call ends the process; nothing is left that could be broken.
    unsafe { libc::_exit(code) }
}

fn inside(jail: &Jail, ends: Ends) -> Result<Infallible, Refused> {
    let open = |group: &PathBuf| File::options().write(true).open(group).map_err(at(format!("`{}`", group.display())));
    let groups: Vec<File> = jail.cgroups.iter().map(open).collect::<Result<_, _>>()?;
    privileges::limit(jail)?;
    let seen_as = match jail.user {
        User::Own(id) => id,
        User::Namespace => INNER_USER,
    };
    if jail.user == User::Namespace {
        privileges::map_user(ends.caller.0, ends.caller.1)?;
    }
    mounts::build(jail, seen_as)?;
    sethostname("app").map_err(at("the name of the machine"))?;
    loopback_up()?;
    privileges::drop_all(jail.user)?;
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block().map_err(at("waiting for signals"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let ended = SignalFd::with_flags(&ended, flags).map_err(at("waiting for signals"))?;
    ends.door.set_nonblocking(true).map_err(at("the door"))?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(at("opening `/dev/null`"))?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).and_then(|()| dup2_stderr(&null)).map_err(at("silence"))?;
    // SAFETY: this process has one thread, as its original had when it was copied.
    match unsafe { fork() }.map_err(at("copying the first process"))? {
        ForkResult::Child => program(jail, ends, &groups),
        ForkResult::Parent { child } => {
            let Ends { door, mut report, word, stdout, stderr, .. } = ends;
            // They are the program's: their closing says that it has begun, and that it writes nothing more.
            drop((word, stdout, stderr));
            writeln!(report, "ready").map_err(at("saying that it is ready"))?;
            serve(&door, report, &ended, child.as_raw())
        }
    }
}

/// Waits for the word and becomes the program. It alone is counted by the control groups: a program that has used up what it
/// may keeps nobody from being handed a socket.
fn program(jail: &Jail, ends: Ends, groups: &[File]) -> ! {
    let mut word = ends.word;
    let mut byte = [0];
    let heard = word.read(&mut byte).is_ok_and(|read| read == 1);
    let Some((program, arguments)) = jail.command.split_first().filter(|_| heard) else { leave(0) };
    let mut outputs = setsid().and_then(|_| dup2_stdout(&ends.stdout)).and_then(|()| dup2_stderr(&ends.stderr));
    for mut group in groups {
        outputs = outputs.and(group.write_all(b"0").map_err(|error| Errno::try_from(error).unwrap_or(Errno::EIO)));
    }
    let outputs = outputs.and(SigSet::all().thread_unblock());
    let error = match outputs {
        Ok(()) => {
            let variables = jail.environment.iter().map(|(name, value)| (name, value));
            Command::new(program).args(arguments).current_dir(FOLDER).env_clear().envs(variables).exec()
        }
        Err(error) => error.into(),
    };
    let _ = word.write_all(&error.raw_os_error().unwrap_or(libc::ENOEXEC).to_ne_bytes());
    leave(127)
}

fn serve(door: &UnixListener, mut report: File, ended: &SignalFd, program: i32) -> ! {
    loop {
        let mut waits = [
            PollFd::new(door.as_fd(), PollFlags::POLLIN),
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(report.as_fd(), PollFlags::empty()),
        ];
        if !matches!(poll(&mut waits, PollTimeout::NONE), Ok(_) | Err(Errno::EINTR)) {
            leave(1);
        }
        let [knocks, ends, alone] = waits.map(|wait| wait.any().unwrap_or(true));
        if alone {
            leave(0);
        }
        if ends {
            let _ = ended.read_signal();
            if let Some(how) = bury(program) {
                let _ = writeln!(report, "{how}");
                leave(0);
            }
        }
        if knocks && let Ok((visitor, _)) = door.accept() {
            // Who does not get one, as under a flood, hears the line close and asks again.
            let _ = socket::hand_over(&visitor);
        }
    }
}

/// Waits for all that have ended; how the program did, once it has.
fn bury(program: i32) -> Option<String> {
    loop {
        let mut status = 0;
        // SAFETY: the status outlives the call. (The safe wrapper gives no answer where a real-time signal ended a process.)
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        match pid {
            pid if pid == program && libc::WIFSIGNALED(status) => {
                return Some(format!("signal {}", libc::WTERMSIG(status)));
            }
            pid if pid == program => return Some(format!("code {}", libc::WEXITSTATUS(status))),
            1.. => {}
            _ => return None,
        }
    }
}

/// The network inside has this one interface, and it is down at first.
fn loopback_up() -> Result<(), Refused> {
    let any = std::net::UdpSocket::bind(("0.0.0.0", 0)).map_err(at("a socket"))?;
    // SAFETY: all zeros is a value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is the structure that this call reads, with a name that ends in a zero.
    let set = unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if set == 0 { Ok(()) } else { Err(at("the loopback interface")(std::io::Error::last_os_error())) }
}
