//! What a control plane and an edge in a process of its own say to each other, over a socket that only their user can open:
//! listening sockets in both directions first, then messages of JSON, each after its length. It must not know what is done
//! about them.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::TcpListener,
    os::{fd::AsFd, linux::fs::MetadataExt},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{io::Interest, net::UnixStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{
    DrainReport, StillRouted,
    routes::RouteTable,
    static_site::{SiteOptions, StaticFile, StaticSite},
};
use crate::{domain::traffic::Traffic, reach::Address};

/// The name of the socket in the data folder.
pub(super) const SOCKET: &str = "edge.sock";
/// More listeners than an edge has.
const MOST_LISTENERS: usize = 8;
/// A table of a million hosts is smaller.
const LONGEST: usize = 256 << 20;

/// Messages with their lengths.
pub(super) type Messages = Framed<UnixStream, LengthDelimitedCodec>;

/// Which program an edge runs, from when it was started. Another one, as after an upgrade, takes the listeners over.
pub(super) fn build() -> io::Result<String> {
    let file = std::fs::metadata("/proc/self/exe")?;
    let written = (file.st_mtime(), file.st_mtime_nsec());
    Ok(format!("{} {:x}.{:x}.{:x}.{:x}", env!("CARGO_PKG_VERSION"), file.st_dev(), file.st_ino(), written.0, written.1))
}

/// How an edge is set up. With other settings it is another edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Clients that do not come over TLS came over it to something in front.
    pub https: bool,
    /// The port at which visitors reach HTTPS, if it is not the one that the edge listens on.
    pub https_port: Option<u16>,
    /// A retired target that nobody drains is cut after this time.
    pub drain_grace: Duration,
}

/// What an edge says first. Later versions have to be able to read it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Hello {
    pub(super) build: String,
    /// None while it serves nothing yet.
    pub(super) setup: Option<Setup>,
    /// Of the table that it serves.
    pub(super) version: u64,
    /// The sites that it holds, by name.
    pub(super) sites: HashSet<String>,
}

/// A site that tables name.
#[derive(Serialize, Deserialize)]
pub(super) struct Site {
    name: String,
    files: Vec<StaticFile>,
    options: SiteOptions,
}

impl From<&StaticSite> for Site {
    fn from(site: &StaticSite) -> Self {
        let (files, options) = site.description();
        Self { name: site.name().to_owned(), files, options }
    }
}

impl From<Site> for StaticSite {
    fn from(site: Site) -> Self {
        Self::new(site.name, site.files, site.options)
    }
}

/// What a control plane says.
#[derive(Serialize, Deserialize)]
pub(super) enum Said<Table = RouteTable> {
    /// A site that the next table names and the edge does not hold.
    Site(Site),
    /// What is to be served from now on.
    Table(Table),
    /// Something that is answered.
    Call(u64, Call),
}

/// What an edge says after the first.
#[derive(Serialize, Deserialize)]
pub(super) enum Told {
    /// The table that is served.
    Applied(u64),
    /// A sleeping deployment that somebody visits.
    Wake(String),
    /// To the call of this number.
    Answer(u64, Answer),
}

/// What an edge is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Call {
    Drain {
        key: String,
        grace: Duration,
    },
    DrainDeployment {
        deployment: String,
        grace: Duration,
    },
    DrainInstance {
        deployment: String,
        address: Address,
        grace: Duration,
    },
    InFlight {
        deployment: String,
    },
    TakeVisited,
    TakeTraffic,
    /// Another edge has the listeners now; answered when no request comes to this one any more. Later versions have to be
    /// able to ask this, and the next.
    Leave,
    /// End, and cut after this time what has not ended.
    Stop {
        grace: Duration,
    },
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Drained(Result<DrainReport, StillRouted>),
    InFlight(usize),
    Visited(HashSet<String>),
    Counted(HashMap<String, Traffic>),
    Done,
}

/// Begins to speak over a connection, with whoever runs as the same user.
///
/// # Errors
/// It is somebody else.
pub(super) fn messages(stream: UnixStream) -> io::Result<Messages> {
    if stream.peer_cred()?.uid() != geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user is at the edge's socket"));
    }
    let codec = LengthDelimitedCodec::builder().max_frame_length(LONGEST).new_codec();
    Ok(Framed::new(stream, codec))
}

/// Sends a message.
///
/// # Errors
/// The other side is gone, or the message is too long.
pub(super) async fn send(
    to: &mut (impl SinkExt<bytes::Bytes, Error = io::Error> + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    to.send(serde_json::to_vec(message)?.into()).await
}

/// The next message.
///
/// # Errors
/// `UnexpectedEof` when there is none any more; when it cannot be read.
pub(super) async fn next<T: DeserializeOwned>(
    from: &mut (impl StreamExt<Item = io::Result<bytes::BytesMut>> + Unpin),
) -> io::Result<T> {
    let message = from.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
    Ok(serde_json::from_slice(&message)?)
}

/// Hands listeners over, between messages; whoever takes them waits for exactly that.
///
/// # Errors
/// The other side is gone.
pub(super) async fn give(to: &UnixStream, listeners: &[TcpListener]) -> io::Result<()> {
    let listeners: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    to.async_io(Interest::WRITABLE, || reeve_sandbox::socket::give(to, &listeners)).await
}

/// Takes the listeners that were handed over.
///
/// # Errors
/// The other side is gone.
pub(super) async fn take(from: &UnixStream) -> io::Result<Vec<TcpListener>> {
    let taken = from.async_io(Interest::READABLE, || reeve_sandbox::socket::take::<MOST_LISTENERS>(from)).await?;
    Ok(taken.into_iter().map(TcpListener::from).collect())
}
