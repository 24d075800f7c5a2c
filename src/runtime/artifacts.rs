//! Deployed files by content, in a folder of this machine; it must not know deployments, nor who sends a file.
//!
//! Every project has blobs of its own (`blobs/<project>/<first two digits>/<digest>`): were they shared, naming a digest
//! would give a stranger the file, or at least tell that somebody has it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::{
    domain::digest::Digest,
    sys::{clock, random},
};

const MAX_PROJECT: usize = 64;

/// The store; cloning it is cheap and gives the same one.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
    /// Shared by those who count on what is there, held alone by whoever takes something away.
    collection: Arc<RwLock<()>>,
}

/// Why a file was not taken; nothing of it is left.
#[derive(Debug)]
pub enum ReceiveError {
    /// It is another file than was announced.
    DigestMismatch {
        /// What was sent.
        actual: Digest,
    },
    /// It is longer than was announced; the rest was not read.
    TooLarge,
    /// It ended before the announced length.
    TooShort,
    /// The sender stopped or its connection broke.
    Body(String),
    /// The disk is full or broken, or the project's id is not one.
    Io(io::Error),
}

impl ReceiveError {
    /// What is wrong and what to do, for the sender.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::DigestMismatch { actual } => {
                format!("the file has the digest `{actual}`, send the one you announced")
            }
            Self::TooLarge => "the file is longer than announced, announce it again with its size".to_owned(),
            Self::TooShort => "the file is shorter than announced, send it again in full".to_owned(),
            Self::Body(_) => "the upload broke off, send the file again".to_owned(),
            Self::Io(_) => "the file cannot be stored now, try again later".to_owned(),
        }
    }
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Artifacts {
    /// A store in this folder, which is made when the first file arrives.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), collection: Arc::default() }
    }

    /// As long as this is held, nothing that is there is taken away by [`Artifacts::collecting`].
    pub async fn keep(&self) -> OwnedRwLockReadGuard<()> {
        self.collection.clone().read_owned().await
    }

    /// Waits until nobody counts on what is there, and keeps them away while this is held.
    pub async fn collecting(&self) -> OwnedRwLockWriteGuard<()> {
        self.collection.clone().write_owned().await
    }

    /// Takes a file while it is sent: hashed on the way, cut off as soon as it is too long, and visible only when it is
    /// complete, right and on the disk. One that is there already is not read again.
    ///
    /// # Errors
    /// See `ReceiveError`.
    pub async fn receive<E: fmt::Display>(
        &self,
        project: &str,
        digest: &Digest,
        expected_size: u64,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<(), ReceiveError> {
        let target = self.path(project, digest)?;
        if let Some(size) = size_of(&target).await? {
            return sized(size, expected_size);
        }
        let incoming = Incoming::create(&self.folder)?;
        let mut file = tokio::fs::File::from_std(incoming.file.try_clone()?);
        let mut hasher = blake3::Hasher::new();
        let mut size = 0_u64;
        let mut body = pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ReceiveError::Body(error.to_string()))?;
            size = size.saturating_add(chunk.len() as u64);
            if size > expected_size {
                return Err(ReceiveError::TooLarge);
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        sized(size, expected_size)?;
        let actual = hasher.finalize().into();
        if actual != *digest {
            return Err(ReceiveError::DigestMismatch { actual });
        }
        blocking(move || incoming.publish(&target)).await?;
        Ok(())
    }

    /// Whether the file is there.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub async fn has(&self, project: &str, digest: &Digest) -> io::Result<bool> {
        Ok(size_of(&self.path(project, digest)?).await?.is_some())
    }

    /// Where the file is, or would be. It must not be written to.
    ///
    /// # Errors
    /// When the project's id is anything but letters, digits and `_`.
    pub fn path(&self, project: &str, digest: &Digest) -> io::Result<PathBuf> {
        let name = digest.to_string();
        let (first, _) = name.split_at(2);
        Ok(self.project(project)?.join(first).join(&name))
    }

    /// Reads the file in full: whether it is there and still what its name says.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub async fn verify(&self, project: &str, digest: &Digest) -> io::Result<bool> {
        let path = self.path(project, digest)?;
        let digest = *digest;
        blocking(move || {
            let Some(file) = unless_missing(File::open(path))? else { return Ok(false) };
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file)?;
            Ok(Digest::from(hasher.finalize()) == digest)
        })
        .await
    }

    /// Removes one file. That no deployment needs it any more is for the caller to know.
    ///
    /// # Errors
    /// When the disk refuses; a file that is gone already is none.
    pub async fn remove(&self, project: &str, digest: &Digest) -> io::Result<()> {
        unless_missing(tokio::fs::remove_file(self.path(project, digest)?).await).map(drop)
    }

    /// Removes all files of a project.
    ///
    /// # Errors
    /// When the disk refuses; a project without files is none.
    pub async fn remove_project(&self, project: &str) -> io::Result<()> {
        unless_missing(tokio::fs::remove_dir_all(self.project(project)?).await).map(drop)
    }

    /// Removes what a crash left of files that were being received, and gives their number. The age keeps it from taking
    /// away a file that another process is receiving.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn remove_stale(&self, older_than: Duration) -> io::Result<u64> {
        let folder = incoming_folder(&self.folder);
        let now = clock::now();
        blocking(move || {
            let Some(files) = unless_missing(fs::read_dir(folder))? else { return Ok(0) };
            let mut removed = 0;
            for file in files {
                let file = file?;
                let Some(metadata) = unless_missing(file.metadata())? else { continue };
                let age = now - DateTime::<Utc>::from(metadata.modified()?);
                if age.to_std().unwrap_or_default() >= older_than
                    && unless_missing(fs::remove_file(file.path()))?.is_some()
                {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    fn project(&self, project: &str) -> io::Result<PathBuf> {
        let plain = project.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || project.is_empty() || project.len() > MAX_PROJECT {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a project's id must be letters, digits and `_`"));
        }
        Ok(self.folder.join("blobs").join(project))
    }
}

/// A file being received; it removes itself unless it is published, also when the request is dropped half-way.
struct Incoming {
    path: PathBuf,
    file: File,
}

impl Incoming {
    /// Opens without leaving the thread: were this future dropped while another thread opened the file, the file would
    /// appear after its guard had gone.
    fn create(folder: &Path) -> io::Result<Self> {
        let folder = incoming_folder(folder);
        fs::create_dir_all(&folder)?;
        let path = folder.join(random::token());
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }

    /// On the disk first, then visible: a file under its final name is always whole, also after a power cut.
    fn publish(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        fs::rename(&self.path, target)?;
        File::open(parent)?.sync_all()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Err(error) = unless_missing(fs::remove_file(&self.path)) {
            tracing::warn!(%error, path = %self.path.display(), "a partly received file could not be removed");
        }
    }
}

fn incoming_folder(folder: &Path) -> PathBuf {
    folder.join("incoming")
}

fn sized(size: u64, expected: u64) -> Result<(), ReceiveError> {
    match size.cmp(&expected) {
        std::cmp::Ordering::Less => Err(ReceiveError::TooShort),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ReceiveError::TooLarge),
    }
}

async fn size_of(path: &Path) -> io::Result<Option<u64>> {
    Ok(unless_missing(tokio::fs::metadata(path).await)?.map(|metadata| metadata.len()))
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
