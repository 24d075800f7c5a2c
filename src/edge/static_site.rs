//! A static site: a map from path to stored file, and the answers from it. A request is looked up in the map and nowhere
//! else, so that no path leads outside it. It must not know where the files come from.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Frame,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
        LOCATION, X_CONTENT_TYPE_OPTIONS,
    },
};

use serde::{Deserialize, Serialize};

use super::{
    body::{BoxError, ResponseBody, full},
    compress::{self, Coding},
    conditional::{Wanted, wanted},
    pages::Problem,
};

/// Files up to this size are kept in memory once they were asked for.
const SMALL: u64 = 256 * 1024;
/// All files of one site that are kept in memory.
const KEPT: u64 = 8 * 1024 * 1024;
/// Files up to this size are made smaller for clients that take it so.
const PACKABLE: u64 = 1024 * 1024;
/// One read from disk.
const READ: u64 = 256 * 1024;

/// One file of a site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StaticFile {
    /// The path of its URL, decoded, without the leading slash, as `docs/index.html`.
    pub path: String,
    /// Where its bytes are. They must never change.
    pub blob: PathBuf,
    /// In bytes.
    pub size: u64,
    /// Hexadecimal digest of the bytes; becomes the `ETag`.
    pub digest: String,
    /// Guessed from the path if absent.
    pub content_type: Option<String>,
}

/// How a site answers for paths that it does not have. Both name files of the site.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SiteOptions {
    /// The page for 404.
    pub not_found: Option<String>,
    /// Answers with 200 for every path without a file extension: single-page applications route by themselves.
    pub fallback: Option<String>,
}

/// A static site. Two of the same name are the same.
#[derive(Debug)]
pub struct StaticSite {
    name: String,
    files: HashMap<String, Entry>,
    options: SiteOptions,
    kept: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    blob: PathBuf,
    size: u64,
    etag: String,
    content_type: HeaderValue,
    bytes: OnceLock<Bytes>,
    /// Made smaller: by brotli, by gzip. None if that came to nothing.
    packed: [OnceLock<Option<Bytes>>; 2],
}

impl Entry {
    fn is_packable(&self) -> bool {
        (compress::SMALLEST..=PACKABLE).contains(&self.size) && compress::pays(Some(&self.content_type))
    }
}

impl PartialEq for StaticSite {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// How a table names a site: whoever reads it puts the site that it knows under this name in the place.
pub(super) mod by_name {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{SiteOptions, StaticSite};

    pub(in super::super) fn serialize<S: Serializer>(site: &Arc<StaticSite>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&site.name)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<StaticSite>, D::Error> {
        Ok(Arc::new(StaticSite::new(String::deserialize(from)?, [], SiteOptions::default())))
    }
}

enum Found<'a> {
    File(&'a Entry),
    Fallback(&'a Entry, StatusCode),
    Directory,
    Nothing,
}

impl StaticSite {
    /// A site of these files, which never change under this name. Reads none of them yet.
    pub fn new(name: String, files: impl IntoIterator<Item = StaticFile>, options: SiteOptions) -> Self {
        let files = files.into_iter().map(|file| {
            let guess = || {
                let kind = mime_guess::from_path(&file.path).first_or_octet_stream();
                let text = kind.type_() == mime_guess::mime::TEXT || kind.subtype() == mime_guess::mime::JAVASCRIPT;
                if text { format!("{kind}; charset=utf-8") } else { kind.to_string() }
            };
            let content_type = HeaderValue::try_from(file.content_type.clone().unwrap_or_else(guess));
            let entry = Entry {
                blob: file.blob,
                size: file.size,
                etag: format!("\"{}\"", file.digest),
                content_type: content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
                bytes: OnceLock::new(),
                packed: Default::default(),
            };
            (file.path, entry)
        });
        Self { name, files: files.collect(), options, kept: AtomicU64::new(0) }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What another process makes the same site of.
    pub(super) fn description(&self) -> (Vec<StaticFile>, SiteOptions) {
        let files = self.files.iter().map(|(path, entry)| StaticFile {
            path: path.clone(),
            blob: entry.blob.clone(),
            size: entry.size,
            digest: entry.etag.trim_matches('"').to_owned(),
            content_type: entry.content_type.to_str().ok().map(ToOwned::to_owned),
        });
        (files.collect(), self.options.clone())
    }

    /// Answers a request; made smaller by `coding`, if that is worth it.
    pub(super) async fn respond<B>(
        &self,
        request: &Request<B>,
        coding: Option<Coding>,
    ) -> Result<Response<ResponseBody>, Problem> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::MethodNotAllowed);
        }
        let path = decode(request.uri().path())?;
        let (entry, status) = match self.find(&path) {
            Found::File(entry) => (entry, StatusCode::OK),
            Found::Fallback(entry, status) => (entry, status),
            Found::Directory => return redirect(request),
            Found::Nothing => return Err(Problem::NotFound),
        };
        let want = match wanted(request.headers(), &entry.etag, entry.size) {
            _ if status != StatusCode::OK => Wanted::Whole,
            Wanted::Part { .. } | Wanted::Unsatisfiable if *request.method() == Method::HEAD => Wanted::Whole,
            want => want,
        };
        let mut response = Response::new(full(""));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0, must-revalidate"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::OK {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            if let Ok(etag) = HeaderValue::from_str(&entry.etag) {
                headers.insert(ETAG, etag);
            }
        }
        let (status, first, length) = match want {
            Wanted::Whole => (status, 0, entry.size),
            Wanted::Part { first, last } => {
                let range = format!("bytes {first}-{last}/{}", entry.size);
                headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(|_| Problem::Unreadable)?);
                (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
            }
            Wanted::Unsatisfiable => {
                let range = format!("bytes */{}", entry.size);
                headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(|_| Problem::Unreadable)?);
                (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0)
            }
            Wanted::Unchanged => (StatusCode::NOT_MODIFIED, 0, 0),
            Wanted::Other => (StatusCode::PRECONDITION_FAILED, 0, 0),
        };
        if entry.is_packable() {
            compress::varies(headers);
        }
        if let (Wanted::Whole, StatusCode::OK, Some(coding)) = (want, status, coding)
            && let Some(packed) = self.packed(entry, coding).await
        {
            headers.insert(CONTENT_TYPE, entry.content_type.clone());
            headers.insert(CONTENT_ENCODING, coding.name());
            headers.insert(CONTENT_LENGTH, HeaderValue::from(packed.len()));
            headers.remove(ACCEPT_RANGES);
            // Other bytes than those that the strong one stands for.
            if let Ok(weak) = HeaderValue::try_from(format!("W/{}", entry.etag)) {
                headers.insert(ETAG, weak);
            }
            if *request.method() == Method::GET {
                *response.body_mut() = full(packed);
            }
            return Ok(response);
        }
        let sends = matches!(want, Wanted::Whole | Wanted::Part { .. });
        if sends {
            headers.insert(CONTENT_TYPE, entry.content_type.clone());
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.status_mut() = status;
        if sends && *request.method() == Method::GET {
            *response.body_mut() = self.read(entry, first, length).await.map_err(|error| {
                tracing::error!(%error, blob = %entry.blob.display(), "a stored file cannot be read");
                Problem::Unreadable
            })?;
        }
        Ok(response)
    }

    fn find(&self, path: &str) -> Found<'_> {
        let index = |folder: &str| self.files.get(&format!("{folder}index.html"));
        let direct = if path.is_empty() || path.ends_with('/') { index(path) } else { self.files.get(path) };
        if let Some(entry) = direct {
            return Found::File(entry);
        }
        if !path.is_empty() && !path.ends_with('/') && index(&format!("{path}/")).is_some() {
            return Found::Directory;
        }
        let named = |name: &Option<String>| name.as_ref().and_then(|name| self.files.get(name));
        let extension = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
        if let Some(entry) = named(&self.options.fallback).filter(|_| !extension) {
            return Found::Fallback(entry, StatusCode::OK);
        }
        named(&self.options.not_found).map_or(Found::Nothing, |entry| Found::Fallback(entry, StatusCode::NOT_FOUND))
    }

    /// A file made smaller: once, and kept as long as there is room.
    async fn packed(&self, entry: &Entry, coding: Coding) -> Option<Bytes> {
        let kept = &entry.packed[usize::from(coding == Coding::Gzip)];
        if let Some(packed) = kept.get() {
            return packed.clone();
        }
        if !entry.is_packable() {
            return None;
        }
        let (blob, size) = (entry.blob.clone(), entry.size);
        let packed = blocking(move || compress::whole(&read_at(&File::open(blob)?, 0, size)?, coding)).await.ok()?;
        let length = packed.len() as u64;
        let room = self.kept.fetch_add(length, Ordering::Relaxed) + length <= KEPT;
        let packed = (room && length < size).then(|| Bytes::from(packed));
        // Two who came at once have made it twice; one of them is kept.
        if kept.set(packed.clone()).is_err() || packed.is_none() {
            self.kept.fetch_sub(length, Ordering::Relaxed);
        }
        packed
    }

    async fn read(&self, entry: &Entry, first: u64, length: u64) -> io::Result<ResponseBody> {
        if let Some(bytes) = entry.bytes.get() {
            return Ok(full(slice(bytes, first, length)));
        }
        let blob = entry.blob.clone();
        if entry.size <= SMALL {
            let size = entry.size;
            let bytes = blocking(move || read_at(&File::open(blob)?, 0, size)).await?;
            if self.kept.fetch_add(size, Ordering::Relaxed) + size > KEPT || entry.bytes.set(bytes.clone()).is_err() {
                self.kept.fetch_sub(size, Ordering::Relaxed);
            }
            return Ok(full(slice(&bytes, first, length)));
        }
        // Opened and read once before the head is sent, so that a lost file is an error page and not a broken download.
        let file = Arc::new(blocking(move || File::open(blob)).await?);
        let end = first + length;
        let opened = file.clone();
        let start = blocking(move || read_at(&opened, first, READ.min(length))).await?;
        let at = first + start.len() as u64;
        let rest = stream::try_unfold((file, at), move |(file, at)| async move {
            if at >= end {
                return Ok::<_, BoxError>(None);
            }
            let opened = file.clone();
            let bytes = blocking(move || read_at(&opened, at, READ.min(end - at))).await?;
            let next = at + bytes.len() as u64;
            Ok(Some((Frame::data(bytes), (file, next))))
        });
        let start = stream::once(std::future::ready(Ok(Frame::data(start))));
        Ok(StreamBody::new(futures_util::StreamExt::chain(start, rest)).boxed_unsync())
    }
}

/// The path that a request means, without its leading slash. Decoded once. Refuses what a browser or a file system could
/// take for another path: dot segments, encoded slashes, backslashes, control characters.
fn decode(path: &str) -> Result<String, Problem> {
    const BAD: Problem = Problem::BadRequest("The path is not valid.");
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/').ok_or(BAD)?.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(BAD) };
        let byte = u8::try_from(high * 16 + low).map_err(|_| BAD)?;
        if byte == b'/' {
            return Err(BAD);
        }
        bytes.push(byte);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| BAD)?;
    let suspicious = decoded.chars().any(|letter| letter.is_control() || letter == '\\')
        || decoded.split('/').any(|segment| segment == "." || segment == "..");
    if suspicious { Err(BAD) } else { Ok(decoded) }
}

/// To the same path with a slash at its end, so that relative links of the folder's index work. Not permanent: the next
/// deployment may have a file there.
fn redirect<B>(request: &Request<B>) -> Result<Response<ResponseBody>, Problem> {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{}/{query}", request.uri().path()));
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, location.map_err(|_| Problem::NotFound)?);
    Ok(response)
}

fn slice(bytes: &Bytes, first: u64, length: u64) -> Bytes {
    let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(bound(first)..bound(first + length))
}

fn read_at(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut buffer, at)?;
    Ok(Bytes::from(buffer))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
