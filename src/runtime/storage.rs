//! What a project keeps beyond its programs, on this machine. As root it is a file system in a file, which cannot become
//! larger than it was made; otherwise it is a folder, which is measured before a program starts. It must not know what
//! programs do with it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use reeve_sandbox::{Storage, loops};
use serde::{Deserialize, Serialize};

use super::tree;

/// Tools of file systems are not on everybody's search path.
const TOOLS: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// The storage of a project, as large as its tier gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// All of it lies here.
    pub(super) place: PathBuf,
    pub(super) bytes: u64,
    /// In a file system of its own.
    pub(super) image: bool,
    /// Whose it is; the server's user's if nobody is named.
    pub(super) owner: Option<u32>,
}

impl Kept {
    /// The folder, where it is one.
    pub(super) fn folder(&self) -> PathBuf {
        self.place.join("files")
    }

    /// The file with the file system, where it is one.
    pub(super) fn image_file(&self) -> PathBuf {
        self.place.join("image.ext4")
    }

    /// Makes it ready. The lock is to be held until the program has begun: two devices over one file would destroy it.
    pub(super) fn open(&self) -> Result<(Storage, File), String> {
        let opened = self.attach().map_err(|error| format!("the storage of the project cannot be used: {error}"))?;
        if !self.image && tree::measured(&self.folder()) >= self.bytes {
            let gigabytes = self.bytes >> 30;
            return Err(format!(
                "the storage of the project is full ({gigabytes} GB): delete files or choose a larger tier"
            ));
        }
        Ok(opened)
    }

    /// The same, however full it is.
    pub(super) fn attach(&self) -> io::Result<(Storage, File)> {
        self.make()?;
        let lock = File::create(self.place.join("lock"))?;
        lock.lock()?;
        if self.image {
            let image = self.image()?;
            return Ok((Storage::Device(loops::attach(&image)?), lock));
        }
        let folder = self.folder();
        fs::create_dir_all(&folder)?;
        if let Some(owner) = self.owner {
            chown(&folder, Some(owner), Some(owner))?;
        }
        Ok((Storage::Folder(folder), lock))
    }

    /// Makes its place, for nobody but the server's user.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.place)?;
        fs::set_permissions(&self.place, fs::Permissions::from_mode(0o700))
    }

    /// The file with the file system: made the first time, grown when the tier has.
    fn image(&self) -> io::Result<PathBuf> {
        let image = self.image_file();
        let size = match fs::metadata(&image) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.format(&image)?;
                self.bytes
            }
            Err(error) => return Err(error),
        };
        // One that is in use grows with the next start that finds it unused.
        if size < self.bytes && !loops::is_attached(&image)? {
            File::options().write(true).open(&image)?.set_len(self.bytes)?;
            // It answers 1 when it has corrected something.
            let _ = tool("e2fsck", &["-f", "-p"], &image);
            tool("resize2fs", &[], &image)?;
        }
        Ok(image)
    }

    fn format(&self, image: &Path) -> io::Result<()> {
        let aside = image.with_extension("new");
        File::create(&aside)?.set_len(self.bytes)?;
        let owner = self.owner.unwrap_or(0);
        let extended = format!("lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner={owner}:{owner}");
        tool("mkfs.ext4", &["-q", "-F", "-m", "0", "-E", &extended], &aside)?;
        fs::rename(aside, image)
    }
}

/// Whether this machine can make and use a file system in a file below `folder`; for the probe.
pub(super) fn images_work(folder: &Path) -> Result<Storage, String> {
    let kept = Kept { place: folder.join("storage"), bytes: 8 << 20, image: true, owner: None };
    kept.open().map(|(storage, _)| storage)
}

fn tool(name: &str, arguments: &[&str], file: &Path) -> io::Result<()> {
    let mut tool = Command::new(name);
    tool.args(arguments).arg(file).env_clear().env("PATH", TOOLS).stdin(Stdio::null());
    let done = tool.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other(format!("`{name}` failed ({done})"))) }
}
