//! What this process knows of the policy epoch, and since when it is sure: the generation of everything that authority derives
//! from. It must not know who holds what.
//!
//! The epoch becomes known in three ways: by a commit of this process, by `NOTIFY` of another (PostgreSQL), and by asking the
//! database. Only an answer confirms that nothing newer exists; the other two are faster and may be lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use entities::policy_epoch;

use super::role::{Generation, Roles};
use super::source::Connected;
use super::{Store, brief, news, sql};
use crate::error::{Error, Result};
use crate::sys::clock;

/// On which PostgreSQL tells of a new epoch; the payload is the epoch.
pub(super) const CHANNEL: &str = "reeve_policy";
/// Under which operators find the connection that listens, in `pg_stat_activity`.
const LISTENER: &str = "reeve-listener";

/// Authority counts as known for so long after it was confirmed. Rule 12 allows a second; the rest is for the work that a
/// decision is taken for.
pub(super) const FRESH: Duration = Duration::from_millis(900);
/// How often the database is asked.
const ASK: Duration = Duration::from_millis(400);
/// How long one answer may take.
pub(super) const ANSWER: Duration = Duration::from_millis(400);
/// How long somebody waits for a confirmation before they are refused.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Between two attempts to listen.
const RETRY: Duration = Duration::from_millis(500);

/// The epoch, and the moment up to which nothing newer existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The epoch.
    pub epoch: i64,
    /// Until when authority of this epoch may be used without asking again.
    pub until: Instant,
}

/// What is known of the epoch; one for a process.
pub(super) struct Epochs {
    /// Asks apart from the pool, which may be busy when it matters.
    asking: DatabaseConnection,
    known: watch::Sender<i64>,
    confirmed: watch::Sender<Option<Instant>>,
    wanted: Notify,
}

impl Epochs {
    pub(super) fn new(asking: DatabaseConnection) -> Self {
        Self { asking, known: watch::Sender::new(0), confirmed: watch::Sender::new(None), wanted: Notify::new() }
    }

    /// Somebody committed this epoch.
    pub(super) fn learn(&self, epoch: i64) {
        self.known.send_if_modified(|known| {
            let newer = epoch > *known;
            *known = epoch.max(*known);
            newer
        });
    }

    /// The database was asked at `asked` and answered with this epoch. Nothing newer than what is known now existed then.
    pub(super) fn confirm(&self, epoch: i64, asked: Instant) {
        self.learn(epoch);
        self.confirmed.send_if_modified(|confirmed| {
            let later = confirmed.is_none_or(|before| before < asked);
            if later {
                *confirmed = Some(asked);
            }
            later
        });
    }

    /// The newest epoch that is known, whether or not it is confirmed.
    pub(super) fn known(&self) -> i64 {
        *self.known.borrow()
    }

    /// The epoch, if it was confirmed less than a second ago. The moment is read first: the epoch that is read after it is no
    /// older than what was confirmed.
    fn confirmed(&self) -> Option<Confirmed> {
        let until = (*self.confirmed.borrow())? + FRESH;
        (clock::instant() < until).then(|| Confirmed { epoch: self.known(), until })
    }

    async fn ask(&self) -> Result<i64, DbErr> {
        let asked = clock::instant();
        let epoch = read(&self.asking).await?.epoch;
        self.confirm(epoch, asked);
        Ok(epoch)
    }
}

/// The epoch as a connection sees it.
async fn read(connection: &impl sea_orm::ConnectionTrait) -> Result<policy_epoch::Model, DbErr> {
    let row = policy_epoch::Entity::find_by_id(1).one(connection).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the policy epoch has no row".to_owned()))
}

impl Store {
    /// The policy epoch, confirmed less than a second ago; waits for a confirmation when there is none.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer: who cannot learn the epoch has no authority to show.
    pub async fn epoch(&self) -> Result<Confirmed> {
        if let Some(confirmed) = self.epochs.confirmed() {
            return Ok(confirmed);
        }
        let mut moments = self.epochs.confirmed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                moments.mark_unchanged();
                if let Some(confirmed) = self.epochs.confirmed() {
                    return confirmed;
                }
                self.epochs.wanted.notify_one();
                // The sender lives as long as the store.
                let _ = moments.changed().await;
            }
        });
        waited.await.map_err(|_| {
            Error::Unavailable("the policy epoch cannot be learned from the database; try again in a moment".to_owned())
        })
    }

    /// The policy epoch, if it was confirmed less than a second ago.
    pub(super) fn confirmed(&self) -> Option<Confirmed> {
        self.epochs.confirmed()
    }

    /// The policy epoch, as the database says now.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn policy_epoch(&self) -> Result<i64> {
        self.epochs.ask().await.map_err(sql)
    }

    /// Tells of every new epoch, as soon as it is known here.
    pub fn epochs(&self) -> watch::Receiver<i64> {
        self.epochs.known.subscribe()
    }

    /// Keeps the epoch known until `stop`: asks twice a second and whenever somebody waits, and listens on PostgreSQL.
    pub async fn keep_epoch(&self, stop: CancellationToken) {
        let listening = async {
            if self.is_postgres() {
                self.listen().await;
            }
        };
        stop.run_until_cancelled(futures_util::future::join(self.keep_asking(), listening)).await;
    }

    async fn keep_asking(&self) {
        let mut failing = false;
        loop {
            let failed = match tokio::time::timeout(ANSWER, self.epochs.ask()).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(brief(&error)),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match &failed {
                Some(error) if !failing => tracing::error!(error, "the policy epoch cannot be learned"),
                None if failing => tracing::info!("the policy epoch can be learned again"),
                Some(_) | None => {}
            }
            failing = failed.is_some();
            let _ = tokio::time::timeout(ASK, self.epochs.wanted.notified()).await;
        }
    }

    /// Takes up what other replicas say. Whatever is lost here is found by asking.
    async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_once().await {
                tracing::warn!(%error, "listening for changes of authority was interrupted");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen_once(&self) -> Result<(), SqlxError> {
        let options = self.db.get_postgres_connection_pool().connect_options();
        let options = Arc::unwrap_or_clone(options).application_name(LISTENER);
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen_all([CHANNEL, news::CHANNEL]).await?;
        // What was said meanwhile is lost.
        self.epochs.wanted.notify_one();
        loop {
            let told = listener.recv().await?;
            match (told.channel(), told.payload().parse(), told.payload().parse()) {
                (CHANNEL, Ok(epoch), _) => self.epochs.learn(epoch),
                (news::CHANNEL, _, Ok(environment)) => self.news.deployments_changed(environment),
                (channel, ..) => tracing::warn!(channel, "somebody tells what nobody understands"),
            }
        }
    }

    /// Everything that is read from it is of one moment; it changes nothing.
    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        use sea_orm::{AccessMode, IsolationLevel, TransactionOptions, TransactionTrait};
        // What SQLite reads in one transaction is of one moment in any case.
        let options = if self.is_postgres() {
            TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..Default::default()
            }
        } else {
            TransactionOptions::default()
        };
        let asked = clock::instant();
        let tx = self.db.begin_with_options(options).await.map_err(sql)?;
        let row = read(&tx).await.map_err(sql)?;
        self.epochs.confirm(row.epoch, asked);
        Ok(Snapshot { tx, roles: self.roles.clone(), generation: row.roles, epoch: row.epoch, asked })
    }
}

/// A transaction that reads what there was at one moment, with the epoch of that moment.
pub(super) struct Snapshot {
    tx: sea_orm::DatabaseTransaction,
    roles: Arc<Roles>,
    generation: i64,
    /// The epoch.
    pub(super) epoch: i64,
    /// No later than the moment.
    pub(super) asked: Instant,
}

impl Connected for Snapshot {
    type Connection = sea_orm::DatabaseTransaction;
    fn connection(&self) -> &Self::Connection {
        &self.tx
    }
    fn roles(&self) -> &Roles {
        &self.roles
    }
    fn generation(&self) -> Generation {
        Generation::Known(self.generation)
    }
}
impl super::Source for Snapshot {}

impl Snapshot {
    /// Gives the connection back.
    pub(super) async fn end(self) -> Result<()> {
        self.tx.commit().await.map_err(sql)
    }
}
