//! A disk that only the calling process sees: mounted in a mount namespace of its own, it goes with the process, however that
//! ends. It must not know what is kept on it.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use crate::through;

/// A disk that is mounted; it is let go of when this is dropped.
#[derive(Debug)]
pub struct Mounted(PathBuf);

/// Mounts an ext4 file system on this device at this folder. Takes root; must be called before any other thread exists.
///
/// # Errors
/// What the system refused.
pub fn mount_own(device: &OwnedFd, folder: &Path) -> io::Result<Mounted> {
    let nothing = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(&through(device)), folder, Some("ext4"), flags, Some("discard"))?;
    Ok(Mounted(folder.to_owned()))
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}
