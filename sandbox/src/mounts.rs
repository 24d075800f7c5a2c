//! The file system inside: the machine's programs and libraries, read-only; its files, read-only for what serves; the storage; and what
//! is made for this one alone. Nothing else of the machine is there. It must not know users or limits.

use std::{
    ffi::CString,
    fs::{self, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{OpenOptionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{chdir, pivot_root},
};

use crate::{FOLDER, Jail, Refused, Storage, at, through};

/// What programs are run with; links are links inside as well.
const SYSTEM: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What libraries read in `/etc`, none of it secret. Keys lie in `ssl/private`, which is not here.
const SETTINGS: [&str; 13] = [
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const LINKS: [(&str, &str); 6] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("var/tmp", "/tmp"),
    ("run/lock", "/tmp"),
];

/// Makes the new root and goes there; from then on the old one cannot be reached.
pub(crate) fn build(jail: &Jail, user: u32) -> Result<(), Refused> {
    // Held before anything is covered.
    let folder = held(&jail.folder)?;
    let storage = match &jail.storage {
        Storage::Folder(path) => Some(held(path)?),
        Storage::Device(_) => None,
    };
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).map_err(at("leaving the mounts"))?;
    let root = Root(jail.base.clone());
    tmpfs(&root.0, "size=1m,nr_inodes=2k,mode=755")?;
    root.system()?;
    root.settings(user)?;
    root.devices()?;
    for (link, target) in LINKS {
        root.link(link, Path::new(target))?;
    }
    tmpfs(&root.folder("tmp")?, &format!("size={},nr_inodes=64k,mode=1777", jail.tmp_bytes))?;
    let walled = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = root.folder("proc")?;
    // Nobody sees the first process, whose command line names folders outside.
    mount(Some("proc"), &proc, Some("proc"), walled, Some("hidepid=2")).map_err(at("mounting `/proc`"))?;
    let folder_as = if jail.writable { libc::MOUNT_ATTR_NOSUID | NO_DEVICES } else { READ_ONLY };
    bind(&through(&folder), &root.folder(FOLDER)?, folder_as)?;
    let inside = root.folder(jail.storage_at)?;
    match (&jail.storage, storage) {
        (Storage::Device(device), _) => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some(&through(device)), &inside, Some("ext4"), flags, Some("discard")).map_err(at("the storage"))?;
        }
        (Storage::Folder(_), Some(held)) => bind(&through(&held), &inside, libc::MOUNT_ATTR_NOSUID | NO_DEVICES)?,
        (Storage::Folder(_), None) => {}
    }
    enter(&root.0)
}

const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | NO_DEVICES;

struct Root(PathBuf);

impl Root {
    /// A folder of the new root, made if it is not there.
    fn folder(&self, path: &str) -> Result<PathBuf, Refused> {
        let path = self.0.join(path.trim_start_matches('/'));
        fs::create_dir_all(&path).map_err(at(format!("making `{}`", path.display())))?;
        Ok(path)
    }

    fn file(&self, path: &str, content: &str) -> Result<PathBuf, Refused> {
        let path = self.0.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        made.map_err(at(format!("making `{}`", path.display())))?;
        Ok(path)
    }

    fn link(&self, path: &str, target: &Path) -> Result<(), Refused> {
        let path = self.0.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| symlink(target, &path));
        made.map_err(at(format!("linking `{}`", path.display())))
    }

    /// Shows something of the machine as it is there; what is not there is not there inside either.
    fn show(&self, path: &str, attributes: u64) -> Result<(), Refused> {
        let outside = Path::new("/").join(path);
        let Ok(found) = fs::symlink_metadata(&outside) else { return Ok(()) };
        if found.is_symlink() {
            let target = fs::read_link(&outside).map_err(at(format!("reading `{}`", outside.display())))?;
            return self.link(path, &target);
        }
        let inside = if found.is_dir() { self.folder(path)? } else { self.file(path, "")? };
        bind(&outside, &inside, attributes)
    }

    fn system(&self) -> Result<(), Refused> {
        SYSTEM.iter().try_for_each(|path| self.show(path, READ_ONLY))
    }

    fn settings(&self, user: u32) -> Result<(), Refused> {
        SETTINGS.iter().try_for_each(|path| self.show(&format!("etc/{path}"), READ_ONLY))?;
        self.file("etc/passwd", &format!("app:x:{user}:{user}:app:/tmp:/bin/sh\n"))?;
        self.file("etc/group", &format!("app:x:{user}:\n"))?;
        self.file("etc/hosts", "127.0.0.1 localhost app\n::1 localhost app\n")?;
        self.file("etc/hostname", "app\n")?;
        self.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
        // There is no way to any name server.
        self.file("etc/resolv.conf", "")?;
        Ok(())
    }

    fn devices(&self) -> Result<(), Refused> {
        DEVICES.iter().try_for_each(|name| {
            self.show(&format!("dev/{name}"), libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)
        })?;
        tmpfs(&self.folder("dev/shm")?, "size=64m,nr_inodes=4k,mode=1777")
    }
}

/// An open folder, so that a path can be covered and still be reached.
fn held(path: &Path) -> Result<OwnedFd, Refused> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path);
    opened.map(OwnedFd::from).map_err(at(format!("opening `{}`", path.display())))
}

fn tmpfs(at_path: &Path, options: &str) -> Result<(), Refused> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mounted = mount(Some("tmpfs"), at_path, Some("tmpfs"), flags, Some(options));
    mounted.map_err(at(format!("a file system in memory at `{}`", at_path.display())))
}

fn bind(source: &Path, target: &Path, attributes: u64) -> Result<(), Refused> {
    let nothing = None::<&str>;
    let what = || format!("showing `{}` as `{}`", source.display(), target.display());
    mount(Some(source), target, nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing).map_err(at(what()))?;
    set_attributes(target, attributes, true).map_err(at(what()))
}

/// Adds attributes to a mount, or to all mounts below it.
fn set_attributes(path: &Path, attributes: u64, all_below: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let wanted = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if all_below { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path and the structure outlive the call, and the size that is said is the structure's own.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes `root` the root and lets go of the one before.
fn enter(root: &Path) -> Result<(), Refused> {
    chdir(root).and_then(|()| pivot_root(".", ".")).map_err(at("going to the new root"))?;
    umount2(".", MntFlags::MNT_DETACH).and_then(|()| chdir("/")).map_err(at("letting go of the old root"))?;
    set_attributes(Path::new("/"), READ_ONLY, false).map_err(at("closing the root"))
}
