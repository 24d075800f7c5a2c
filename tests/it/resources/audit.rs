//! The audit log: what it keeps of every attempt, who may read it, and that nobody can rewrite it.

use chrono::{DateTime, TimeDelta, Utc};
use reeve::audit::Entry;
use reeve::authz::Packs;
use reeve::domain::email::EmailAddress;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::{Client, DEPLOY, GRANT, TestServer, grant};

pub(super) const LOG: &str =
    "query($scope: String!, $first: Int, $after: String, $last: Int, $before: String, $filter: AuditFilter) {
    auditLog(scope: $scope, first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        nodes { id at actor { id email name } actorId operation outcome scope subject epoch requestId bindings details }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const DELETE_PROJECT: &str = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";

/// The newest entries of a scope that fit a filter.
async fn entries(client: &Client, scope: &str, filter: Value) -> Vec<Value> {
    let data = client.ok(LOG, json!({ "scope": scope, "first": 100, "filter": filter })).await;
    data["auditLog"]["nodes"].as_array().unwrap().clone()
}

/// The one entry that fits.
async fn entry(client: &Client, scope: &str, filter: Value) -> Value {
    let found = entries(client, scope, filter.clone()).await;
    let [entry] = <[Value; 1]>::try_from(found).unwrap_or_else(|found| panic!("{filter}: {found:#?}"));
    entry
}

fn operations(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["operation"].as_str().unwrap()).collect()
}

/// Somebody who administers the console.
async fn root(server: &TestServer) -> Client {
    let root = server.sign_up("root").await;
    let (store, _) = server.keys().await;
    let email = EmailAddress::parse(&root.account.email).unwrap();
    let entry = Entry::new("access.bootstrap", None, "-".to_owned());
    let packs = Packs::built_in().unwrap();
    let role = "mia-console/console-super-user";
    reeve::service::access::bootstrap(&store, &packs, &email, role, entry).await.unwrap();
    root
}

#[tokio::test]
async fn what_is_done_is_kept_with_the_bindings_that_allowed_it() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let environment = ada.create_environment(&project, "production", true).await;
    let far = ada.grant(&dev, "ownstak/editor", "acme").await;
    let near = ada.grant(&dev, "ownstak/editor", "acme/site").await;
    let draft = dev.draft(&environment, &[("index.html", b"hello")], None).await;

    let kept = entry(&ada, "acme", json!({ "operation": "deployment.create" })).await;
    assert_eq!(kept["bindings"], json!([near, far]), "the nearest first: {kept}");
    assert_eq!((&kept["actor"]["id"], &kept["actor"]["email"]), (&json!(dev.account.id), &json!(dev.account.email)));
    assert_eq!((&kept["actorId"], &kept["outcome"]), (&json!(dev.account.id), &json!("ALLOWED")));
    assert_eq!((&kept["scope"], &kept["subject"]), (&json!(environment.id), &json!(draft.deployment.id)));
    assert!(kept["epoch"].as_i64().unwrap() > 1 && !kept["requestId"].as_str().unwrap().is_empty());
    let at: DateTime<Utc> = kept["at"].as_str().unwrap().parse().unwrap();
    assert!((Utc::now() - at).abs() < TimeDelta::minutes(5));

    // What follows by itself is told of under the same environment, in the name of who began it.
    dev.deploy(&environment, &[("index.html", b"hello")], None).await;
    crate::harness::eventually("the switch is kept", || async {
        let found = entries(&ada, &environment.id, json!({ "operation": "deployment.activate" })).await;
        (found.len() == 1 && found[0]["actorId"] == json!(dev.account.id)).then_some(())
    })
    .await;
    let all = entries(&ada, "acme", json!({})).await;
    assert_eq!(all.last().unwrap()["operation"], "project.create", "the newest first");
    assert!(!operations(&all).contains(&"user.sign_up"), "what happened elsewhere");
}

#[tokio::test]
async fn what_is_refused_is_kept_with_what_stood_against_it() {
    let server = TestServer::start().await;
    let (ada, viewer, stranger) =
        (server.sign_up("ada").await, server.sign_up("vic").await, server.sign_up("stranger").await);
    let environment = ada.create_site().await;
    let binding = ada.grant(&viewer, "ownstak/viewer", "acme/site").await;
    let rename =
        "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";
    let input = json!({ "input": { "id": environment.id, "name": "x", "expectedVersion": 1 } });
    assert_eq!(viewer.code(rename, input.clone()).await, "FORBIDDEN");
    assert_eq!(stranger.code(rename, input).await, "NOT_FOUND");
    assert_eq!(viewer.code(GRANT, grant(&viewer, "ownstak/admin", "acme/site")).await, "FORBIDDEN");

    let refused = async |client: &Client, operation: &str| {
        let filter = json!({ "actor": client.account.id, "outcome": "REFUSED", "operation": operation });
        entry(&ada, &environment.id, filter).await
    };
    let forbidden = refused(&viewer, "environment.update").await;
    let decision = "query($subject: String!, $resource: String!) {
        accessDecision(subject: $subject, capability: \"environment.update\", resource: $resource) {
            refusal { reason bindingId } } }";
    for (client, kept, nearest) in [
        (&viewer, &forbidden, json!(binding)),
        (&stranger, &refused(&stranger, "environment.update").await, Value::Null),
    ] {
        let about = json!({ "subject": client.account.email, "resource": environment.id });
        let told = ada.ok(decision, about).await["accessDecision"]["refusal"].clone();
        assert_eq!(kept["details"]["reason"], told["reason"], "in the words of the API");
        assert_eq!((&kept["details"]["binding"], &told["bindingId"]), (&nearest, &nearest));
        assert_eq!(kept["details"]["capability"], "environment.update");
        assert_eq!((&kept["scope"], &kept["subject"]), (&json!(environment.id), &json!(environment.id)));
        assert_eq!(kept["bindings"], json!([]), "nothing allowed it");
        assert!(kept["epoch"].as_i64().unwrap() > 1, "{kept}");
    }
    let kept =
        entry(&ada, "acme/site", json!({ "actor": viewer.account.id, "outcome": "REFUSED" , "operation": "access." }))
            .await;
    assert_eq!(
        (&kept["details"]["capability"], &kept["details"]["binding"]),
        (&json!("access.manage"), &json!(binding))
    );
    // Somebody who grants more than they hold is refused after the first check has let them through.
    let mia = server.sign_up("mia").await;
    ada.grant(&mia, "mia-console/project-administrator", "acme/site").await;
    assert_eq!(mia.code(GRANT, grant(&viewer, "ownstak/admin", "acme/site")).await, "FORBIDDEN");
    let kept = entry(&ada, "acme/site", json!({ "actor": mia.account.email, "operation": "access.grant" })).await;
    assert_eq!((&kept["outcome"], &kept["bindings"]), (&json!("REFUSED"), &json!([])));
    assert_eq!(kept["details"]["reason"], "GRANTS_MORE_THAN_HELD");
    // What is not there is not below the organization; the console's log has it.
    let nowhere = json!({ "input": { "id": "dep_00000000000000000000000000" } });
    assert_eq!(stranger.code(DEPLOY, nowhere).await, "NOT_FOUND");
    let root = root(&server).await;
    let kept = entry(&root, "console", json!({ "actor": stranger.account.id, "operation": "deployment." })).await;
    assert_eq!((&kept["scope"], &kept["details"]["reason"]), (&json!("console"), &json!("NOT_THERE")));
}

#[tokio::test]
async fn a_filter_finds_what_fits_all_of_it() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let environment = ada.create_site().await;
    let binding = ada.grant(&ben, "ownstak/editor", "acme").await;
    assert_eq!(ben.code(GRANT, grant(&ben, "ownstak/admin", "acme")).await, "FORBIDDEN");
    ben.draft(&environment, &[("index.html", b"hello")], None).await;
    let find = async |filter: Value| entries(&ada, "acme", filter).await;
    let all = find(json!({})).await;
    let first = |operation: &str| all.iter().find(|it| it["operation"] == operation).unwrap().clone();

    let bens = find(json!({ "actor": ben.account.email })).await;
    assert_eq!(operations(&bens), ["deployment.create", "access.grant"]);
    assert_eq!(find(json!({ "actor": ben.account.id })).await, bens);
    assert_eq!(find(json!({ "actor": "nobody@example.com" })).await, Vec::<Value>::new());
    assert_eq!(operations(&find(json!({ "operation": "access." })).await), ["access.grant", "access.grant"]);
    assert_eq!(operations(&find(json!({ "operation": "access.grant", "outcome": "ALLOWED" })).await), ["access.grant"]);
    for nothing in ["access", "a_cess.", "access.grant.", "_", "."] {
        assert_eq!(find(json!({ "operation": nothing })).await, Vec::<Value>::new(), "{nothing}");
    }
    let refused = find(json!({ "outcome": "REFUSED" })).await;
    assert_eq!((refused.len(), &refused[0]["actorId"]), (1, &json!(ben.account.id)));
    assert_eq!(operations(&find(json!({ "subject": environment.id })).await), ["environment.create"]);
    assert_eq!(find(json!({ "requestId": refused[0]["requestId"] })).await, refused);
    assert!(first("access.grant")["details"].to_string().contains("reason") && !binding.is_empty());

    let time = |entry: &Value| entry["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let created = time(&first("project.create"));
    let later = (created + TimeDelta::milliseconds(1)).to_rfc3339();
    assert_eq!(find(json!({ "until": created })).await, Vec::<Value>::new(), "before, and not then");
    assert_eq!(operations(&find(json!({ "until": later, "operation": "project." })).await), ["project.create"]);
    assert_eq!(find(json!({ "since": created })).await, all);
    assert_eq!(find(json!({ "since": created - TimeDelta::days(9_000), "until": "9999-12-31T23:59:59Z" })).await, all);
    assert_eq!(find(json!({ "since": Utc::now() + TimeDelta::minutes(1) })).await, Vec::<Value>::new());
    let both = json!({ "actor": ben.account.id, "outcome": "REFUSED", "operation": "deployment.create" });
    assert_eq!(find(both).await, Vec::<Value>::new());

    let wrong = [
        json!({ "actor": "nobody" }),
        json!({ "actor": "" }),
        json!({ "actor": environment.id }),
        json!({ "operation": "\u{0}" }),
        json!({ "operation": "ACCESS." }),
        json!({ "operation": "a%." }),
        json!({ "operation": "\\." }),
        json!({ "operation": "x".repeat(201) }),
        json!({ "subject": "" }),
        json!({ "subject": "a\nb" }),
        json!({ "requestId": "\u{0}" }),
        json!({ "since": "-0044-03-15T00:00:00Z" }),
        json!({ "until": "+100000-01-01T00:00:00Z" }),
        json!({ "since": "yesterday" }),
        json!({ "outcome": "LOST" }),
    ];
    for filter in wrong {
        assert_eq!(ada.code(LOG, json!({ "scope": "acme", "filter": filter })).await, "INVALID_INPUT", "{filter}");
    }
    for filter in [json!({ "subject": "' OR 1=1 --" }), json!({ "requestId": "\"; DROP TABLE audit_entries; --" })] {
        assert_eq!(find(filter).await, Vec::<Value>::new());
    }
    let two = ada.refusal(LOG, json!({ "scope": "acme", "filter": { "actor": "", "subject": "" } })).await;
    let said = two.extensions.to_string();
    assert!(said.contains("actor") && said.contains("subject"), "all problems at once: {said}");
}

#[tokio::test]
async fn pages_go_backwards_in_time_and_do_not_move() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    ada.create_site().await;
    for _ in 0..4 {
        ada.grant(&ben, "ownstak/viewer", "acme").await;
    }
    let all = entries(&ada, "acme", json!({})).await;
    let ids: Vec<&str> = all.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 6 && ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
    let page = async |variables: Value| {
        let mut variables = variables;
        variables["scope"] = json!("acme");
        ada.ok(LOG, variables).await["auditLog"].clone()
    };
    let first = page(json!({ "first": 4 })).await;
    assert_eq!(
        (first["nodes"].as_array().unwrap().as_slice(), &first["pageInfo"]["hasNextPage"]),
        (&all[..4], &json!(true))
    );
    // Newer entries come in front, and the next page is the one that it was.
    ada.grant(&ben, "ownstak/viewer", "acme").await;
    let second = page(json!({ "first": 4, "after": first["pageInfo"]["endCursor"] })).await;
    assert_eq!(
        (second["nodes"].as_array().unwrap().as_slice(), &second["pageInfo"]["hasNextPage"]),
        (&all[4..], &json!(false))
    );
    let oldest = page(json!({ "last": 2 })).await;
    assert_eq!(oldest["nodes"], second["nodes"]);
    let back = page(json!({ "last": 4, "before": second["pageInfo"]["startCursor"] })).await;
    assert_eq!(back["nodes"], first["nodes"]);
    for wrong in [json!({ "first": 101 }), json!({ "after": "x" }), json!({ "after": ben.account.id })] {
        let mut variables = wrong.clone();
        variables["scope"] = json!("acme");
        assert_eq!(ada.code(LOG, variables).await, "INVALID_INPUT", "{wrong}");
    }
}

#[tokio::test]
async fn a_log_is_for_those_who_may_view_it_and_no_more_than_its_scope() {
    let server = TestServer::start().await;
    let (ada, stranger, noprod) =
        (server.sign_up("ada").await, server.sign_up("stranger").await, server.sign_up("noprod").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let production = ada.create_environment(&project, "production", true).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let elsewhere = stranger.create_organization("elsewhere").await;
    ada.grant(&noprod, "devops-console/project-operations-noprod", "acme/site").await;
    let code = async |client: &Client, scope: &str| {
        let response = client.query(LOG, json!({ "scope": scope })).await;
        if response.errors.is_empty() { "ok".to_owned() } else { response.refusal().code }
    };
    for scope in ["acme", &organization, "acme/site", &project, &production.path, &production.id, "console"] {
        assert_eq!(code(&stranger, scope).await, "NOT_FOUND", "{scope}");
        assert_eq!(code(&server.client(), scope).await, "UNAUTHENTICATED", "{scope}");
    }
    let expected = [
        ("acme", "NOT_FOUND"),
        ("acme/site", "FORBIDDEN"),
        ("acme/site/staging", "FORBIDDEN"),
        ("acme/site/production", "NOT_FOUND"),
        (production.id.as_str(), "NOT_FOUND"),
        ("console", "NOT_FOUND"),
    ];
    for (scope, expected) in expected {
        assert_eq!(code(&noprod, scope).await, expected, "{scope}");
    }
    let refusal = noprod.refusal(LOG, json!({ "scope": staging.id })).await;
    assert_eq!(
        (&refusal.extensions["capability"], &refusal.extensions["resource"]),
        (&json!("audit.view"), &json!(staging.id))
    );
    assert_eq!(ada.refusal(LOG, json!({ "scope": production.id.replace("env_", "prj_") })).await.code, "NOT_FOUND");
    assert_eq!(code(&ada, &elsewhere).await, "NOT_FOUND");
    assert_eq!(code(&ada, "a/b/c/d").await, "INVALID_INPUT");
    // Who holds it on the project alone holds it nowhere that it is judged.
    ada.grant(&noprod, "ownstak/admin", "acme/site").await;
    assert_eq!(code(&noprod, "acme/site").await, "FORBIDDEN");

    assert_eq!(operations(&entries(&ada, &staging.id, json!({})).await), Vec::<&str>::new());
    let of_project = entries(&ada, "acme/site", json!({ "outcome": "ALLOWED" })).await;
    assert_eq!(operations(&of_project), ["access.grant", "access.grant", "environment.create", "environment.create"]);
    let root = root(&server).await;
    let made = entries(&root, "console", json!({ "operation": "organization." })).await;
    assert_eq!(operations(&made), ["organization.create", "organization.create"]);
    let team = made[0]["scope"].as_str().unwrap();
    assert_eq!(operations(&entries(&root, team, json!({})).await), ["organization.create"], "a team has a log as well");
    assert_eq!(code(&stranger, team).await, "FORBIDDEN", "its owner may view the team, and not its log");
}

#[tokio::test]
async fn what_is_gone_is_still_told_of() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let environment = ada.create_environment(&project, "production", true).await;
    ada.draft(&environment, &[("index.html", b"hello")], None).await;
    let delete = "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }";
    ada.ok(delete, json!({ "input": { "id": environment.id } })).await;
    let all = ["environment.delete", "deployment.create", "environment.create"];
    assert_eq!(operations(&entries(&ada, "acme/site", json!({})).await), all);
    assert_eq!(ada.code(LOG, json!({ "scope": environment.id })).await, "NOT_FOUND");
    ada.ok(DELETE_PROJECT, json!({ "input": { "id": project } })).await;
    let all = ["project.delete", "environment.delete", "deployment.create", "environment.create", "project.create"];
    assert_eq!(operations(&entries(&ada, "acme", json!({})).await), all);
    let delete = "mutation($input: DeleteOrganizationInput!) { deleteOrganization(input: $input) { deletedId } }";
    ada.ok(delete, json!({ "input": { "id": organization } })).await;
    let found = entries(&root(&server).await, "console", json!({ "actor": ada.account.email })).await;
    let mut all = [&["organization.delete"], &all[..], &["organization.create", "user.sign_up"]].concat();
    all.retain(|operation| operations(&found).contains(operation));
    assert_eq!(operations(&found), all);
    assert_eq!(found.len(), 8);
}

#[tokio::test]
async fn nobody_rewrites_the_log_not_even_with_the_database_in_hand() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    let before = entries(&ada, "acme", json!({})).await;
    let database = sea_orm::Database::connect(server.database_url()).await.unwrap();
    let mut attempts = vec![
        "UPDATE audit_entries SET operation = 'nothing'",
        "UPDATE audit_entries SET details = details WHERE outcome = 'allowed'",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE operation = 'project.create'",
    ];
    if server.database_url().starts_with("postgres") {
        attempts.extend(["TRUNCATE audit_entries", "TRUNCATE audit_entries CASCADE"]);
    }
    for attempt in attempts {
        let error = database.execute_unprepared(attempt).await.err().unwrap_or_else(|| panic!("{attempt}"));
        assert!(error.to_string().contains("append-only"), "{attempt}: {error}");
    }
    // One that would change nothing shows that the statements are whole.
    database.execute_unprepared("DELETE FROM audit_entries WHERE operation = 'none'").await.unwrap();
    assert_eq!(entries(&ada, "acme", json!({})).await, before);
    database.close().await.unwrap();
}

#[tokio::test]
async fn no_secret_is_ever_kept() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let draft = ada.draft(&environment, &[("index.html", b"hello")], None).await;
    let sign_in =
        "mutation($input: SignInInput!) { signIn(input: $input) { refreshToken accessToken user { id email } } }";
    let input = |password: &str| json!({ "input": { "email": ada.account.email, "password": password } });
    let session = ada.holding(&ada.ok(sign_in, input(&ada.account.password)).await["signIn"]);
    assert_eq!(ada.code(sign_in, input("a guess at the password")).await, "UNAUTHENTICATED");
    let root = root(&server).await;
    let log = json!(entries(&root, "console", json!({})).await).to_string();
    assert!(log.contains("session.sign_in") && log.contains(&ada.account.id), "{log}");
    let secrets = [
        &ada.account.password,
        &ada.account.refresh_token,
        &session.account.refresh_token,
        ada.token.as_ref().unwrap(),
        session.token.as_ref().unwrap(),
        &draft.token,
        "a guess at the password",
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
