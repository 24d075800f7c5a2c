//! Two servers on one database, as real processes: what is taken away at one counts at the other. There is no second replica
//! without PostgreSQL, so on SQLite there is nothing to tell.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::json;

use crate::harness::{Client, RealServer, eventually};

/// Rule 12.
const SECOND: Duration = Duration::from_secs(1);

const LOOK: &str = "query($id: ID!) { organization(id: $id) { id } }";
const RENAME: &str = "mutation($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { __typename } }";

/// Two replicas, and somebody with the database in hand.
struct Replicas {
    a: RealServer,
    b: RealServer,
    database: sea_orm::DatabaseConnection,
    _folders: [tempfile::TempDir; 2],
}

impl Replicas {
    async fn start() -> Option<Self> {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let a = RealServer::start(folders[0].path()).await;
        let url = a.database_url()?;
        let b = RealServer::start_beside(folders[1].path(), &a).await;
        let database = sea_orm::Database::connect(url).await.unwrap();
        Some(Self { a, b, database, _folders: folders })
    }

    async fn run(&self, statement: &str) -> u64 {
        let statement = Statement::from_string(DbBackend::Postgres, statement);
        self.database.query_all_raw(statement).await.unwrap().len() as u64
    }

    /// Cuts every connection that listens, and says how many there were.
    async fn cut_listeners(&self) -> u64 {
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'reeve-listener' AND datname = current_database()",
        )
        .await
    }
}

/// Ada at both, and an organization in which Bob is an editor.
struct Story {
    ada: Client,
    bob_at_b: Client,
    organization: String,
    binding: String,
}

impl Story {
    async fn begin(replicas: &Replicas) -> Self {
        let (ada, bob) = (replicas.a.client().sign_up("ada").await, replicas.a.client().sign_up("bob").await);
        let organization = ada.create_organization(&format!("acme-{}", crate::harness::unique())).await;
        let binding = ada.grant(&bob, "ownstak/admin", &organization).await;
        let story = Self { ada, bob_at_b: bob.at(replicas.b.api_address()), organization, binding };
        eventually("the other replica knows", || async { (story.look().await == "ok").then_some(()) }).await;
        story
    }

    /// What Bob is answered at B when he reads.
    async fn look(&self) -> String {
        let response = self.bob_at_b.query(LOOK, json!({ "id": self.organization })).await;
        if response.errors.is_empty() { "ok".to_owned() } else { response.refusal().code }
    }

    async fn revoke(&self) {
        let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { __typename } }";
        self.ada.ok(revoke, json!({ "input": { "id": self.binding } })).await;
    }

    /// How long Bob could go on reading at B after A had said that it is over. He never stops asking.
    async fn refused_after(&self) -> Duration {
        let began = Instant::now();
        loop {
            match self.look().await.as_str() {
                "ok" => assert!(began.elapsed() < 5 * SECOND, "Bob still reads"),
                "NOT_FOUND" => return began.elapsed(),
                other => panic!("{other}"),
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_is_revoked_at_one_counts_at_the_other() {
    let Some(replicas) = Replicas::start().await else { return };
    // A write decides on what its own transaction sees.
    let story = Story::begin(&replicas).await;
    story.revoke().await;
    let rename = json!({ "input": { "id": story.organization, "name": "Bob's", "expectedVersion": 1 } });
    assert_eq!(story.bob_at_b.code(RENAME, rename).await, "NOT_FOUND", "the next write, at once");
    // A read may be a second behind.
    let story = Story::begin(&replicas).await;
    story.revoke().await;
    let told = story.refused_after().await;
    assert!(told < SECOND, "refused after {told:?}");
}

#[tokio::test]
async fn it_counts_also_when_nobody_is_told() {
    let Some(replicas) = Replicas::start().await else { return };
    // A change of which PostgreSQL tells nobody.
    let story = Story::begin(&replicas).await;
    let change = replicas.database.begin().await.unwrap();
    // Ada's own was made with the organization, by nobody.
    change.execute_unprepared("DELETE FROM bindings WHERE created_by IS NOT NULL").await.unwrap();
    change.execute_unprepared("UPDATE policy_epochs SET epoch = epoch + 1").await.unwrap();
    change.commit().await.unwrap();
    let asked = story.refused_after().await;
    assert!(asked < SECOND, "refused after {asked:?}");
    // And one of which it does, while nobody listens.
    for _ in 0..3 {
        let story = Story::begin(&replicas).await;
        eventually("both listen", || async { (replicas.cut_listeners().await == 2).then_some(()) }).await;
        story.revoke().await;
        let asked = story.refused_after().await;
        assert!(asked < SECOND, "refused after {asked:?}");
    }
}

#[tokio::test]
async fn who_cannot_learn_the_epoch_refuses_and_serves_again_when_it_can() {
    let Some(replicas) = Replicas::start().await else { return };
    let story = Story::begin(&replicas).await;
    let lock = replicas.database.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE policy_epochs IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let refused = loop {
        match story.look().await.as_str() {
            "ok" => assert!(began.elapsed() < SECOND, "served from memory after {:?}", began.elapsed()),
            code => break code.to_owned(),
        }
    };
    assert_eq!(refused, "UNAVAILABLE");
    for _ in 0..3 {
        assert_eq!(story.look().await, "UNAVAILABLE");
    }
    lock.rollback().await.unwrap();
    eventually("it serves again", || async { (story.look().await == "ok").then_some(()) }).await;
}

#[tokio::test]
async fn what_is_followed_at_one_is_told_of_and_cut_by_what_happens_at_the_other() {
    let Some(replicas) = Replicas::start().await else { return };
    let story = Story::begin(&replicas).await;
    let project = story.ada.create_project(&story.organization, "site").await;
    let environment = story.ada.create_environment(&project, "production", true).await;
    let follow = "subscription($id: ID!) { deploymentUpdated(environmentId: $id) { state } }";
    let mut live = story.bob_at_b.follow(follow, json!({ "id": environment.id })).await;
    // Until he hears of one, he may not have begun to listen.
    let told = loop {
        story.ada.draft(&environment, &[("index.html", b"one")], None).await;
        let began = Instant::now();
        if let Ok(item) = tokio::time::timeout(SECOND, live.item()).await {
            assert_eq!(item["deploymentUpdated"]["state"], "DRAFT");
            break began.elapsed();
        }
    };
    assert!(told < SECOND, "told after {told:?}");
    let began = Instant::now();
    story.revoke().await;
    let (code, message, at) = live.cut().await;
    let after = at.saturating_duration_since(began);
    assert!(code == "FORBIDDEN" && after < SECOND, "{code} after {after:?}: {message}");
}
