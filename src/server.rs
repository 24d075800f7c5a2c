//! Puts the program together and takes it apart: the only place that knows every part.

mod edge;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authn::master_key::MasterKey;
use crate::authz::Packs;
use crate::config::{Config, Isolation};
use crate::dns::Dns;
use crate::edge::{self as edges, Edge};
use crate::error::{Error, Result};
use crate::mail::Mailer;
use crate::runtime::artifacts::Artifacts;
use crate::runtime::process::ProcessDriver;
use crate::runtime::{Driver, LogLimits, Machine};
use crate::service::keys::Keys;
use crate::service::session::Limits;
use crate::service::{App, artifact, vault};
use crate::store::{Store, action, git_request};
use crate::sys::random;
use crate::tasks::routes::Publisher;
use crate::workflow::{Workshop, engine};
use crate::{http, tasks};

pub use edge::EdgePlace;

/// For what visitors and programs have under way when they are stopped with the server, or after it.
const STOPPING: Duration = Duration::from_secs(10);

/// A running control plane with its edge.
pub struct Server {
    api: SocketAddr,
    edge: Edge,
    tls: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
    store: Store,
    /// Held until the end: the folder is this server's alone.
    _lock: std::fs::File,
}

/// Opens the database and brings its schema up to date.
///
/// # Errors
/// `Unavailable` when the folder cannot be made or the database does not answer.
pub async fn open_store(config: &Config) -> Result<Store> {
    let failed = |error: std::io::Error| {
        Error::Unavailable(format!("the data folder `{}` cannot be used ({error})", config.data.display()))
    };
    tokio::fs::create_dir_all(&config.data).await.map_err(failed)?;
    restrict(&config.data).map_err(failed)?;
    let store = Store::connect(&config.database(), packs()?).await?;
    store.migrate().await?;
    Ok(store)
}

/// Only the owner of the program may look into its data.
fn restrict(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

/// Two servers over one folder would take each other's work for that of a dead one. The lock goes with the process.
fn lock(data: &Path) -> Result<std::fs::File> {
    let file = data.join("lock");
    let failed = |error: std::io::Error| Error::Unavailable(format!("`{}` cannot be used ({error})", file.display()));
    let lock = std::fs::File::create(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Unavailable(format!(
            "another server uses the data folder `{}`; stop it, or choose another folder",
            data.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The key that seals secrets.
///
/// # Errors
/// `Unavailable` when there is none and none can be made.
pub fn master_key(config: &Config) -> Result<MasterKey> {
    let key = match &config.master_key {
        Some(text) => MasterKey::from_base64(text),
        None => MasterKey::load_or_create(&master_key_file(config)),
    };
    Ok(key?)
}

/// Replaces the key that seals secrets, or ends a replacement that was interrupted: a new one is made in the file, or the
/// first of `REEVE_MASTER_KEY` is the new one. How many values were sealed anew, and the name of the key.
///
/// # Errors
/// `Unavailable` when a server runs over the folder; `FailedPrecondition` when a value opens with none of the keys.
pub async fn rotate_master_key(config: &Config) -> Result<(u64, String)> {
    let store = open_store(config).await?;
    let _lock = lock(&config.data)?;
    if config.master_key.is_none() {
        return vault::replace(&store, &master_key_file(config)).await;
    }
    let master = master_key(config)?;
    Ok((vault::reseal(&store, &master).await?, master.id()))
}

fn master_key_file(config: &Config) -> PathBuf {
    config.data.join("master.key")
}

/// The role packs that come with the program.
///
/// # Errors
/// None in practice: a pack that cannot be read would be a defect that a test finds.
pub fn packs() -> Result<Packs> {
    Packs::built_in().map_err(|lines| {
        let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
        Error::Internal(texts.join("; "))
    })
}

/// The name under which this installation signs tokens: its own, whatever address it is reached at.
pub const ISSUER: &str = "reeve";

/// Starts everything and returns when it serves.
///
/// # Errors
/// `Unavailable` with what is missing.
pub async fn start(config: Config, place: EdgePlace) -> Result<Server> {
    config.check(&packs()?)?;
    let store = open_store(&config).await?;
    let lock = lock(&config.data)?;
    let master = master_key(&config)?;
    if master.is_being_replaced() {
        tracing::warn!(
            "the master key is being replaced: stop the server and run `reeve rotate-master-key` to end that"
        );
    }
    let keys = Keys::open(&store, master.clone(), ISSUER.to_owned()).await?;
    let limits = Limits::new(config.sign_in_attempts_per_minute)
        .ok_or_else(|| Error::Internal("no limit on attempts".to_owned()))?;
    let artifacts = Artifacts::new(config.data.join("blobs"));
    if let Err(error) = artifacts.remove_stale(Duration::from_secs(3600)).await {
        tracing::warn!(%error, "what interrupted uploads left could not be removed");
    }
    let executable = std::env::current_exe().map_err(|e| Error::Internal(format!("where this program is: {e}")))?;
    let driver = driver(&config, &executable).await?;
    let target = config.domain_target.clone().map_or_else(|| config.base_domain.to_string(), |name| name.to_string());
    let dns = Dns::open(config.dns_resolver, target)?;
    let mailer = mailer(&config)?;
    let api_listener = listen(config.listen).await?;
    let api = address(&api_listener)?;
    let edge = edge::ready(&config, place, &executable).await?;
    let tls = edge.tls;
    let config = with_addresses(config, api, edge.address);
    let app = Arc::new(App {
        store,
        standings: Arc::default(),
        presence: Arc::default(),
        keys,
        master,
        limits,
        artifacts,
        announced: artifact::Announced::default(),
        driver,
        board: Arc::default(),
        dns,
        mailer,
        to_send: Arc::new(Notify::new()),
        accepted: Arc::new(Notify::new()),
        fetch_wanted: Arc::new(Notify::new()),
        unwanted: Arc::new(Notify::new()),
        changed: Arc::new(Notify::new()),
        removed: Arc::new(Notify::new()),
        claimed: Arc::new(Notify::new()),
        config,
    });
    let (publisher, routes) = Publisher::new(app.clone(), edge.version());
    tasks::instances::adopt(&app).await?;
    publisher.publish().await?;
    let (wake, woken) = mpsc::channel(1024);
    let edge = edge.serve(routes, wake).await?;
    publisher.serves(edge.clone());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let owner = replica(&app.config.data).await?;
    action::release_all(&app.store, &owner).await?;
    git_request::release_all(&app.store, &owner).await?;
    tasks.spawn(tasks::git::run(app.clone(), owner.clone(), stop.clone()));
    let shop = Arc::new(Workshop::new(app.clone(), edge.clone(), publisher.clone()));
    tasks.spawn(tasks::metrics::run(app.clone(), edge.clone(), owner.clone(), stop.clone()));
    tasks.spawn(engine::run(shop, owner.clone(), stop.clone()));
    tasks.spawn(tasks::certificates::run(app.clone(), publisher.clone(), stop.clone()));
    tasks.spawn(tasks::instances::run(app.clone(), publisher, edge.clone(), stop.clone()));
    tasks.spawn(tasks::visits::run(app.clone(), woken, stop.clone()));
    tasks.spawn(tasks::retention::run(app.clone(), edge.clone(), stop.clone()));
    tasks.spawn(tasks::domains::run(app.clone(), stop.clone()));
    tasks.spawn(tasks::leftovers::run(app.clone(), stop.clone()));
    tasks.spawn(tasks::keys::run(app.clone(), stop.clone()));
    tasks.spawn(tasks::uses::run(app.clone(), stop.clone()));
    tasks.spawn(tasks::sessions::run(app.clone(), stop.clone()));
    tasks.spawn(tasks::outbox::run(app.clone(), owner, stop.clone()));
    let (store, stopped) = (app.store.clone(), stop.clone());
    tasks.spawn(async move { store.keep_epoch(stopped).await });
    let store = app.store.clone();
    tasks.spawn(http::serve(app, api_listener, stop.clone()));
    tasks.close();
    Ok(Server { api, edge, tls, store, stop, tasks, _lock: lock })
}

impl Server {
    /// Where the API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// Where deployments are served.
    pub fn edge_address(&self) -> SocketAddr {
        self.edge.address()
    }

    /// Where deployments are served over HTTPS, if they are.
    pub fn edge_tls_address(&self) -> Option<SocketAddr> {
        self.tls
    }

    /// Statements that all requests together have run so far; the beginning and the end of a transaction are none.
    pub fn statements(&self) -> u64 {
        self.store.all_statements()
    }

    /// Takes no new work, lets what is under way end, and leaves programs and an edge of its own process running: the next
    /// start finds them.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Edge::Within(edge) = &self.edge {
            edge.shutdown(STOPPING).await;
        }
        self.tasks.wait().await;
        self.edge.let_go();
        if let Err(error) = self.store.write_uses().await {
            tracing::warn!(?error, "the last uses of capabilities could not be written");
        }
    }
}

/// Ends what a server has left running over a data folder; whether there was an edge, and how many programs there were.
///
/// # Errors
/// `Unavailable` when a server runs over the folder.
pub async fn stop(data: &Path) -> Result<(bool, usize)> {
    let _lock = lock(data)?;
    let failed = |error: std::io::Error| Error::Unavailable(format!("the edge cannot be stopped ({error})"));
    let edge = edges::stop(data, STOPPING).await.map_err(failed)?;
    let executable = std::env::current_exe().map_err(|e| Error::Internal(format!("where this program is: {e}")))?;
    let programs = ProcessDriver::new(data, executable, Machine::without_walls());
    Ok((edge, programs.stop_all(STOPPING).await?))
}

/// What runs programs, after what it enforces was said, or found too little.
async fn driver(config: &Config, executable: &Path) -> Result<Arc<dyn Driver>> {
    let machine = match config.isolation {
        Isolation::Auto => Machine::probe(executable, *config.users.start()).await,
        Isolation::None => Machine::without_walls(),
    };
    let why = machine.why().join("; ");
    let logs = LogLimits { bytes: config.logs.max_mb << 20, age_ms: config.logs.max_days * 24 * 3_600_000 };
    let driver = ProcessDriver::new(&config.data, executable, machine).with_logs(logs);
    let enforcement = driver.enforcement();
    let missing = enforcement.missing.join("; ");
    if enforcement.full {
        tracing::info!("programs are isolated: own users, namespaces, limits and storage");
    } else if config.production {
        return Err(Error::Unavailable(format!(
            "programs cannot be isolated here as production needs it: {missing} ({why}); run the server as root on a \
             machine with these features, or without `production` for what you trust"
        )));
    } else {
        tracing::warn!(missing, why, "programs are not isolated completely: deploy only what you trust");
    }
    Ok(Arc::new(driver))
}

fn mailer(config: &Config) -> Result<Mailer> {
    let login = config.mail.user.as_deref().zip(config.smtp_password.as_ref().map(|it| it.0.as_str()));
    Mailer::open(config.mail.smtp.as_deref(), login, &config.mail.from, config.data.join("mail"))
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let failed = |error| Error::Unavailable(format!("cannot listen on `{address}` ({error}); choose another address"));
    TcpListener::bind(address).await.map_err(failed)
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|e| Error::Internal(format!("a listener without an address: {e}")))
}

/// Fills in the links that follow from where the program listens.
fn with_addresses(config: Config, api: SocketAddr, edge: SocketAddr) -> Config {
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{api}"));
    let edge_url = config.edge_url.clone().unwrap_or_else(|| format!("http://{}:{}", config.base_domain, edge.port()));
    Config { public_url: Some(public_url), edge_url: Some(edge_url), ..config }
}

/// The name under which this replica leases actions: the same after a restart, so that it continues its own at once.
async fn replica(data: &Path) -> Result<String> {
    let file = data.join("replica");
    if let Ok(name) = tokio::fs::read_to_string(&file).await {
        return Ok(name);
    }
    let name = random::token();
    let failed = |e: std::io::Error| Error::Unavailable(format!("cannot write `{}` ({e})", file.display()));
    tokio::fs::write(&file, &name).await.map_err(failed)?;
    Ok(name)
}
