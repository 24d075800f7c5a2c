//! What a build works in, seen from its shim: a disk or a folder with the sources, for the time of the build. Where it is a disk, it
//! is mounted for the shim alone and goes with it. It must not know what is built.

use std::{
    fs, io,
    os::unix::fs::lchown,
    path::{Path, PathBuf},
};

use reeve_sandbox::{
    Storage,
    disk::{self, Mounted},
};

use super::{
    cache::{self, InUse},
    collect::{self, Taken},
    instance::{Build, Instance, Spec},
    release,
    storage::Kept,
    tree,
};

/// What came of a build: its files, or why they cannot be taken.
pub(super) type Output = Result<Vec<Taken>, String>;

/// Where a build works.
pub(super) struct Work {
    place: Kept,
    folder: PathBuf,
    disk: Option<Mounted>,
    cache: Kept,
    used: InUse,
}

impl Work {
    /// Lays the sources out. Must be called before any other thread exists.
    pub(super) fn open(spec: &Spec, build: &Build) -> Result<Self, String> {
        Self::make(spec, build).map_err(|error| format!("the build cannot begin: {error}"))
    }

    fn make(spec: &Spec, build: &Build) -> io::Result<Self> {
        let place = build.work.clone();
        tree::remove(&place.place)?;
        let used = cache::enter(&spec.storage)?;
        let (storage, _lock) = place.attach()?;
        let (disk, top) = match storage {
            Storage::Device(device) => {
                let top = place.place.join("disk");
                fs::create_dir(&top)?;
                (Some(disk::mount_own(&device, &top)?), top)
            }
            Storage::Folder(folder) => (None, folder),
        };
        // Not the top itself: a new file system has a folder of its own there.
        let folder = top.join("work");
        let laid_out = release::lay_out(&folder, &build.files);
        laid_out.map_err(|error| io::Error::other(format!("the sources: {error:?}")))?;
        fs::create_dir(place.place.join("tmp"))?;
        if let Some(owner) = place.owner {
            own(&folder, owner)?;
        }
        Ok(Self { place, folder, disk, cache: spec.storage.clone(), used })
    }

    /// Where the sources are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether more was written than may be, where no file system sees to it.
    pub(super) fn is_over(&self) -> bool {
        let most = self.place.bytes.saturating_add(self.cache.bytes);
        self.disk.is_none()
            && tree::measured(&self.place.place).saturating_add(tree::measured(&self.cache.folder())) > most
    }

    /// Takes the files that the build has left. Everything that it started has ended.
    pub(super) fn collect(&self, instance: &Instance, build: &Build) -> Output {
        collect::collect(&self.folder, &build.output, &instance.output())
    }

    /// Leaves nothing behind but the cache.
    pub(super) fn close(self) -> io::Result<()> {
        drop(self.disk);
        tree::remove(&self.place.place)?;
        cache::leave(&self.cache, self.used)
    }
}

/// Gives what was laid out to its user.
fn own(folder: &Path, owner: u32) -> io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        lchown(&path, Some(owner), Some(owner))?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        }
    }
    Ok(())
}
