//! The files of a commit: listed and sized before anything of them is read, then written out one by one under numbers, so that no
//! name of theirs is ever a path here.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::ChildStdout;

use super::{Git, GitError, Group};
use crate::domain::digest::Digest;
use crate::domain::invalid::quote;
use crate::domain::manifest::{MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};

/// Bytes of one line of the list: the longest path, and what stands before it.
const LONGEST_LINE: u64 = 8 * 1024;

/// A file of a commit.
pub struct GitFile {
    /// Where it goes, as the commit says; not checked here.
    pub path: String,
    /// What is in it.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// Where its content lies.
    pub content: PathBuf,
}

struct Listed {
    object: String,
    path: String,
    size_bytes: u64,
    executable: bool,
}

/// Reads the files of a commit into a folder.
pub(super) async fn read(git: &Git<'_>, commit: &str, into: &Path) -> Result<Vec<GitFile>, GitError> {
    tokio::fs::create_dir_all(into).await?;
    let listed = list(git, commit).await?;
    let mut command = git.command(&["cat-file", "--batch"]);
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let _group = Group::of(child.id());
    let closed = || GitError::Internal("git cannot be spoken with".to_owned());
    let mut asking = child.stdin.take().ok_or_else(closed)?;
    let mut answers = BufReader::new(child.stdout.take().ok_or_else(closed)?);
    let mut files = Vec::with_capacity(listed.len());
    for (place, file) in listed.into_iter().enumerate() {
        asking.write_all(format!("{}\n", file.object).as_bytes()).await?;
        let content = into.join(place.to_string());
        let digest = copy(&mut answers, &file, &content).await?;
        let Listed { path, size_bytes, executable, .. } = file;
        files.push(GitFile { path, digest, size_bytes, executable, content });
    }
    Ok(files)
}

/// Everything in the commit, which is never more than a deployment may have.
async fn list(git: &Git<'_>, commit: &str) -> Result<Vec<Listed>, GitError> {
    let mut command = git.command(&["ls-tree", "-r", "-z", "-l", "--full-tree", commit]);
    let mut child = command.stderr(Stdio::null()).spawn()?;
    let _group = Group::of(child.id());
    let stdout = child.stdout.take().ok_or_else(|| GitError::Internal("git cannot be listened to".to_owned()))?;
    let mut lines = BufReader::new(stdout);
    let (mut listed, mut total) = (Vec::new(), 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut lines).take(LONGEST_LINE).read_until(0, &mut line).await? == 0 {
            break;
        }
        if line.pop() != Some(0) {
            return Err(GitError::Refused("the commit has a path that is too long".to_owned()));
        }
        let Some(file) = parse(&line)? else { continue };
        total = total.saturating_add(file.size_bytes);
        listed.push(file);
        if listed.len() > MAX_FILES || total > MAX_TOTAL_BYTES {
            let text =
                format!("the commit has more than {MAX_FILES} files, or more than {MAX_TOTAL_BYTES} bytes in all");
            return Err(GitError::Refused(text));
        }
    }
    if child.wait().await?.success() { Ok(listed) } else { Err(GitError::Refused("the commit is damaged".to_owned())) }
}

/// `mode type object size<TAB>path`; none for a submodule, which stays an empty folder as in every plain clone.
fn parse(line: &[u8]) -> Result<Option<Listed>, GitError> {
    let text = std::str::from_utf8(line)
        .map_err(|_| GitError::Refused("the commit has a path that is no UTF-8 text".to_owned()))?;
    let unreadable = || GitError::Internal(format!("git lists {}", quote(text)));
    let (head, path) = text.split_once('\t').ok_or_else(unreadable)?;
    let mut words = head.split_ascii_whitespace();
    let (Some(mode), Some(_), Some(object), Some(size)) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(unreadable());
    };
    match mode {
        "160000" => return Ok(None),
        "120000" => {
            let text = format!("{} is a symbolic link, which no deployment can have", quote(path));
            return Err(GitError::Refused(text));
        }
        _ => {}
    }
    let size_bytes = size.parse().map_err(|_| unreadable())?;
    if size_bytes > MAX_FILE_BYTES {
        return Err(GitError::Refused(format!("{} is larger than {MAX_FILE_BYTES} bytes", quote(path))));
    }
    let (object, path) = (object.to_owned(), path.to_owned());
    Ok(Some(Listed { object, path, size_bytes, executable: mode == "100755" }))
}

/// `object type size`, the content, a line end.
async fn copy(answers: &mut BufReader<ChildStdout>, file: &Listed, to: &Path) -> Result<Digest, GitError> {
    let damaged = || GitError::Refused(format!("the commit is damaged at {}", quote(&file.path)));
    let mut head = String::new();
    (&mut *answers).take(LONGEST_LINE).read_line(&mut head).await?;
    if head.trim_end() != format!("{} blob {}", file.object, file.size_bytes) {
        return Err(damaged());
    }
    let mut hasher = blake3::Hasher::new();
    let mut out = tokio::fs::File::create_new(to).await?;
    let mut rest = (&mut *answers).take(file.size_bytes);
    let mut buffer = vec![0; 64 * 1024];
    let mut read = 0_u64;
    while let count @ 1.. = rest.read(&mut buffer).await? {
        let part = buffer.get(..count).unwrap_or_default();
        hasher.update(part);
        out.write_all(part).await?;
        read += count as u64;
    }
    out.flush().await?;
    let mut end = [0];
    answers.read_exact(&mut end).await?;
    if read == file.size_bytes && end == *b"\n" { Ok(hasher.finalize().into()) } else { Err(damaged()) }
}
