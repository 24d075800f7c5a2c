//! Sends the files that the server misses, several at a time. It must not know what a deployment is.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{Body, Method, Url, header};
use serde::Deserialize;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::walk::Folder;
use crate::{
    cli::{
        client::{Client, answer, unreachable},
        exit::Exit,
        failure::Failure,
        output::Output,
    },
    domain::digest::Digest,
};

/// Enough to hide the latency of each, few enough for one small machine.
const AT_A_TIME: usize = 6;
/// Pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];
/// For one file: 100 MiB on a slow line.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
const CHUNK: usize = 64 << 10;

/// A content that the server does not have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Missing {
    /// What it is.
    pub(super) digest: Digest,
    /// How much it is.
    pub(super) size_bytes: u64,
    /// Where it goes.
    pub(super) upload_url: String,
}

/// One file on its way.
struct Parcel {
    path: PathBuf,
    size: u64,
    url: Url,
}

/// Sends them all, or stops at the first that cannot be sent.
pub(super) async fn send(
    client: &Client,
    output: Output,
    folder: &Folder,
    missing: &[Missing],
    token: &str,
) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let bar = bar(output, missing.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add));
    let parcels = parcels(client, folder, missing)?;
    let sent = stream::iter(parcels.into_iter().map(Ok::<_, Failure>))
        .try_for_each_concurrent(AT_A_TIME, |parcel| {
            let bar = &bar;
            async move { send_one(client, &parcel, token, bar).await }
        })
        .await;
    bar.finish_and_clear();
    sent?;
    output.note(&format!("sent {} files", missing.len()));
    Ok(())
}

/// Which file each missing content is in. A server can only ask for contents that it was told of.
fn parcels(client: &Client, folder: &Folder, missing: &[Missing]) -> Result<Vec<Parcel>, Failure> {
    let by_digest: HashMap<Digest, _> = folder.manifest.entries().iter().map(|entry| (entry.digest, entry)).collect();
    let strange =
        |what: &str| Failure::new(Exit::Failed, format!("the server asks for {what}, nothing was sent there"));
    let secure = client.server().starts_with("https:");
    let parcel = |file: &Missing| {
        let entry = by_digest.get(&file.digest).ok_or_else(|| strange("a file that is not deployed"))?;
        let url = client.resolve(&file.upload_url).ok_or_else(|| strange("files at an address that is none"))?;
        if secure && url.scheme() != "https" {
            return Err(strange("files over an unprotected connection"));
        }
        Ok(Parcel { path: folder.root.join(entry.path.as_str()), size: entry.size_bytes, url })
    };
    missing.iter().map(parcel).collect()
}

fn bar(output: Output, bytes: u64) -> ProgressBar {
    let target = if output.animates() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("  {bar:32} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left");
    let bar = ProgressBar::with_draw_target(Some(bytes), target);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

async fn send_one(client: &Client, parcel: &Parcel, token: &str, bar: &ProgressBar) -> Result<(), Failure> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let counted = Arc::new(AtomicU64::new(0));
        let failure = match attempt(client, parcel, token, bar, &counted).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        bar.dec(counted.load(Ordering::Relaxed));
        match pauses.next() {
            Some(pause) if failure.exit == Exit::Unavailable || failure.code == "INTERNAL" => {
                tokio::time::sleep(pause).await
            }
            Some(_) | None => return Err(explain(failure, parcel)),
        }
    }
}

async fn attempt(
    client: &Client,
    parcel: &Parcel,
    token: &str,
    bar: &ProgressBar,
    counted: &Arc<AtomicU64>,
) -> Result<(), Failure> {
    let unreadable = |error: io::Error| Failure::local("the file cannot be read", error);
    let file = File::open(&parcel.path).await.map_err(unreadable)?;
    if file.metadata().await.map_err(unreadable)?.len() != parcel.size {
        return Err(Failure::new(Exit::Conflict, "the file changed meanwhile, deploy again"));
    }
    let (bar, counted) = (bar.clone(), Arc::clone(counted));
    let body = ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| {
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        counted.fetch_add(bytes, Ordering::Relaxed);
        bar.inc(bytes);
    });
    let host = parcel.url.host_str().unwrap_or_default().to_owned();
    let sent = client
        .request(Method::PUT, parcel.url.clone())
        .timeout(TIMEOUT)
        .bearer_auth(token)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, parcel.size)
        .body(Body::wrap_stream(body))
        .send()
        .await;
    answer(&host, sent.map_err(|error| unreachable(&host, &error))?).await.map(drop)
}

/// Says which file it was, and what becomes of the others.
fn explain(mut failure: Failure, parcel: &Parcel) -> Failure {
    failure.message = format!(
        "`{}` cannot be sent: {}; what was sent is kept, deploy again to go on",
        parcel.path.display(),
        failure.message
    );
    failure
}
