//! The edge in a process of its own: it serves what the last control plane told it, and goes on when that is stopped, killed
//! or replaced, until the next one comes. It must not know more of a control plane than what comes over its socket.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, ErrorKind},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::SplitStream};
use tokio::{
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    EdgeConfig, EdgeHandle,
    routes::{RouteTable, TargetSpec},
    static_site::StaticSite,
    wire::{self, Answer, Call, Hello, Messages, SOCKET, Said, Setup, Told},
};
use crate::reach;

/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(2);
/// Looks after which an edge ends that nobody has told what to serve.
const UNTOLD: u32 = 15;
/// Whoever comes to the socket says what there is to say at once.
const GREETING: Duration = Duration::from_secs(5);
/// What goes on when another edge has taken over: downloads, streams and tunnels.
const LEFT: Duration = Duration::from_secs(3600);
/// The same when the edge is to end.
const ENDING: Duration = Duration::from_secs(10);
/// The log, and the size from which on it is begun anew; the one before is kept.
pub(super) const LOG: &str = "edge.log";
const LOG_BEFORE: &str = "edge.1.log";
const LOG_SIZE: u64 = 4 << 20;

/// Where an edge that does not serve yet is spoken to.
pub(super) fn aside(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("edge-{pid}.sock"))
}

/// Runs until it is told to end, or another edge has taken over and what was under way has ended.
///
/// # Errors
/// The socket cannot be made in `folder`.
pub async fn run(folder: &Path) -> io::Result<()> {
    let aside = aside(folder, std::process::id());
    let control = {
        let (short, _folder) = reach::short(&aside)?;
        let _ = fs::remove_file(&aside);
        UnixListener::bind(short)?
    };
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))?;
    let (wake, woken) = mpsc::channel(1024);
    let process = Process {
        socket: fs::metadata(&aside)?.ino(),
        aside,
        folder: folder.to_owned(),
        build: wire::build()?,
        setup: None,
        listeners: Vec::new(),
        sites: HashMap::new(),
        tables: watch::Sender::default(),
        wake,
        edge: None,
        session: None,
    };
    process.run(control, woken).await
}

struct Process {
    folder: PathBuf,
    aside: PathBuf,
    /// The number of the socket's file: another under its name is another edge's.
    socket: u64,
    build: String,
    setup: Option<Setup>,
    /// The plain one, and the one of TLS if there is one.
    listeners: Vec<TcpListener>,
    sites: HashMap<String, Arc<StaticSite>>,
    tables: watch::Sender<Arc<RouteTable>>,
    wake: mpsc::Sender<String>,
    /// None until there is a table.
    edge: Option<EdgeHandle>,
    session: Option<Session>,
}

/// The connection with a control plane.
struct Session {
    said: SplitStream<Messages>,
    told: mpsc::UnboundedSender<Told>,
    writer: JoinHandle<()>,
}

/// Why it ends, and who wants to know when.
struct End {
    call: Call,
    number: Option<u64>,
}

impl End {
    fn now() -> Self {
        Self { call: Call::Stop { grace: ENDING }, number: None }
    }
}

impl Process {
    async fn run(mut self, control: UnixListener, mut woken: mpsc::Receiver<String>) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let (mut look, mut untold) = (tokio::time::interval(LOOK), 0);
        let end = loop {
            tokio::select! {
                came = control.accept() => {
                    let greeted = match came {
                        Ok((stream, _)) => tokio::time::timeout(GREETING, self.greet(stream)).await,
                        Err(error) => Ok(Err(error)),
                    };
                    // There is one control plane over a data folder: one that comes follows one that has gone.
                    match greeted.unwrap_or(Err(ErrorKind::TimedOut.into())) {
                        Ok(session) => self.session = Some(session),
                        Err(error) => tracing::warn!(%error, "somebody at the edge's socket is no control plane"),
                    }
                }
                said = heard(&mut self.session) => match said {
                    Ok(said) => if let Some(end) = self.heed(said) { break end },
                    Err(error) => {
                        if error.kind() != ErrorKind::UnexpectedEof {
                            tracing::error!(%error, "what the control plane says cannot be understood");
                        }
                        self.session = None;
                    }
                },
                Some(deployment) = woken.recv() => self.tell(Told::Wake(deployment)),
                _ = look.tick() => {
                    tidy_log(&self.folder);
                    untold = if self.edge.is_none() && self.session.is_none() { untold + 1 } else { 0 };
                    if let Some(end) = self.unwanted(untold) {
                        break end;
                    }
                }
                _ = terminate.recv() => break End::now(),
            }
        };
        drop(control);
        self.end(end).await;
        Ok(())
    }

    /// Begins to speak with a control plane.
    async fn greet(&mut self, stream: UnixStream) -> io::Result<Session> {
        let mut messages = wire::messages(stream)?;
        wire::give(messages.get_ref(), &self.listeners).await?;
        let hello = Hello {
            build: self.build.clone(),
            setup: self.setup.clone(),
            version: self.edge.as_ref().map_or(0, EdgeHandle::applied_version),
            sites: self.sites.keys().cloned().collect(),
        };
        wire::send(&mut messages, &hello).await?;
        let listeners = wire::take(messages.get_ref()).await?;
        let setup: Setup = wire::next(&mut messages).await?;
        if self.setup.is_none() {
            (self.listeners, self.setup) = (listeners, Some(setup));
        }
        let (mut to, said) = messages.split();
        let (told, mut queue) = mpsc::unbounded_channel::<Told>();
        let writer = tokio::spawn(async move {
            while let Some(told) = queue.recv().await {
                if wire::send(&mut to, &told).await.is_err() {
                    return;
                }
            }
        });
        if let Some(edge) = &self.edge {
            tokio::spawn(acknowledge(edge.clone(), told.clone()));
            // Whoever was told of these may have gone before anything came of it.
            for deployment in edge.shared.waited_for() {
                let _ = told.send(Told::Wake(deployment));
            }
        }
        tracing::info!(serving = self.edge.is_some(), "a control plane has come");
        Ok(Session { said, told, writer })
    }

    fn tell(&self, told: Told) {
        if let Some(session) = &self.session {
            let _ = session.told.send(told);
        }
    }

    /// Does what the control plane says; gives the reason to end, if that is one.
    fn heed(&mut self, said: Said) -> Option<End> {
        match said {
            Said::Site(site) => {
                let site = StaticSite::from(site);
                self.sites.insert(site.name().to_owned(), Arc::new(site));
            }
            Said::Table(table) => {
                if let Err(error) = self.serve(table) {
                    // The control plane comes again, and says everything again.
                    tracing::error!(%error, "a table cannot be served");
                    self.session = None;
                }
            }
            Said::Call(number, call @ (Call::Leave | Call::Stop { .. })) => {
                return Some(End { call, number: Some(number) });
            }
            Said::Call(number, call) => {
                let (edge, session) = (self.edge.clone()?, self.session.as_ref()?);
                let told = session.told.clone();
                tokio::spawn(async move {
                    let _ = told.send(Told::Answer(number, edge.answer(call).await));
                });
            }
        }
        None
    }

    fn serve(&mut self, mut table: RouteTable) -> io::Result<()> {
        let mut named = HashSet::new();
        for route in table.routes.values_mut() {
            if let TargetSpec::Static(site) = &mut route.target {
                let known = self.sites.get(site.name()).ok_or_else(|| io::Error::other("a site is missing"))?;
                named.insert(known.name().to_owned());
                *site = known.clone();
            }
        }
        self.sites.retain(|name, _| named.contains(name));
        self.tables.send_replace(Arc::new(table));
        if self.edge.is_none() {
            let edge = self.start()?;
            if let Some(session) = &self.session {
                tokio::spawn(acknowledge(edge.clone(), session.told.clone()));
            }
            // From now on this is the edge that the next control plane finds.
            fs::rename(&self.aside, self.folder.join(SOCKET))?;
            self.edge = Some(edge);
        }
        Ok(())
    }

    fn start(&self) -> io::Result<EdgeHandle> {
        let setup = self.setup.clone().unwrap_or_default();
        let mut listeners = self.listeners.iter();
        let plain = listeners.next().ok_or_else(|| io::Error::other("there is no listener"))?;
        let tls = listeners.next();
        let tls_port = tls.map(TcpListener::local_addr).transpose()?.map(|address| address.port());
        let config = EdgeConfig {
            https: setup.https,
            https_port: setup.https_port.or(tls_port).unwrap_or(443),
            drain_grace: setup.drain_grace,
            wake: Some(self.wake.clone()),
            ..EdgeConfig::default()
        };
        let taken = |listener: &TcpListener| tokio::net::TcpListener::from_std(listener.try_clone()?);
        let edge = EdgeHandle::start(taken(plain)?, self.tables.subscribe(), config)?;
        if let Some(tls) = tls {
            edge.serve_tls(taken(tls)?)?;
        }
        tracing::info!(address = %edge.address(), "serving");
        Ok(edge)
    }

    /// Why it has no business running any more, if it has none, and no control plane to say so.
    fn unwanted(&self, untold: u32) -> Option<End> {
        if self.session.is_some() {
            return None;
        }
        if self.edge.is_none() {
            return (untold >= UNTOLD).then(End::now);
        }
        match fs::metadata(self.folder.join(SOCKET)) {
            Ok(file) if file.ino() == self.socket => None,
            Ok(_) => Some(End { call: Call::Leave, number: None }),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(End::now()),
            Err(_) => None,
        }
    }

    async fn end(mut self, end: End) {
        self.listeners.clear();
        let leaves = matches!(end.call, Call::Leave);
        let socket = self.folder.join(SOCKET);
        if fs::metadata(&socket).is_ok_and(|file| file.ino() == self.socket) && !leaves {
            let _ = fs::remove_file(socket);
        }
        let _ = fs::remove_file(&self.aside);
        let answer = match &self.edge {
            Some(edge) => edge.answer(end.call).await,
            None => Answer::Done,
        };
        if let (Some(session), Some(number)) = (self.session.take(), end.number) {
            let _ = session.told.send(Told::Answer(number, answer));
            drop(session.told);
            let _ = tokio::time::timeout(GREETING, session.writer).await;
        }
        if let (Some(edge), true) = (&self.edge, leaves) {
            tracing::info!("another edge has taken over");
            edge.shutdown(LEFT).await;
        }
        tracing::info!("ended");
    }
}

/// What the control plane says next; for ever nothing while there is none.
async fn heard(session: &mut Option<Session>) -> io::Result<Said> {
    match session {
        Some(session) => wire::next(&mut session.said).await,
        None => std::future::pending().await,
    }
}

/// Tells of every table that is served, until nobody listens.
async fn acknowledge(edge: EdgeHandle, told: mpsc::UnboundedSender<Told>) {
    let mut applied = edge.applied.clone();
    loop {
        let version = *applied.borrow_and_update();
        if told.send(Told::Applied(version)).is_err() {
            return;
        }
        tokio::select! {
            changed = applied.changed() => if changed.is_err() { return },
            () = told.closed() => return,
        }
    }
}

/// The log is this process's standard error, which goes on at the end of the file, wherever that is.
fn tidy_log(folder: &Path) {
    let log = folder.join(LOG);
    if fs::metadata(&log).is_ok_and(|file| file.len() > LOG_SIZE) {
        let kept = fs::copy(&log, folder.join(LOG_BEFORE));
        let begun = kept.and_then(|_| fs::OpenOptions::new().write(true).open(&log)?.set_len(0));
        if let Err(error) = begun {
            tracing::warn!(%error, "the log cannot be begun anew");
        }
    }
}
