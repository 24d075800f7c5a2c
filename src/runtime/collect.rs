//! Takes the files that a build has left, whose maker may not have meant well: nothing is read that is no plain file of the folder,
//! and no more than a deployment may have. Nobody may be writing in the folder any more. It must not know what is built.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::domain::{
    digest::Digest,
    manifest::{FilePath, MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES},
    quote,
};

/// Files and folders that are looked at: empty folders are no files, but they cost time.
const MOST_ENTRIES: usize = 4 * MAX_FILES;
/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// A file that was taken; its content lies under its place in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) path: String,
    pub(super) digest: String,
    pub(super) size_bytes: u64,
    pub(super) executable: bool,
}

/// A file that was found.
struct Found {
    path: String,
    at: PathBuf,
    metadata: fs::Metadata,
}

/// Copies the files of the folder `output` below `root` into `into`, which must not be there yet.
///
/// # Errors
/// What is wrong with them, for whoever has built them.
pub(super) fn collect(root: &Path, output: &str, into: &Path) -> Result<Vec<Taken>, String> {
    let files = find(folder(root, output)?)?;
    if files.is_empty() {
        return Err(format!("the build has left no files in {}", named(output)));
    }
    fs::create_dir(into).map_err(|error| format!("what was built cannot be kept: {error}"))?;
    let take = |(place, Found { path, at, metadata }): (usize, Found)| {
        let digest = copy(&at, &metadata, &into.join(place.to_string()));
        let digest = digest.map_err(|error| format!("{} cannot be taken: {error}", quote(&path)))?;
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Ok(Taken { path, digest: digest.to_string(), size_bytes: metadata.len(), executable })
    };
    files.into_iter().enumerate().map(take).collect()
}

/// All files of a folder, once it is known that a deployment can have them.
fn find(folder: PathBuf) -> Result<Vec<Found>, String> {
    let mut waiting = vec![(folder, String::new())];
    let (mut files, mut entries, mut total) = (Vec::new(), 0, 0_u64);
    while let Some((folder, below)) = waiting.pop() {
        let unreadable = |error: io::Error| format!("the folder {} cannot be read: {error}", named(&below));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = path(&below, &entry.file_name())?;
            entries += 1;
            if entries > MOST_ENTRIES || files.len() == MAX_FILES {
                return Err(format!("the build has left more than {MAX_FILES} files"));
            }
            let metadata = entry.metadata().map_err(unreadable)?;
            if metadata.is_dir() {
                waiting.push((entry.path(), path));
                continue;
            }
            check(&path, &metadata)?;
            total = total.saturating_add(metadata.len());
            if total > MAX_TOTAL_BYTES {
                return Err(format!("the build has left more than {} MB", MAX_TOTAL_BYTES >> 20));
            }
            files.push(Found { path, at: entry.path(), metadata });
        }
    }
    Ok(files)
}

/// The folder, every part of which is one: a link would lead anywhere.
fn folder(root: &Path, output: &str) -> Result<PathBuf, String> {
    let mut folder = root.to_owned();
    for part in output.split('/').filter(|part| *part != ".") {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_symlink() => return Err(format!("the output {} is a symbolic link", quote(output))),
            Ok(_) => return Err(format!("the output {} is no folder", quote(output))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!("the output folder {} is not there, the build has to make it", quote(output)));
            }
            Err(error) => return Err(format!("the output {} cannot be read: {error}", quote(output))),
        }
    }
    Ok(folder)
}

fn named(below: &str) -> String {
    if below.is_empty() || below == "." { "the output".to_owned() } else { quote(below) }
}

/// The path of something in a folder, if a deployment can have such a one.
fn path(below: &str, name: &OsStr) -> Result<String, String> {
    let name = name.to_str().ok_or_else(|| {
        let place = named(below);
        format!("the name of {} in {place} is not UTF-8, which no deployment can have", quote(&name.to_string_lossy()))
    })?;
    let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
    FilePath::parse(&path).map(|path| path.as_str().to_owned()).map_err(|problem| problem.message)
}

fn check(path: &str, found: &fs::Metadata) -> Result<(), String> {
    if found.is_symlink() {
        return Err(format!("{} is a symbolic link, which no deployment can have", quote(path)));
    }
    if !found.is_file() {
        return Err(format!("{} is neither a file nor a folder, which no deployment can have", quote(path)));
    }
    if found.len() > MAX_FILE_BYTES {
        return Err(format!("{} is larger than {} MB", quote(path), MAX_FILE_BYTES >> 20));
    }
    Ok(())
}

/// Copies the file that was looked at, and nothing else that may have its name.
fn copy(from: &Path, looked_at: &fs::Metadata, to: &Path) -> io::Result<Digest> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(from)?;
    let found = file.metadata()?;
    if (found.dev(), found.ino(), found.len()) != (looked_at.dev(), looked_at.ino(), looked_at.len()) {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    let (mut out, mut hasher) = (File::create_new(to)?, blake3::Hasher::new());
    let (mut rest, mut buffer) = (file.take(found.len()), vec![0; CHUNK]);
    while let count @ 1.. = rest.read(&mut buffer)? {
        let part = buffer.get(..count).unwrap_or_default();
        hasher.update(part);
        out.write_all(part)?;
    }
    if out.metadata()?.len() != found.len() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    use super::*;

    type Outcome = io::Result<()>;

    /// What comes of a folder `dist` that is filled like this.
    fn taken(fill: impl FnOnce(&Path) -> Outcome) -> io::Result<Result<Vec<String>, String>> {
        let dir = tempfile::tempdir()?;
        let dist = dir.path().join("work/dist");
        fs::create_dir_all(&dist)?;
        fs::write(dir.path().join("work/source"), "not to be taken")?;
        fill(&dist)?;
        let taken = collect(&dir.path().join("work"), "dist", &dir.path().join("into"));
        Ok(taken.map(|all| {
            let mut paths: Vec<String> = all.into_iter().map(|file| file.path).collect();
            paths.sort();
            paths
        }))
    }

    fn refused(word: &str, fill: impl FnOnce(&Path) -> Outcome) -> Outcome {
        let taken = taken(fill)?;
        assert!(taken.as_ref().is_err_and(|why| why.contains(word)), "{word}: {taken:?}");
        Ok(())
    }

    #[test]
    fn files_are_taken_by_what_they_are() -> Outcome {
        let dir = tempfile::tempdir()?;
        let root = dir.path().join("work");
        fs::create_dir_all(root.join("dist/a/b"))?;
        fs::write(root.join("dist/a/b/run"), "hello")?;
        fs::set_permissions(root.join("dist/a/b/run"), fs::Permissions::from_mode(0o6755))?;
        let into = dir.path().join("into");
        let taken = collect(&root, "dist", &into).map_err(io::Error::other)?;
        let [file] = taken.as_slice() else { return Err(io::Error::other("not one file")) };
        assert_eq!((file.path.as_str(), file.size_bytes, file.executable), ("a/b/run", 5, true));
        assert_eq!(file.digest, Digest::of(b"hello").to_string());
        assert_eq!(fs::read_to_string(into.join("0"))?, "hello");
        Ok(())
    }

    #[test]
    fn what_no_deployment_can_have_is_refused_by_name() -> Outcome {
        assert_eq!(taken(|dist| fs::write(dist.join("x"), ""))?, Ok(vec!["x".to_owned()]));
        refused("no files", |_| Ok(()))?;
        refused("`passwd` is a symbolic link", |dist| symlink("/etc/passwd", dist.join("passwd")))?;
        refused("`all` is a symbolic link", |dist| symlink("/etc", dist.join("all")))?;
        refused("`in` is a symbolic link", |dist| symlink(".", dist.join("in")))?;
        refused("`socket` is neither", |dist| UnixListener::bind(dist.join("socket")).map(drop))?;
        refused("is not UTF-8", |dist| fs::write(dist.join(OsStr::from_bytes(b"a\xff")), ""))?;
        refused("control characters", |dist| fs::write(dist.join("a\nb"), ""))?;
        refused("is larger than", |dist| File::create(dist.join("giant"))?.set_len(1 << 40))?;
        refused("more than 1024 MB", |dist| {
            (0..5).try_for_each(|number| File::create(dist.join(number.to_string()))?.set_len(MAX_FILE_BYTES))
        })?;
        refused("more than 20000 files", |dist| {
            (0..=MAX_FILES).try_for_each(|number| File::create(dist.join(number.to_string())).map(drop))
        })?;
        refused("is a symbolic link", |dist| {
            fs::remove_dir(dist)?;
            symlink("/etc", dist)
        })?;
        refused("has to make it", |dist| fs::remove_dir(dist))
    }
}
