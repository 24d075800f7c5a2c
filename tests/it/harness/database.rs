//! A database for one test, on what `REEVE_TEST_DATABASE` names: SQLite in the test's own folder, or one of its own on a
//! PostgreSQL server, copied from a template that is migrated once. It can be lost for a while.

use std::path::Path;

use migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::{gate::Gate, unique};

/// Any number that means the same to every test process.
const TEMPLATE_LOCK: i64 = 0x7265_6576;

/// A database that goes with its test.
pub(crate) struct Database {
    made: Option<Made>,
}

struct Made {
    maintenance: String,
    name: String,
    gate: Option<Gate>,
}

/// A time without a database.
pub(crate) enum Outage<'a> {
    /// SQLite is busy with somebody else's change for longer than anybody waits.
    Busy(DatabaseConnection),
    /// Nobody reaches PostgreSQL.
    Away(&'a Gate),
}

impl Outage<'_> {
    /// The database is back.
    pub(crate) async fn end(self) {
        match self {
            Outage::Busy(holder) => holder.close().await.unwrap(),
            Outage::Away(gate) => gate.open(),
        }
    }
}

impl Database {
    /// A new one.
    pub(crate) async fn create() -> Self {
        let maintenance = match std::env::var("REEVE_TEST_DATABASE") {
            Err(_) => return Self { made: None },
            Ok(sqlite) if sqlite == "sqlite" => return Self { made: None },
            Ok(url) => url,
        };
        let admin = connect(&maintenance).await;
        let template = template(&admin, &maintenance).await;
        let name = format!("reeve_{}", unique());
        run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        admin.close().await.unwrap();
        Self { made: Some(Made { maintenance, name, gate: None }) }
    }

    /// A new one that [`Database::lose`] works on.
    pub(crate) async fn create_to_be_lost() -> Self {
        let mut database = Self::create().await;
        if let Some(made) = &mut database.made {
            let gate = Gate::new(&made.maintenance);
            gate.open();
            made.gate = Some(gate);
        }
        database
    }

    /// Takes the database away from the server over this data folder.
    pub(crate) async fn lose(&self, data: &Path) -> Outage<'_> {
        if let Some(made) = &self.made {
            let gate = made.gate.as_ref().unwrap();
            gate.close();
            return Outage::Away(gate);
        }
        let holder = connect(&format!("sqlite://{}", data.join("reeve.db").display())).await;
        run(&holder, "BEGIN IMMEDIATE").await;
        Outage::Busy(holder)
    }

    /// Where the server finds it; `None` for SQLite in its data folder.
    pub(crate) fn url(&self) -> Option<String> {
        self.made.as_ref().map(|made| {
            let url = named(&made.maintenance, &made.name);
            made.gate.as_ref().map_or(url.clone(), |gate| gate.instead_of(&url))
        })
    }
}

/// Also when the test panics, and from within its runtime: the work is done on a thread apart.
impl Drop for Database {
    fn drop(&mut self) {
        let Some(Made { maintenance, name, .. }) = self.made.take() else { return };
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let admin = connect(&maintenance).await;
                run(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
        });
        // The cluster is thrown away after the run; a database that stays is no reason to fail.
        let _ = dropped.join();
    }
}

/// The migrated template's name. Whoever comes first makes it, the others wait; it takes its name last, so that a test
/// process killed half-way leaves no half-made one.
async fn template(admin: &DatabaseConnection, maintenance: &str) -> String {
    let name = format!("reeve_template_{}", fingerprint());
    run(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let find = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    let found = admin.query_one_raw(Statement::from_string(DbBackend::Postgres, find)).await.unwrap();
    if found.is_none() {
        let draft = format!("reeve_draft_{}", unique());
        run(admin, &format!("CREATE DATABASE {draft}")).await;
        let connection = connect(&named(maintenance, &draft)).await;
        Migrator::up(&connection, None).await.unwrap();
        connection.close().await.unwrap();
        run(admin, &format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    run(admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    name
}

/// Names the schema by the text of its migrations, so that a changed one gets a template of its own.
fn fingerprint() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/src");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&std::fs::read(file).unwrap());
    }
    hasher.finalize().to_hex().as_str()[..16].to_owned()
}

/// One connection and no more, since the lock belongs to a connection.
async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn run(connection: &DatabaseConnection, statement: &str) {
    connection.execute_unprepared(statement).await.unwrap();
}

/// The same server, another database.
fn named(url: &str, name: &str) -> String {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.set_path(name);
    url.into()
}
