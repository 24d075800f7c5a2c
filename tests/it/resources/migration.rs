//! The schema goes up and down, on every database.

use migrations::{Migrator, MigratorTrait};
use reeve::authz::Packs;
use reeve::error::Error;
use reeve::store::Store;

use crate::harness::Database;

fn told<T>(outcome: Result<T, Error>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}

#[tokio::test]
async fn every_migration_can_be_taken_back_and_run_again() {
    let (database, data) = (Database::create().await, tempfile::tempdir().unwrap());
    let url = database.url().unwrap_or_else(|| Store::sqlite_url(data.path()));
    let store = told(Store::connect(&url, Packs::default()).await);
    told(store.migrate().await);
    assert_eq!(told(store.pending_migrations().await), Vec::<String>::new());
    assert_eq!(told(store.policy_epoch().await), 1);
    for taken_back in 1..=Migrator::migrations().len() {
        told(store.migrate_down(1).await);
        assert_eq!(told(store.pending_migrations().await).len(), taken_back);
    }
    assert!(store.policy_epoch().await.is_err(), "no table is left");
    told(store.migrate().await);
    assert_eq!(told(store.pending_migrations().await), Vec::<String>::new());
    assert_eq!(told(store.policy_epoch().await), 1, "the first row is there again");
}
