//! The only user of sea-orm. Rows go out against a proof: a `Permit` for one, a `Visible` for many, a `Write` for a change.
//! Knows no policy: what a permit allows was decided where it was made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqlErr,
    SqliteTransactionMode, SqlxError, TransactionOptions, TransactionTrait,
};

use crate::authz::Packs;
use crate::error::{Error, Result};

pub mod access_change;
pub mod action;
pub mod api_key;
pub mod artifact;
pub mod audit;
pub mod binding;
pub mod certificate;
pub mod deploy_hook;
pub mod deployment;
pub mod deployment_event;
pub mod domain;
pub mod edge_settings;
pub mod eligible_role;
pub mod environment;
pub mod epoch;
pub mod facts;
pub mod git;
pub mod git_request;
pub mod idempotency;
pub mod invitation;
pub mod metric;
pub mod news;
pub mod notice;
pub mod organization;
pub mod page;
pub mod path;
pub mod policy_test;
pub mod population;
pub mod project;
pub mod project_user;
pub mod role;
pub mod route;
pub mod sealed;
pub mod service_account;
pub mod session;
pub mod signing_key;
pub mod standing;
pub mod team;
pub mod team_member;
pub mod transfer;
pub mod upkeep;
pub mod usage;
pub mod user;
pub mod variable;
mod visible;
pub mod write;

pub use write::Write;

/// The database. Cloning shares the pool.
#[derive(Clone)]
pub struct Store {
    db: DatabaseConnection,
    roles: Arc<role::Roles>,
    epochs: Arc<epoch::Epochs>,
    news: Arc<news::News>,
    statements: Arc<AtomicU64>,
    all_statements: Arc<AtomicU64>,
    uses: Arc<usage::Uses>,
}

/// Something that can be read from: the store, or a transaction that sees its own changes.
pub trait Source: source::Connected {}

mod source {
    //! Seals [`super::Source`], so that the connection stays within the store.

    pub trait Connected: Sync {
        type Connection: sea_orm::ConnectionTrait;
        fn connection(&self) -> &Self::Connection;
        fn roles(&self) -> &super::role::Roles;
        /// The generation of the roles that it sees, if it knows that without asking.
        fn generation(&self) -> super::role::Generation;
    }
}

impl source::Connected for Store {
    type Connection = DatabaseConnection;
    fn connection(&self) -> &DatabaseConnection {
        &self.db
    }
    fn roles(&self) -> &role::Roles {
        &self.roles
    }
    fn generation(&self) -> role::Generation {
        role::Generation::Ask
    }
}
impl Source for Store {}

impl Store {
    /// Connects to `url` (`sqlite:` or `postgres:`); `packs` are the roles that everybody may bind.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or cannot be opened; the text never holds the password.
    pub async fn connect(url: &str, packs: Packs) -> Result<Self> {
        let failed = |error: DbErr| {
            Error::Unavailable(format!("cannot open the database; check the URL and that it runs ({})", brief(&error)))
        };
        let db = Database::connect(options(url)).await.map_err(failed)?;
        let mut apart = options(url);
        apart.max_connections(1).connect_lazy(true).map_sqlx_postgres_opts(|options| {
            // What waits behind a lock ends with it, so that the next question does not wait behind that.
            let limit = epoch::ANSWER.as_millis().to_string();
            options.application_name("reeve-epoch").options([("statement_timeout", limit)])
        });
        let epochs = epoch::Epochs::new(Database::connect(apart).await.map_err(failed)?);
        Ok(Self {
            db,
            roles: Arc::new(role::Roles::new(Arc::new(packs))),
            epochs: Arc::new(epochs),
            news: Arc::new(news::News::new()),
            statements: Arc::default(),
            all_statements: Arc::default(),
            uses: Arc::default(),
        })
    }

    /// The same database, counting the statements that are run through this handle.
    #[must_use]
    pub fn counting(&self) -> Self {
        let mut store = Self { statements: Arc::default(), ..self.clone() };
        let (own, all) = (store.statements.clone(), store.all_statements.clone());
        store.db.set_metric_callback(move |_| {
            own.fetch_add(1, Ordering::Relaxed);
            all.fetch_add(1, Ordering::Relaxed);
        });
        store
    }

    /// Statements that were run through this handle since it began to count; the beginning and the end of a transaction are
    /// none.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Statements of all handles that count.
    #[must_use]
    pub fn all_statements(&self) -> u64 {
        self.all_statements.load(Ordering::Relaxed)
    }

    /// URL of the SQLite file in a data folder.
    pub fn sqlite_url(data: &Path) -> String {
        format!("sqlite://{}?mode=rwc", data.join("reeve.db").display())
    }

    /// The roles that everybody may bind.
    pub fn file_roles(&self) -> &Arc<Packs> {
        self.roles.files()
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// `Unavailable` with the reason of the first migration that failed.
    pub async fn migrate(&self) -> Result<()> {
        Migrator::up(&self.db, None).await.map_err(|e| migration_failed(&e))
    }

    /// Takes back the last `steps` migrations.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate_down(&self, steps: u32) -> Result<()> {
        Migrator::down(&self.db, Some(steps)).await.map_err(|e| migration_failed(&e))
    }

    /// Names of the migrations that have not run yet.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        let pending = Migrator::get_pending_migrations(&self.db).await.map_err(|e| migration_failed(&e))?;
        Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.db.ping().await.map_err(|e| Error::Unavailable(format!("the database does not answer ({})", brief(&e))))
    }

    /// A transaction that will write.
    async fn begin_write(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            // SQLite has one writer: asking for the lock at once waits for it, asking later fails.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.db.begin_with_options(options).await.map_err(sql)
    }

    fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }
}

fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).acquire_timeout(Duration::from_secs(10)).max_connections(8);
    options.map_sqlx_sqlite_opts(|options| {
        // A write-ahead log lets readers go on while one writes; NORMAL is durable across a crash of the program,
        // and FULL across one of the machine, which an accepted action has to survive.
        options
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .busy_timeout(Duration::from_secs(20))
    });
    options.map_sqlx_postgres_opts(|options| options.application_name("reeve"));
    options
}

fn migration_failed(error: &DbErr) -> Error {
    Error::Unavailable(format!("the database schema could not be brought up to date ({})", brief(error)))
}

/// The driver's own words without the statement and its values.
fn brief(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => e.to_string(),
        other => other.to_string(),
    }
}

/// A failed statement, for the log; what trying again helps against is told apart.
fn sql(error: DbErr) -> Error {
    if is_passing(&error) {
        tracing::error!(error = %error, "database unavailable");
        Error::Unavailable("the database does not answer; try again in a moment".to_owned())
    } else {
        Error::Internal(error.to_string())
    }
}

/// Serialization failure, deadlock, shut down by an administrator or a crash, starting up, too many connections, disk full.
const PASSING_POSTGRES: [&str; 7] = ["40001", "40P01", "57P01", "57P02", "57P03", "53300", "53100"];

/// Busy, locked, read-only, failed read or write, full disk, cannot be opened: the last byte of SQLite's result codes.
const PASSING_SQLITE: [u32; 6] = [5, 6, 8, 10, 13, 14];

/// Whether the same statement may succeed later: the connection was lost, or the database had no room or turn for it.
fn is_passing(error: &DbErr) -> bool {
    let cause = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
        _ => return false,
    };
    match cause.as_ref() {
        SqlxError::Io(_) | SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::WorkerCrashed => true,
        SqlxError::Database(refusal) => refusal.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => PASSING_SQLITE.contains(&(number & 0xff)),
            _ => PASSING_POSTGRES.contains(&code.as_ref()),
        }),
        _ => false,
    }
}

/// The same, where a unique name may be taken.
fn sql_or_taken(error: DbErr, taken: impl FnOnce() -> Error) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => taken(),
        _ => sql(error),
    }
}

/// A row that a permit spoke for has gone in the meantime.
fn gone(what: &str) -> impl FnOnce() -> Error {
    let what = what.to_owned();
    move || Error::NotFound { what }
}

/// An optimistic version that no longer holds.
fn changed_meanwhile(version: i32) -> Error {
    Error::Conflict(format!("somebody changed it in the meantime; it is at version {version} now: read it again"))
}
