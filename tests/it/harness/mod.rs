//! What stories are told with: a server of one's own, clients who speak the API, and the edge seen from outside. It must not
//! assert what a story is about.

mod acme;
mod blobs;
mod builds;
mod client;
mod database;
mod deployments;
mod dns;
mod dump;
mod edge;
mod gate;
mod instances;
mod live;
mod real;
mod receiver;
mod repository;
mod server;
mod smtp;
mod stories;

pub(crate) use acme::{Acme, Authority};
pub(crate) use blobs::{digest, entry};
pub(crate) use builds::{built_by, left_of_build};
pub(crate) use client::{Client, Refusal, text};
pub(crate) use database::Database;
pub(crate) use deployments::{CREATE_DEPLOYMENT, DEPLOY, DEPLOYMENT, Deployment, ROLLBACK, draft_input};
pub(crate) use dns::DnsServer;
pub(crate) use dump::{dump, holds};
pub(crate) use edge::{Page, host, raw, visit};
pub(crate) use instances::{edges, kill_all as kill_programs, kill_edges};
pub(crate) use live::{Heard, Live, PROTOCOL};
pub(crate) use real::RealServer;
pub(crate) use receiver::{Manner, Receiver};
pub(crate) use repository::Repository;
pub(crate) use server::TestServer;
pub(crate) use smtp::SmtpServer;
pub(crate) use stories::{Environment, GRANT, grant};

/// A word that no other test uses.
pub(crate) fn unique() -> String {
    data_encoding::HEXLOWER.encode(&reeve::sys::random::bytes::<6>())
}

/// A reason to give up: no story waits longer for anything.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Asks again and again until there is an answer. The only pause of all tests is here.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "in vain: waited {PATIENCE:?} until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
