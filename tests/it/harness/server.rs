//! A server in this process with a folder and a database of its own, on ports that the system chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use entities::ids::SessionId;
use reeve::audit::Entry;
use reeve::authz::Packs;
use reeve::config::{Config, Isolation};
use reeve::domain::email::EmailAddress;
use reeve::op::{Actor, Op};
use reeve::server::{EdgePlace, Server};
use reeve::service::keys::Keys;
use reeve::store::Store;

use super::client::Client;
use super::database::Database;
use super::{PATIENCE, instances};

/// A running server. When it is dropped, nothing of it is left.
pub(crate) struct TestServer {
    running: Option<Running>,
    config: Config,
    data: tempfile::TempDir,
    /// Goes last, when nobody uses it any more.
    _database: Database,
}

/// A runtime of its own, so that the server can be stopped from a test that panics.
struct Running {
    runtime: tokio::runtime::Runtime,
    server: Server,
}

impl TestServer {
    /// A server as it comes, but for limits that tests would run into.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// A server set up otherwise.
    pub(crate) async fn start_with(set_up: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let database = Database::create().await;
        let mut config = Config::defaults(data.path().to_owned()).unwrap();
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (config.listen, config.edge_listen) = (any_port, any_port);
        config.database_url = database.url();
        config.sign_in_attempts_per_minute = NonZeroU32::new(100_000).unwrap();
        config.lease = Duration::from_secs(2);
        config.drain_grace = Duration::from_secs(2);
        // Nobody answers there: what asks DNS comes with a server of its own.
        config.dns_resolver = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        // No shim can be made of the program of the tests.
        config.isolation = Isolation::None;
        set_up(&mut config);
        let running = Some(run(config.clone()).await);
        Self { running, config, data, _database: database }
    }

    /// Stops it in good order and starts it again over the same folder and database, on other ports.
    pub(crate) async fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            tokio::task::spawn_blocking(|| stop(running)).await.unwrap();
        }
        self.running = Some(run(self.config.clone()).await);
    }

    /// The same, with another key that seals secrets; how many values were sealed anew.
    pub(crate) async fn restart_with_new_master_key(&mut self) -> u64 {
        if let Some(running) = self.running.take() {
            tokio::task::spawn_blocking(|| stop(running)).await.unwrap();
        }
        let rotated = reeve::server::rotate_master_key(&self.config).await;
        let (resealed, _) = rotated.unwrap_or_else(|error| panic!("{error:?}"));
        self.running = Some(run(self.config.clone()).await);
        resealed
    }

    /// Where the API listens.
    pub(crate) fn api_address(&self) -> SocketAddr {
        self.server().api_address()
    }

    /// Where the edge listens.
    pub(crate) fn edge_address(&self) -> SocketAddr {
        self.server().edge_address()
    }

    /// Where the edge speaks TLS.
    pub(crate) fn edge_tls_address(&self) -> SocketAddr {
        self.server().edge_tls_address().unwrap()
    }

    /// The keys that it signs with, opened as another replica would: to forge what no door hands out.
    pub(crate) async fn keys(&self) -> (Store, Keys) {
        let store = reeve::server::open_store(&self.config).await.unwrap();
        let master = reeve::server::master_key(&self.config).unwrap();
        let keys = Keys::open(&store, master, reeve::server::ISSUER.to_owned()).await.unwrap();
        (store, keys)
    }

    /// Where its database is: for what somebody can try who has it in hand.
    pub(crate) fn database_url(&self) -> String {
        self.config.database()
    }

    /// Where it keeps what it keeps in files.
    pub(crate) fn data_folder(&self) -> &std::path::Path {
        self.data.path()
    }

    /// A client that is nobody yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.api_address())
    }

    /// A new person with a session.
    pub(crate) async fn sign_up(&self, name: &str) -> Client {
        self.client().sign_up(name).await
    }

    /// Statements that what is done in between costs the requests of all clients; nobody else may be asking.
    pub(crate) async fn statements_of<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        let before = self.server().statements();
        let done = work.await;
        (done, self.server().statements() - before)
    }

    /// An operation of somebody, for what no door lets them do.
    pub(crate) async fn operation(&self, of: &Client) -> Op {
        let (store, _) = self.keys().await;
        let actor = Actor::User { id: of.account.id.parse().unwrap(), session: SessionId::from(0) };
        Op::new(actor, "-".to_owned(), store, Arc::default())
    }

    /// Somebody who administers the whole console.
    pub(crate) async fn administrator(&self) -> Client {
        let root = self.sign_up("root").await;
        let (store, _) = self.keys().await;
        let email = EmailAddress::parse(&root.account.email).unwrap();
        let entry = Entry::new("access.bootstrap", None, "-".to_owned());
        let packs = Packs::built_in().unwrap();
        let role = "mia-console/console-super-user";
        reeve::service::access::bootstrap(&store, &packs, &email, role, entry).await.unwrap();
        root
    }

    fn server(&self) -> &Server {
        &self.running.as_ref().unwrap().server
    }
}

async fn run(config: Config) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let started = runtime.spawn(reeve::server::start(config, EdgePlace::Within)).await.unwrap();
    let server = started.unwrap_or_else(|error| panic!("the server does not start: {error:?}"));
    Running { runtime, server }
}

/// Blocks until the server has ended; it has to end by itself.
fn stop(Running { runtime, server }: Running) {
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, server.shutdown()).await });
    runtime.shutdown_timeout(Duration::from_secs(2));
    assert!(ended.is_ok(), "the server did not shut down within {PATIENCE:?}");
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let stopped = self.running.take().map(|running| std::thread::spawn(|| stop(running)).join());
        instances::kill_all(self.data.path());
        // A second panic would abort the whole run and hide the first.
        assert!(std::thread::panicking() || stopped.is_none_or(|stopped| stopped.is_ok()), "see above");
    }
}
