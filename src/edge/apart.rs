//! An edge in a process of its own, as the control plane has it: found where an earlier one left it, started where there is
//! none, replaced without losing a connection where it is another program or set up otherwise, and started again when it dies.
//! The control plane holds the listening sockets as well, so that visitors wait meanwhile instead of being refused. It must not
//! know what is served.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::UnixStream,
    process::{Child, Command},
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    found::{Found, connect, find},
    process::{self, LOG},
    routes::{RouteTable, TargetSpec},
    wire::{self, Answer, Call, Messages, Said, Setup, Site, Told},
};
use crate::sys::{clock, env};

/// Until a process that was started can be spoken to, and until it serves.
const START: Duration = Duration::from_secs(30);
/// Between two looks whether it can.
const PAUSE: Duration = Duration::from_millis(5);
/// Before another attempt to start one.
const AGAIN: Duration = Duration::from_millis(500);

/// What an edge is started with.
pub struct NewEdge {
    /// The data folder.
    pub folder: PathBuf,
    /// The program.
    pub executable: PathBuf,
    /// How it is set up.
    pub setup: Setup,
    /// The plain one, and the one of TLS if there is one.
    pub listeners: Vec<TcpListener>,
}

/// An edge that waits for its first table.
pub struct Opened {
    wanted: NewEdge,
    link: Link,
    /// The one before, which serves until then.
    old: Option<Found>,
}

impl NewEdge {
    /// Takes the edge that was found, if it is as wanted; otherwise starts another, which will take over from it.
    ///
    /// # Errors
    /// The process does not start.
    pub async fn open(self, found: Option<Found>) -> io::Result<Opened> {
        let (link, old) = self.linked(found).await?;
        Ok(Opened { wanted: self, link, old })
    }

    async fn linked(&self, found: Option<Found>) -> io::Result<(Link, Option<Found>)> {
        let build = wire::build()?;
        match found {
            Some(found) if self.is(&found, &build)? => Ok((Link::new(found), None)),
            old => Ok((self.start().await?, old)),
        }
    }

    fn is(&self, found: &Found, build: &str) -> io::Result<bool> {
        let addresses = |listeners: &[TcpListener]| -> io::Result<Vec<SocketAddr>> {
            listeners.iter().map(TcpListener::local_addr).collect()
        };
        Ok(found.hello.build == build
            && found.hello.setup.as_ref() == Some(&self.setup)
            && addresses(&found.listeners)? == addresses(&self.listeners)?)
    }

    /// Starts a process; it serves when it is told what.
    async fn start(&self) -> io::Result<Link> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(self.folder.join(LOG))?;
        let child = self.spawn(log)?;
        let started = tokio::time::timeout(START, async {
            let mut found = Found::met(wire::messages(self.reached(child).await?)?).await?;
            found.give(&self.listeners, &self.setup).await?;
            Ok(Link::new(found))
        });
        started.await.unwrap_or(Err(ErrorKind::TimedOut.into()))
    }

    fn spawn(&self, log: File) -> io::Result<Child> {
        Command::new(&self.executable)
            .arg("edge")
            .arg(&self.folder)
            .env_clear()
            .envs(env::var("RUST_LOG").map(|filter| ("RUST_LOG", filter)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
    }

    async fn reached(&self, mut child: Child) -> io::Result<UnixStream> {
        let pid = child.id().ok_or_else(|| io::Error::other("the edge ended at once"))?;
        let socket = process::aside(&self.folder, pid);
        loop {
            match connect(&socket).await {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
                outcome => return outcome,
            }
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("the edge ended at once ({status}); read `{LOG}`")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The connection to an edge that is set up.
struct Link {
    messages: Messages,
    version: u64,
    /// The sites that it holds.
    held: HashSet<String>,
}

impl Link {
    fn new(found: Found) -> Self {
        Self { messages: found.messages, version: found.hello.version, held: found.hello.sites }
    }

    /// Sends a table, and before it the sites that the edge does not hold.
    async fn publish(&mut self, table: &RouteTable) -> io::Result<()> {
        let mut named = HashSet::new();
        for route in table.routes.values() {
            let TargetSpec::Static(site) = &route.target else { continue };
            if named.insert(site.name().to_owned()) && !self.held.contains(site.name()) {
                let site = Site::from(&**site);
                wire::send(&mut self.messages, &Said::<RouteTable>::Site(site)).await?;
            }
        }
        self.held = named;
        wire::send(&mut self.messages, &Said::Table(table)).await
    }
}

impl Opened {
    /// The version of the last table that was served here.
    pub fn version(&self) -> u64 {
        self.old.as_ref().map_or(self.link.version, |old| old.hello.version.max(self.link.version))
    }

    /// Has the edge serve every table that is published. Returns when it serves the present one, and no request comes to the
    /// edge before any more.
    ///
    /// # Errors
    /// It does not serve.
    pub async fn serve(
        self,
        routes: watch::Receiver<Arc<RouteTable>>,
        wake: mpsc::Sender<String>,
    ) -> io::Result<Apart> {
        let Self { wanted, link, old } = self;
        let address = wanted.listeners.first().ok_or(ErrorKind::InvalidInput)?.local_addr()?;
        let (version, closing) = (routes.borrow().version, CancellationToken::new());
        let (calls, asked) = mpsc::unbounded_channel();
        let (acknowledge, applied) = watch::channel(0);
        let keeper = Keeper { wanted, routes, wake, asked, pending: HashMap::new(), number: 0, acknowledge };
        let closed = closing.clone();
        tokio::spawn(async move { closed.run_until_cancelled(keeper.run(link)).await });
        let apart = Apart { calls, applied, address, closing };
        tokio::time::timeout(START, apart.applied(version)).await.map_err(|_| ErrorKind::TimedOut)?;
        if let Some(old) = old {
            old.leave().await;
        }
        Ok(apart)
    }
}

type Asked = (Call, oneshot::Sender<Answer>);

/// Feeds the edge, and starts it again when it is gone.
struct Keeper {
    wanted: NewEdge,
    routes: watch::Receiver<Arc<RouteTable>>,
    wake: mpsc::Sender<String>,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// What waits for an answer; asked again of the next edge.
    pending: HashMap<u64, Asked>,
    number: u64,
    acknowledge: watch::Sender<u64>,
}

impl Keeper {
    async fn run(mut self, mut link: Link) {
        loop {
            if let Err(error) = self.feed(&mut link).await {
                tracing::error!(%error, "the edge is gone and is started again");
            }
            self.acknowledge.send_replace(0);
            let since = clock::instant();
            link = loop {
                match self.again().await {
                    Ok(link) => break link,
                    Err(error) => tracing::error!(%error, "the edge does not start"),
                }
                tokio::time::sleep(AGAIN).await;
            };
            tracing::warn!(after_ms = since.elapsed().as_millis(), "the edge is back");
        }
    }

    async fn again(&self) -> io::Result<Link> {
        let (link, old) = self.wanted.linked(find(&self.wanted.folder).await?).await?;
        if let Some(old) = old {
            tokio::spawn(old.leave());
        }
        Ok(link)
    }

    /// Says what is to be served, and what is asked; ends when the edge is gone.
    async fn feed(&mut self, link: &mut Link) -> io::Result<()> {
        let table = self.routes.borrow_and_update().clone();
        link.publish(&table).await?;
        for (number, (call, _)) in &self.pending {
            wire::send(&mut link.messages, &Said::<RouteTable>::Call(*number, call.clone())).await?;
        }
        loop {
            tokio::select! {
                Ok(()) = self.routes.changed() => {
                    let table = self.routes.borrow_and_update().clone();
                    link.publish(&table).await?;
                }
                Some((call, answer)) = self.asked.recv() => {
                    self.number += 1;
                    let said = Said::<RouteTable>::Call(self.number, call.clone());
                    self.pending.insert(self.number, (call, answer));
                    wire::send(&mut link.messages, &said).await?;
                }
                told = wire::next(&mut link.messages) => self.note(told?),
            }
        }
    }

    fn note(&mut self, told: Told) {
        match told {
            Told::Applied(version) => drop(self.acknowledge.send_replace(version)),
            // Where so much is awake already, a later visitor tells again.
            Told::Wake(deployment) => drop(self.wake.try_send(deployment)),
            Told::Answer(number, answer) => {
                if let Some((_, asked)) = self.pending.remove(&number) {
                    let _ = asked.send(answer);
                }
            }
        }
    }
}

/// An edge in a process of its own, that is kept running. Clones are the same one.
#[derive(Clone)]
pub struct Apart {
    calls: mpsc::UnboundedSender<Asked>,
    applied: watch::Receiver<u64>,
    address: SocketAddr,
    closing: CancellationToken,
}

impl Apart {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn applied(&self, version: u64) {
        let _ = self.applied.clone().wait_for(|applied| *applied >= version).await;
    }

    /// None when the edge was let go.
    pub(super) async fn ask(&self, call: Call) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.calls.send((call, answer)).ok()?;
        answered.await.ok()
    }

    /// Leaves the edge to itself: it goes on serving.
    pub(super) fn let_go(&self) {
        self.closing.cancel();
    }
}
