//! A crowd at the links of a server: some keep their connections, some come anew each time, one holds a WebSocket and one a
//! long stream. Nobody of them may ever get anything but what the link serves at that moment.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::{client_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use super::visitor::Visitor;
use crate::harness::{PATIENCE, eventually, host};

/// A program with `/ws`, which echoes short messages, and `/stream`, which counts for ever.
pub(super) const HELD: &str = r#"
import asyncio, base64, hashlib, os
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
async def stream(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    number = 0
    while True:
        line = b"number %d\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()
        await asyncio.sleep(0.02)
        number += 1
async def socket(reader, writer, head):
    key = [line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")][0][18:].strip()
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
    while True:
        first, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(length & 127)
        body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
        writer.write(bytes([first, len(body)]) + body)
async def visit(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1]
        if path == b"/stream":
            await stream(writer)
        elif path == b"/ws":
            await socket(reader, writer, head)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    server = await asyncio.start_server(visit, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()
asyncio.run(main())
"#;

/// A link and what may answer there: what was there last, and from the moment on that another is wanted, that as well.
pub(super) struct Link {
    edge: SocketAddr,
    host: String,
    order: Mutex<Vec<String>>,
    drained: AtomicUsize,
    answers: AtomicU64,
}

impl Link {
    pub(super) fn new(edge: SocketAddr, url: &str, version: &str) -> Arc<Self> {
        let order = Mutex::new(vec![version.to_owned()]);
        let (drained, answers) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { edge, host: host(url), order, drained, answers })
    }

    /// This version may answer from now on.
    pub(super) fn wants(&self, version: &str) {
        self.order().push(version.to_owned());
    }

    /// Nothing but the version that was wanted last may answer from now on.
    pub(super) fn has_drained(&self) {
        self.drained.store(self.order().len() - 1, SeqCst);
    }

    fn order(&self) -> MutexGuard<'_, Vec<String>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn visit(&self, visitor: &mut Option<Visitor>) -> Result<(), String> {
        let from = self.drained.load(SeqCst);
        let refused = |error| format!("no connection: {error}");
        let mut visiting = match visitor.take() {
            Some(kept) => kept,
            None => Visitor::at_once(self.edge, &self.host).await.map_err(refused)?,
        };
        let answer = visiting.visit().await;
        let allowed = self.order()[from..].to_vec();
        if !allowed.contains(&answer) {
            return Err(format!("{}: {allowed:?} may answer; what came: {answer}", self.host));
        }
        self.answers.fetch_add(1, SeqCst);
        *visitor = Some(visiting);
        Ok(())
    }
}

/// Everybody who visits.
pub(super) struct Crowd {
    links: Vec<Arc<Link>>,
    visitors: JoinSet<Vec<Duration>>,
    held: JoinSet<u64>,
    failures: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Crowd {
    /// As many who keep their connections as who do not, shared among the links. Each comes again after `pace`.
    pub(super) fn gather(links: &[Arc<Link>], connections: usize, pace: Duration) -> Self {
        let (failures, stop) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
        let mut visitors = JoinSet::new();
        for place in 0..2 * connections {
            let (link, keeps) = (links[place / 2 % links.len()].clone(), place % 2 == 0);
            let (failures, stop) = (failures.clone(), stop.clone());
            visitors.spawn(async move {
                let (mut visitor, mut times, mut turns) = (None, Vec::new(), interval(pace));
                turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !stop.is_cancelled() {
                    turns.tick().await;
                    let began = Instant::now();
                    if let Err(failure) = link.visit(&mut visitor).await {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                        return times;
                    }
                    times.push(began.elapsed());
                    visitor = visitor.filter(|_| keeps);
                }
                times
            });
        }
        Self { links: links.to_vec(), visitors, held: JoinSet::new(), failures, stop }
    }

    /// One holds a WebSocket of the program [`HELD`], another its stream.
    pub(super) fn hold(&mut self, edge: SocketAddr, url: &str) {
        let (host, stop, failures) = (host(url), self.stop.clone(), self.failures.clone());
        let note = move |held: Result<u64, String>| {
            held.unwrap_or_else(|failure| {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                0
            })
        };
        let socket = talk(edge, host.clone(), stop.clone());
        let noted = note.clone();
        self.held.spawn(async move { noted(socket.await.map_err(|why| format!("the WebSocket: {why}"))) });
        self.held
            .spawn(async move { note(listen(edge, host, stop).await.map_err(|why| format!("the stream: {why}"))) });
    }

    /// Fails if anybody saw a failure.
    pub(super) fn nothing_failed(&self) {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.is_empty(), "{} visitors saw a failure: {failures:#?}", failures.len());
    }

    /// Waits until as many answers have come as a quarter of everybody gets in one turn.
    pub(super) async fn is_served(&self) {
        let enough: Vec<u64> = self.links.iter().map(|link| link.answers.load(SeqCst)).collect();
        let more = (self.visitors.len() / self.links.len() / 4) as u64;
        eventually("visitors are answered", async || {
            self.nothing_failed();
            let answers = self.links.iter().map(|link| link.answers.load(SeqCst));
            answers.zip(&enough).all(|(now, before)| now >= before + more).then_some(())
        })
        .await;
    }

    /// Sends everybody home; how long each answer took, in order, and what came over WebSocket and stream.
    pub(super) async fn end(mut self) -> (Vec<Duration>, u64) {
        self.stop.cancel();
        let visitors = std::mem::take(&mut self.visitors);
        let mut times: Vec<Duration> = visitors.join_all().await.into_iter().flatten().collect();
        let held = std::mem::take(&mut self.held).join_all().await;
        self.nothing_failed();
        assert!(held.iter().all(|messages| *messages > 0), "{held:?}");
        times.sort();
        (times, held.iter().sum())
    }
}

/// Says something again and again, and gets the same back.
async fn talk(edge: SocketAddr, host: String, stop: CancellationToken) -> Result<u64, String> {
    let stream = TcpStream::connect(edge).await.map_err(|error| error.to_string())?;
    let connected = client_async(format!("ws://{host}/ws"), stream).await;
    let (mut socket, _) = connected.map_err(|error| error.to_string())?;
    let (mut said, mut turns) = (0, interval(Duration::from_millis(20)));
    while !stop.is_cancelled() {
        turns.tick().await;
        let word = Message::text(format!("word {said}"));
        socket.send(word.clone()).await.map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, socket.next()).await.map_err(|_| "silence".to_owned())?;
        match answer {
            Some(Ok(answer)) if answer == word => said += 1,
            other => return Err(format!("after {said} words: {other:?}")),
        }
    }
    Ok(said)
}

/// Reads a stream that counts.
async fn listen(edge: SocketAddr, host: String, stop: CancellationToken) -> Result<u64, String> {
    let mut stream = TcpStream::connect(edge).await.map_err(|error| error.to_string())?;
    let request = format!("GET /stream HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(stream).lines();
    let mut heard = 0;
    while !stop.is_cancelled() {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| "silence".to_owned())?;
        match line {
            Ok(Some(line)) if line == format!("number {heard}") => heard += 1,
            // Headers, and sizes of chunks.
            Ok(Some(line)) if !line.starts_with("number ") => {}
            other => return Err(format!("after {heard} numbers: {other:?}")),
        }
    }
    Ok(heard)
}
