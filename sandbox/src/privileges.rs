//! Going into namespaces, and giving up every privilege for good. It must not know files.

use std::{fs, io};

use nix::{
    libc::{self, c_int, c_ulong},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};

use crate::{INNER_USER, Jail, Refused, User, at, filter};

/// The highest capability that there could ever be; the kernel refuses those that it does not know.
const CAPABILITIES: c_ulong = 63;
/// Open files of each process.
const FILES: u64 = 65_536;
/// When the whole machine is short of memory, customers' programs end before it does.
const OUT_OF_MEMORY: &str = "300";

/// Copies this process into new namespaces of every kind. None in the copy, its process id in the original.
pub(crate) fn clone_into(user: User) -> io::Result<Option<i32>> {
    let mut flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::SIGCHLD;
    if user == User::Namespace {
        flags |= libc::CLONE_NEWUSER;
    }
    // SAFETY: without shared memory and without a stack of its own this is a fork: the copy has all that the original has.
    // The caller has seen that there is no other thread, whose locks the copy would find taken for ever.
    let pid = unsafe { libc::syscall(libc::SYS_clone, c_ulong::from(flags.unsigned_abs()), 0, 0, 0, 0) };
    match i32::try_from(pid).unwrap_or(-1) {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// In a user namespace: says who the caller is inside.
pub(crate) fn map_user(outer_user: Uid, outer_group: Gid) -> Result<(), Refused> {
    let map = |id: u32| format!("{INNER_USER} {id} 1\n");
    fs::write("/proc/self/setgroups", "deny").map_err(at("leaving groups"))?;
    fs::write("/proc/self/uid_map", map(outer_user.as_raw())).map_err(at("mapping the user"))?;
    fs::write("/proc/self/gid_map", map(outer_group.as_raw())).map_err(at("mapping the group"))
}

/// Limits that hold for each process; they need privileges that are about to go.
pub(crate) fn limit(jail: &Jail) -> Result<(), Refused> {
    // It is refused where the number may only fall; then it is high enough.
    let _ = fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY);
    let lower = |resource, wanted: u64| {
        let (_, most) = getrlimit(resource)?;
        setrlimit(resource, wanted.min(most), wanted.min(most))
    };
    lower(Resource::RLIMIT_CORE, 0).map_err(at("no core dumps"))?;
    lower(Resource::RLIMIT_NOFILE, FILES).map_err(at("the limit on open files"))?;
    if let Some(bytes) = jail.data_bytes {
        lower(Resource::RLIMIT_DATA, bytes).map_err(at("the limit on data"))?;
    }
    if let Some(processes) = jail.processes {
        lower(Resource::RLIMIT_NPROC, processes).map_err(at("the limit on processes"))?;
    }
    Ok(())
}

/// Becomes the program's user, without any capability, now or ever again.
pub(crate) fn drop_all(user: User) -> Result<(), Refused> {
    for capability in 0..=CAPABILITIES {
        // SAFETY: a plain system call on numbers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        let unknown = io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        if dropped != 0 && !unknown {
            return Err(at("dropping capabilities")(io::Error::last_os_error()));
        }
    }
    if let User::Own(id) = user {
        setgroups(&[]).map_err(at("leaving groups"))?;
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        setresgid(group, group, group).map_err(at(format!("becoming group {id}")))?;
        setresuid(user, user, user).map_err(at(format!("becoming user {id}")))?;
    }
    no_capabilities().map_err(at("dropping capabilities"))?;
    prctl::set_no_new_privs().map_err(at("no new privileges"))?;
    // Nobody inside may look into the first process, though it is of the same user.
    prctl::set_dumpable(false).map_err(at("hiding the first process"))?;
    filter::apply()
}

fn no_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Data { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both structures are laid out as the kernel's third version wants them and outlive the call, which writes to
    // neither as the version is known.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
