//! Release folders: the files of a deployment, laid out for a program to run in. Files are copied, never linked, so that
//! a program cannot alter the stored ones. It must not know where the stored files come from.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use super::RuntimeError;

/// One file of a release.
#[derive(Clone, Debug)]
pub struct ReleaseFile {
    /// Relative to the release folder.
    pub path: String,
    /// Where its bytes are.
    pub blob: PathBuf,
    /// Mode 0755 rather than 0644.
    pub executable: bool,
}

/// Makes `<releases>/<id>` and gives its path. A folder that exists is complete and left as it is. Blocks.
///
/// # Errors
/// `Invalid` for a path that leaves the folder or collides with another; `Internal` when the disk fails.
pub fn materialize(releases: &Path, id: &str, files: &[ReleaseFile]) -> Result<PathBuf, RuntimeError> {
    let folder = folder(releases, id)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    for file in files {
        inside(&file.path)?;
    }
    let aside = aside(releases, id);
    delete(&aside)?;
    fs::create_dir_all(&aside).map_err(RuntimeError::internal("the release folder could not be made"))?;
    for file in files {
        let target = aside.join(&file.path);
        let copied = target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| copy(file, &target));
        copied.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => RuntimeError::Invalid(format!(
                "the path `{}` is both a file and a folder, or given twice: keep one of them",
                file.path
            )),
            _ => RuntimeError::internal("a release file could not be copied")(error),
        })?;
    }
    match fs::rename(&aside, &folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(RuntimeError::internal("the release folder could not be put in place")(error)),
    }
}

/// Removes a release folder, also a half made one. Blocks.
///
/// # Errors
/// `Invalid` for an id that is no folder name; `Internal` when the disk fails.
pub fn remove(releases: &Path, id: &str) -> Result<(), RuntimeError> {
    delete(&folder(releases, id)?)?;
    delete(&aside(releases, id))
}

fn folder(releases: &Path, id: &str) -> Result<PathBuf, RuntimeError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || !id.bytes().all(allowed) {
        return Err(RuntimeError::Invalid(format!("the release id `{id}` is not valid")));
    }
    Ok(releases.join(id))
}

fn aside(releases: &Path, id: &str) -> PathBuf {
    releases.join(format!("{id}.tmp"))
}

fn inside(path: &str) -> Result<(), RuntimeError> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || path.contains('\0') || !plain {
        return Err(RuntimeError::Invalid(format!("the path `{path}` is not inside the release folder")));
    }
    Ok(())
}

fn copy(file: &ReleaseFile, target: &Path) -> io::Result<()> {
    if target.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::copy(&file.blob, target)?;
    fs::set_permissions(target, Permissions::from_mode(if file.executable { 0o755 } else { 0o644 }))
}

fn delete(folder: &Path) -> Result<(), RuntimeError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RuntimeError::internal("a release folder could not be removed")(error))
        }
        _ => Ok(()),
    }
}
