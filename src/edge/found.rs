//! The edge that another server has left behind: found by its socket, asked for its listening sockets, sent away or ended.
//! It must not know what comes in its place.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::net::UnixStream;

use super::{
    routes::RouteTable,
    wire::{self, Answer, Call, Hello, Messages, SOCKET, Said, Setup, Told},
};
use crate::reach;

/// An edge answers at once, unless it hangs; a busy machine is no reason to end one.
const GREETING: Duration = Duration::from_secs(20);
/// An edge that is being left closes what is silent within seconds.
const LEAVING: Duration = Duration::from_secs(10);

/// The edge that was there before.
pub struct Found {
    pub(super) messages: Messages,
    pub(super) hello: Hello,
    pub(super) listeners: Vec<TcpListener>,
}

/// Looks for the edge of a data folder. One that does not answer is ended.
///
/// # Errors
/// The socket is another user's, or cannot be used.
pub async fn find(folder: &Path) -> io::Result<Option<Found>> {
    let socket = folder.join(SOCKET);
    let stream = match connect(&socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    let pid = stream.peer_cred()?.pid();
    let messages = wire::messages(stream)?;
    match tokio::time::timeout(GREETING, Found::greeted(messages)).await.unwrap_or(Err(ErrorKind::TimedOut.into())) {
        Ok(found) => Ok(Some(found)),
        // It was ending.
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Ok(None),
        Err(error) => {
            tracing::error!(%error, pid, "the edge does not answer and is ended");
            if let Some(pid) = pid {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            Ok(None)
        }
    }
}

/// Ends the edge of a data folder, if there is one; what has not ended after `grace` is cut. Whether there was one.
///
/// # Errors
/// The socket is another user's, or the edge went away without an answer.
pub async fn stop(folder: &Path, grace: Duration) -> io::Result<bool> {
    let Some(mut found) = find(folder).await? else { return Ok(false) };
    found.ask(Call::Stop { grace }).await?;
    Ok(true)
}

pub(super) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (short, _folder) = reach::short(socket)?;
    UnixStream::connect(short).await
}

impl Found {
    /// Speaks with an edge that serves already, and needs nothing.
    async fn greeted(messages: Messages) -> io::Result<Self> {
        let mut found = Self::met(messages).await?;
        found.give(&[], &Setup::default()).await?;
        Ok(found)
    }

    pub(super) async fn met(mut messages: Messages) -> io::Result<Self> {
        let listeners = wire::take(messages.get_ref()).await?;
        let hello = wire::next(&mut messages).await?;
        Ok(Self { messages, hello, listeners })
    }

    /// Gives the edge what it is to serve with, unless it knows that already.
    pub(super) async fn give(&mut self, listeners: &[TcpListener], setup: &Setup) -> io::Result<()> {
        wire::give(self.messages.get_ref(), listeners).await?;
        wire::send(&mut self.messages, setup).await
    }

    /// The listening socket of this edge for an address, if it has one; for port 0, any on the same host.
    pub fn listener(&self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        let fits = |at: SocketAddr| at == address || address.port() == 0 && at.ip() == address.ip();
        let listener = self.listeners.iter().find(|listener| listener.local_addr().is_ok_and(fits))?;
        Some(listener.try_clone())
    }

    /// Has the edge close its listeners before another takes its place: where that needs an address that overlaps.
    pub async fn release(mut self) {
        self.listeners.clear();
        self.leave().await;
    }

    async fn ask(&mut self, call: Call) -> io::Result<Answer> {
        wire::send(&mut self.messages, &Said::<RouteTable>::Call(0, call)).await?;
        loop {
            if let Told::Answer(_, answer) = wire::next(&mut self.messages).await? {
                return Ok(answer);
            }
        }
    }

    /// Waits until no request comes to this edge any more, since another has its listeners.
    pub(super) async fn leave(mut self) {
        let left = tokio::time::timeout(LEAVING, self.ask(Call::Leave)).await;
        if let Err(error) = left.unwrap_or(Err(ErrorKind::TimedOut.into())) {
            tracing::warn!(%error, "the edge before did not say that it has left");
        }
    }
}
