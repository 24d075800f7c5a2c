//! Which files of a folder make a deployment, and what is in them. It must not know the network.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use ignore::{DirEntry, WalkBuilder};

use crate::{
    cli::{failure::Failure, measure::size},
    domain::{
        digest::Digest,
        manifest::{MAX_FILES, MAX_TOTAL_BYTES, Manifest, RawEntry},
    },
};

/// The project file: it is sent apart from the files, and never served.
const PROJECT_FILE: &str = "reeve.toml";
/// Bytes of a project file that are read at most; the server refuses long before.
const MAX_PROJECT_FILE: u64 = 1 << 20;
/// Files with rules of what stays at home, besides `.gitignore`.
const IGNORE_FILE: &str = ".reeveignore";
/// The one hidden folder that sites serve (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// What is deployed.
pub(super) struct Folder {
    /// The folder itself.
    pub(super) root: PathBuf,
    /// The text of its `reeve.toml`.
    pub(super) project_file: Option<String>,
    /// Its files.
    pub(super) manifest: Manifest,
}

/// A file before anybody has read it.
struct Found {
    path: String,
    size: u64,
    executable: bool,
}

/// The text of the folder's `reeve.toml`, if it has one.
pub(super) fn project_file(root: &Path) -> Result<Option<String>, Failure> {
    let path = root.join(PROJECT_FILE);
    let broken = |error| Failure::usage(format!("`{}` cannot be read: {error}", path.display()));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let mut text = String::new();
    file.take(MAX_PROJECT_FILE).read_to_string(&mut text).map_err(broken)?;
    Ok(Some(text))
}

/// Finds the folder's files and hashes them.
pub(super) fn read(root: &Path, project_file: Option<String>) -> Result<Folder, Failure> {
    let found = walk(root)?;
    let total = found.iter().map(|file| file.size).fold(0, u64::saturating_add);
    if total > MAX_TOTAL_BYTES {
        let message = format!(
            "the files have {} together, a deployment may have {} at most; list what is not needed in `{IGNORE_FILE}`",
            size(total),
            size(MAX_TOTAL_BYTES)
        );
        return Err(Failure::usage(message));
    }
    let manifest = Manifest::parse(hash(root, found)?).map_err(Failure::invalid)?;
    Ok(Folder { root: root.to_owned(), project_file, manifest })
}

fn walk(root: &Path) -> Result<Vec<Found>, Failure> {
    let unreadable = |error: io::Error| Failure::usage(format!("`{}` cannot be deployed: {error}", root.display()));
    let whole = root.canonicalize().map_err(unreadable)?;
    if !whole.is_dir() {
        return Err(Failure::usage(format!("`{}` is no folder, name one to deploy", root.display())));
    }
    let mut found = Vec::new();
    for entry in walker(&whole) {
        let entry = entry.map_err(|error| Failure::usage(format!("the folder cannot be read: {error}")))?;
        if entry.depth() == 0 {
            continue;
        }
        found.extend(file(&whole, &entry)?);
        if found.len() > MAX_FILES {
            let message = format!("there are more than {MAX_FILES} files, list what is not needed in `{IGNORE_FILE}`");
            return Err(Failure::usage(message));
        }
    }
    if found.is_empty() {
        let message = format!("`{}` has no files to deploy, check it and the rules in `.gitignore`", root.display());
        return Err(Failure::usage(message));
    }
    Ok(found)
}

/// The rules of a repository count in each of its folders, but nothing above it and nothing of this machine does: a folder
/// deploys alike wherever it is checked out.
fn walker(root: &Path) -> ignore::Walk {
    let in_repository = root.ancestors().any(|folder| folder.join(".git").exists());
    WalkBuilder::new(root)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .parents(in_repository)
        .add_custom_ignore_filename(IGNORE_FILE)
        .filter_entry(|entry| {
            let name = entry.file_name().as_encoded_bytes();
            entry.depth() == 0 || !name.starts_with(b".") || name == WELL_KNOWN.as_bytes()
        })
        .build()
}

/// The file of an entry; nothing for a folder and for the project file.
fn file(root: &Path, entry: &DirEntry) -> Result<Option<Found>, Failure> {
    let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
    let shown = below.display();
    let kind = entry.file_type();
    if kind.is_some_and(|kind| kind.is_symlink()) {
        let message = format!("`{shown}` is a symbolic link, replace it by what it points to, or list it in");
        return Err(Failure::usage(format!("{message} `{IGNORE_FILE}`")));
    }
    if kind.is_some_and(|kind| kind.is_dir()) || below == Path::new(PROJECT_FILE) {
        return Ok(None);
    }
    let Some(path) = below.to_str() else {
        return Err(Failure::usage(format!("the name of `{shown}` is not UTF-8, rename the file")));
    };
    if !kind.is_some_and(|kind| kind.is_file()) {
        return Err(Failure::usage(format!("`{shown}` is neither file nor folder, list it in `{IGNORE_FILE}`")));
    }
    let metadata = entry.metadata().map_err(|error| Failure::usage(format!("`{shown}` cannot be read: {error}")))?;
    let executable = metadata.permissions().mode() & 0o111 != 0;
    Ok(Some(Found { path: path.to_owned(), size: metadata.len(), executable }))
}

/// Hashes on all processors; each takes the next file that nobody has.
fn hash(root: &Path, found: Vec<Found>) -> Result<Vec<RawEntry>, Failure> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(file) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(hash_one(root, file)?);
        }
        Ok(done)
    };
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(found.len().max(1));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut entries = Vec::with_capacity(found.len());
        for worker in workers {
            let done = worker.join().map_err(|_| Failure::usage("the files cannot be hashed, try again"))?;
            entries.extend(done?);
        }
        Ok(entries)
    })
}

fn hash_one(root: &Path, file: &Found) -> Result<RawEntry, Failure> {
    let broken = |error| Failure::usage(format!("`{}` cannot be read: {error}", file.path));
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(root.join(&file.path)).map_err(broken)?).map_err(broken)?;
    Ok(RawEntry {
        path: file.path.clone(),
        digest: Digest::from(hasher.finalize()).to_string(),
        // What was hashed, in case that the file grew since it was found.
        size_bytes: hasher.count(),
        executable: file.executable,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Outcome = io::Result<()>;

    fn folder(files: &[(&str, &str)]) -> io::Result<tempfile::TempDir> {
        let root = tempfile::tempdir()?;
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(root.path()))?;
            fs::write(path, text)?;
        }
        Ok(root)
    }

    fn paths(root: &Path) -> Result<Vec<String>, String> {
        let folder = read(root, None).map_err(|failure| failure.message)?;
        Ok(folder.manifest.entries().iter().map(|entry| entry.path.to_string()).collect())
    }

    fn expect(root: &Path, wanted: &[&str]) {
        assert_eq!(paths(root), Ok(wanted.iter().map(|&path| path.to_owned()).collect()));
    }

    #[test]
    fn hidden_and_ignored_files_stay_at_home() -> Outcome {
        let root = folder(&[
            ("index.html", "x"),
            ("reeve.toml", ""),
            ("docs/reeve.toml", ""),
            (".env", "SECRET=1"),
            (".git/config", ""),
            (".well-known/security.txt", ""),
            (".gitignore", "*.log\ndist\n"),
            (".reeveignore", "drafts/\n!keep.log\n"),
            ("a.log", ""),
            ("keep.log", ""),
            ("dist/a.js", ""),
            ("drafts/b.html", ""),
        ])?;
        expect(root.path(), &[".well-known/security.txt", "docs/reeve.toml", "index.html", "keep.log"]);
        Ok(())
    }

    #[test]
    fn a_built_folder_can_be_deployed_although_its_repository_ignores_it() -> Outcome {
        let root =
            folder(&[(".git/HEAD", ""), (".gitignore", "/dist/\n*.map\n"), ("dist/a.js", ""), ("dist/a.map", "")])?;
        expect(&root.path().join("dist"), &["a.js"]);
        Ok(())
    }

    #[test]
    fn rules_above_a_folder_count_only_within_a_repository() -> Outcome {
        let root = folder(&[(".gitignore", "*\n"), ("site/index.html", "")])?;
        expect(&root.path().join("site"), &["index.html"]);
        Ok(())
    }

    #[test]
    fn a_link_is_refused_by_name_unless_it_is_ignored() -> Outcome {
        let root = folder(&[("index.html", "x"), ("a/b.html", "")])?;
        symlink("/etc/passwd", root.path().join("a/link"))?;
        let refusal = paths(root.path()).err().unwrap_or_default();
        assert!(refusal.contains("`a/link` is a symbolic link"), "{refusal}");
        fs::write(root.path().join(".reeveignore"), "link\n")?;
        expect(root.path(), &["a/b.html", "index.html"]);
        Ok(())
    }

    #[test]
    fn contents_and_permissions_are_read() -> Outcome {
        let root = folder(&[("run", "hello"), ("same", "hello")])?;
        fs::set_permissions(root.path().join("run"), fs::Permissions::from_mode(0o755))?;
        let manifest = read(root.path(), None).map(|it| it.manifest).map_err(|it| io::Error::other(it.message))?;
        let seen: Vec<_> = manifest.entries().iter().map(|it| (it.digest, it.size_bytes, it.executable)).collect();
        assert_eq!(seen, [(Digest::of(b"hello"), 5, true), (Digest::of(b"hello"), 5, false)]);
        Ok(())
    }

    #[test]
    fn what_is_no_folder_says_so() -> Outcome {
        let root = folder(&[("file", "x"), ("empty/.hidden", "")])?;
        for name in ["file", "nowhere", "empty"] {
            assert!(read(&root.path().join(name), None).is_err_and(|it| it.message.contains(name)), "{name}");
        }
        Ok(())
    }
}
