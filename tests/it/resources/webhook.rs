//! Webhooks: told of what happens, signed, in the name of whoever answers for them, and to nobody within this machine's own
//! network.

use serde_json::{Value, json};

use crate::harness::{Client, DnsServer, Environment, Receiver, TestServer, dump, eventually, holds, text};

pub(super) const CREATE: &str = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) {
    secret webhook { id name url events active problem environment { id } actsAs { id } } } }";
pub(super) const UPDATE: &str = "mutation($input: UpdateWebhookInput!) { updateWebhook(input: $input) {
    webhook { id name url events active problem environment { id } actsAs { id } } } }";
const ROTATE: &str = "mutation($id: ID!) { rotateWebhookSecret(input: { id: $id }) {
    secret webhook { previousSecretUntil actsAs { id } } } }";
const DELETE: &str = "mutation($id: ID!) { deleteWebhook(input: { id: $id }) { deletedId } }";
pub(super) const TEST: &str = "mutation($id: ID!) { testWebhook(input: { id: $id }) { delivery { id event state } } }";
pub(super) const RESEND: &str = "mutation($id: ID!) { resendDelivery(input: { id: $id }) { delivery { state } } }";
const LIST: &str =
    "query($id: ID!) { project(id: $id) { webhooks { nodes { id name active problem deliveries(first: 50) {
    nodes { id eventId event state problem createdAt finishedAt nextAttemptAt
        attempts { at durationMs statusCode answer } } } } } } }";

/// A server that sends to this machine, and tries again at once.
pub(super) async fn server() -> TestServer {
    TestServer::start_with(|config| {
        config.outbox.private_addresses = true;
        config.outbox.retry_seconds = 0.0002;
        config.outbox.timeout_seconds = 1;
    })
    .await
}

/// A site of Ada's: its project and its production environment.
pub(super) async fn site(ada: &Client) -> (String, Environment) {
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let environment = ada.create_environment(&project, "production", true).await;
    (project, environment)
}

/// Makes a webhook: its id and its secret.
pub(super) async fn create(ada: &Client, project: &str, url: &str) -> (String, String) {
    let input = json!({ "projectId": project, "name": "CI", "url": url });
    let made = ada.ok(CREATE, json!({ "input": input })).await["createWebhook"].clone();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

pub(super) async fn webhooks(client: &Client, project: &str) -> Vec<Value> {
    let data = client.ok(LIST, json!({ "id": project })).await;
    data["project"]["webhooks"]["nodes"].as_array().unwrap().clone()
}

/// What the only webhook was told, the newest first.
pub(super) async fn deliveries(client: &Client, project: &str) -> Vec<Value> {
    let webhooks = webhooks(client, project).await;
    webhooks[0]["deliveries"]["nodes"].as_array().unwrap().clone()
}

/// The newest delivery of the only webhook, as soon as all have come to their end.
pub(super) async fn settled(client: &Client, project: &str) -> Value {
    eventually("everything is delivered, or not to be", async || {
        let all = deliveries(client, project).await;
        all.iter().all(|it| it["state"] != "WAITING").then(|| all.first().cloned()).flatten()
    })
    .await
}

#[tokio::test]
async fn a_webhook_is_told_what_happens_and_can_tell_that_it_is_us() {
    let (mut server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let (id, secret) = create(&ada, &project, &receiver.url()).await;
    let first = ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    let received = receiver.receives(1).await[0].clone();
    assert_eq!(received.head, "POST /hook?token=hunter2 HTTP/1.1");
    assert_eq!(received.headers["content-type"], "application/json");
    assert!(received.is_signed_with(&secret), "{received:?}");
    let told = received.json();
    assert_eq!((&told["type"], &told["version"]), (&json!("deployment.succeeded"), &json!(1)), "{told:#}");
    assert_eq!(told["id"], received.headers["webhook-id"]);
    let data = &told["data"];
    assert_eq!(data["environment"]["path"], environment.path);
    assert_eq!((&data["project"]["path"], &data["environment"]["production"]), (&json!("acme/site"), &json!(true)));
    assert_eq!((&data["deployment"]["id"], &data["deployment"]["state"]), (&json!(first.id), &json!("ACTIVE")));
    assert_eq!((&data["actor"]["name"], &data["cause"]), (&json!("ada"), &json!("user")));
    assert_eq!(data["links"]["environment"], environment.url, "{told:#}");
    assert!(text(&data["links"]["deployment"]).contains("//1--production--site."), "{told:#}");
    let delivery = settled(&ada, &project).await;
    assert_eq!((&delivery["state"], &delivery["eventId"]), (&json!("DELIVERED"), &told["id"]), "{delivery:#}");
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["statusCode"], &attempt["answer"]), (&json!(200), &json!("thank you")));
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);

    // What is under way is nothing that is told; what follows is.
    ada.deploy_static(&environment, &[("index.html", b"two")]).await;
    ada.rollback(&first, "two is slow").await;
    let received = receiver.receives(3).await;
    let told: Vec<Value> = received.iter().map(|it| it.json()["type"].clone()).collect();
    assert_eq!(told, ["deployment.succeeded", "deployment.succeeded", "deployment.rolled_back"]);
    assert_eq!(received[2].json()["data"]["reason"], "two is slow");

    // Both secrets are good for a day, and a new master key seals both anew.
    let rotated = ada.ok(ROTATE, json!({ "id": id })).await["rotateWebhookSecret"].clone();
    assert!(rotated["webhook"]["previousSecretUntil"].is_string());
    let newer = text(&rotated["secret"]);
    assert!(
        !holds(&dump(&server.database_url()).await, &newer) && !holds(&dump(&server.database_url()).await, &secret)
    );
    assert!(server.restart_with_new_master_key().await >= 2);
    let ada = ada.at(server.api_address());
    ada.ok(TEST, json!({ "id": id })).await;
    let ping = receiver.receives(4).await[3].clone();
    assert!(ping.is_signed_with(&newer) && ping.is_signed_with(&secret), "{ping:?}");
    assert_eq!((&ping.json()["type"], &ping.json()["data"]["webhook"]["name"]), (&json!("ping"), &json!("CI")));

    ada.ok(DELETE, json!({ "id": id })).await;
    assert_eq!(ada.code(DELETE, json!({ "id": id })).await, "NOT_FOUND");
    assert!(webhooks(&ada, &project).await.is_empty());
}

#[tokio::test]
async fn a_webhook_is_told_of_what_it_was_made_for() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, production) = site(&ada).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let input = json!({ "projectId": project, "name": "CI", "url": receiver.url(), "environmentId": staging.id,
        "events": ["deployment.succeeded", "deployment.retired", "deployment.succeeded"] });
    let made = ada.ok(CREATE, json!({ "input": input })).await["createWebhook"]["webhook"].clone();
    assert_eq!(made["environment"]["id"], staging.id);
    assert_eq!(made["events"], json!(["deployment.succeeded", "deployment.retired"]));
    ada.deploy_static(&production, &[("index.html", b"one")]).await;
    let first = ada.deploy_static(&staging, &[("index.html", b"one")]).await;
    ada.deploy_static(&staging, &[("index.html", b"two")]).await;
    let act = async |verb: &str| {
        let document = format!("mutation($id: ID!) {{ {verb}(input: {{ id: $id }}) {{ __typename }} }}");
        ada.ok(&document, json!({ "id": first.id })).await;
    };
    act("retireDeployment").await;
    ada.wait_for(&first, "RETIRED").await;
    // Of what is not named it is not told; that something comes after it shows that.
    act("reviveDeployment").await;
    ada.wait_for(&first, "READY").await;
    act("retireDeployment").await;
    let told: Vec<Value> = receiver.receives(4).await.iter().map(|it| it.json()["type"].clone()).collect();
    let expected = ["deployment.succeeded", "deployment.succeeded", "deployment.retired", "deployment.retired"];
    assert_eq!(told, expected);

    let change = json!({ "id": made["id"], "environmentId": null, "events": [], "name": "All" });
    let changed = ada.ok(UPDATE, json!({ "input": change })).await["updateWebhook"]["webhook"].clone();
    let expected = (&json!("All"), &Value::Null, &json!([]));
    assert_eq!((&changed["name"], &changed["environment"], &changed["events"]), expected);
    ada.deploy_static(&production, &[("index.html", b"two")]).await;
    assert_eq!(receiver.receives(5).await[4].json()["data"]["environment"]["path"], production.path);
    ada.ok(UPDATE, json!({ "input": { "id": made["id"], "active": false } })).await;
    let refusal = ada.refusal(TEST, json!({ "id": made["id"] })).await;
    assert_eq!(refusal.extensions["reason"], "WEBHOOK_OFF");
    ada.deploy_static(&production, &[("index.html", b"three")]).await;
    assert_eq!((receiver.received().len(), deliveries(&ada, &project).await.len()), (5, 5), "nothing is sent");
}

#[tokio::test]
async fn a_domain_that_is_proved_is_told() {
    let (dns, receiver) = (DnsServer::start(&["edge.test. A 127.0.0.1"]).await, Receiver::start().await);
    let address = dns.address();
    let server = TestServer::start_with(|config| {
        config.outbox.private_addresses = true;
        config.dns_resolver = Some(address);
        config.domain_target = Some(reeve::domain::host::HostName::parse("edge.test").unwrap());
        config.domain_check = std::time::Duration::from_millis(200);
    })
    .await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    // By name, which the same server resolves.
    dns.set(&["edge.test. A 127.0.0.1", "hooks.test. A 127.0.0.1"]).await;
    create(&ada, &project, &format!("http://hooks.test:{}/", receiver.port())).await;
    let add = "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain { id proofName proofValue } } }";
    let input = json!({ "environmentId": environment.id, "name": "www.customer.test" });
    let domain = ada.ok(add, json!({ "input": input })).await["addDomain"]["domain"].clone();
    let proof = format!("{}. TXT \"{}\"", text(&domain["proofName"]), text(&domain["proofValue"]));
    let (hooks, here) = ("hooks.test. A 127.0.0.1", "www.customer.test. CNAME edge.test.");
    dns.set(&["edge.test. A 127.0.0.1", hooks, here, &proof]).await;
    receiver.receives(1).await;
    dns.set(&["edge.test. A 127.0.0.1", hooks]).await;
    let told = receiver.receives(2).await;
    let (first, second) = (told[0].json(), told[1].json());
    assert_eq!((&first["type"], &second["type"]), (&json!("domain.verified"), &json!("domain.lost")));
    assert_eq!(second["data"]["domain"], json!({ "id": domain["id"], "name": "www.customer.test" }));
}

#[tokio::test]
async fn nothing_is_sent_into_a_network_that_is_not_public() {
    let dns = DnsServer::start(&[
        "inner.test. A 127.0.0.1",
        "mixed.test. A 127.0.0.1",
        "mixed.test. A 8.8.8.8",
        "metadata.test. A 169.254.169.254",
        "six.test. AAAA ::ffff:127.0.0.1",
        "alias.test. CNAME inner.test.",
    ])
    .await;
    let (address, receiver) = (dns.address(), Receiver::start().await);
    let server = TestServer::start_with(|config| config.dns_resolver = Some(address)).await;
    let ada = server.sign_up("ada").await;
    let (project, _) = site(&ada).await;
    for (url, constraint) in [
        (receiver.url().as_str(), "private_address"),
        ("http://127.1/", "private_address"),
        ("http://0x7f000001/", "private_address"),
        ("http://169.254.169.254/latest/meta-data", "private_address"),
        ("https://10.0.0.8/", "private_address"),
        ("https://[::1]/", "private_address"),
        ("https://[::ffff:192.168.0.1]/", "private_address"),
        ("ftp://example.com/", "protocol"),
        ("file:///etc/passwd", "protocol"),
        ("https://user:password@example.com/", "credential"),
        ("example.com", "not_a_url"),
        ("https://example.com/\r\nx: y", "characters"),
    ] {
        let input = json!({ "projectId": project, "name": "CI", "url": url });
        let refusal = ada.refusal(CREATE, json!({ "input": input })).await;
        let problem = &refusal.extensions["problems"][0];
        assert_eq!((&problem["field"], &problem["constraint"]), (&json!("url"), &json!(constraint)), "{url}");
    }
    let input = json!({ "projectId": project, "name": "CI", "url": "https://example.com", "events": ["deployment.x"] });
    let refusal = ada.refusal(CREATE, json!({ "input": input })).await;
    assert_eq!(refusal.extensions["problems"][0]["field"], "events[0]");
    // A name is looked at when something is sent, each time.
    let (id, _) = create(&ada, &project, &format!("http://inner.test:{}/", receiver.port())).await;
    for host in ["inner.test", "mixed.test", "metadata.test", "six.test", "alias.test", "nowhere.test"] {
        let url = format!("http://{host}:{}/", receiver.port());
        ada.ok(UPDATE, json!({ "input": { "id": id, "url": url } })).await;
        ada.ok(TEST, json!({ "id": id })).await;
        let told = settled(&ada, &project).await;
        assert_eq!(told["state"], "DEAD", "{told:#}");
        let why = text(&told["problem"]);
        let expected = if host == "nowhere.test" { "is not known" } else { "not public" };
        assert!(why.contains(expected) && why.contains(host), "{host}: {why}");
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn nobody_is_told_more_than_whoever_answers_for_it_may_see() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (project, production) = site(&ada).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let row = |capability: &str, environments: &str| json!({ "boundAt": "PROJECT", "capability": capability, "environments": environments });
    let rows = [
        row("project.view", "ANY"),
        row("project.update", "ANY"),
        row("environment.view", "NONPRODUCTION"),
        row("deployment.view", "NONPRODUCTION"),
    ];
    let role = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    ada.ok(role, json!({ "input": { "name": "blind", "scope": "acme", "rows": rows } })).await;
    let binding = ada.grant(&dev, "custom/blind", "acme/site").await;

    // Of one that may not be seen, nobody learns that it is there, and nobody watches it.
    let input = json!({ "projectId": project, "name": "CI", "url": receiver.url(), "environmentId": production.id });
    let hidden = dev.refusal(CREATE, json!({ "input": input })).await;
    let mut absent = input.clone();
    absent["environmentId"] = json!(format!("{}0", &production.id[..production.id.len() - 1]));
    assert_eq!(hidden, dev.refusal(CREATE, json!({ "input": absent })).await);
    assert_eq!(hidden.code, "NOT_FOUND");
    let watching = text(&ada.ok(CREATE, json!({ "input": input })).await["createWebhook"]["webhook"]["id"]);
    assert!(webhooks(&dev, &project).await.is_empty());
    for document in [ROTATE, DELETE, TEST] {
        assert_eq!(dev.code(document, json!({ "id": watching })).await, "NOT_FOUND", "{document}");
    }
    assert_eq!(dev.code(UPDATE, json!({ "input": { "id": watching, "name": "Mine" } })).await, "NOT_FOUND");
    ada.ok(DELETE, json!({ "id": watching })).await;

    // A key that is narrowed is no way around its limits.
    let key = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }";
    let narrow = json!({ "name": "ci", "capabilities": ["project.view", "project.update"] });
    let key = text(&ada.ok(key, json!({ "input": narrow })).await["createApiKey"]["secret"]);
    let input = json!({ "projectId": project, "name": "CI", "url": receiver.url() });
    let refusal = ada.with_token(key).refusal(CREATE, json!({ "input": input })).await;
    assert_eq!(refusal.extensions["reason"], "KEY_NARROWED");

    // Ada's is told of everything; what it was told of production, Dev does not see and cannot have sent.
    let (id, _) = create(&ada, &project, &receiver.url()).await;
    ada.deploy_static(&production, &[("index.html", b"one")]).await;
    let of_production = settled(&ada, &project).await;
    ada.deploy_static(&staging, &[("index.html", b"one")]).await;
    receiver.receives(2).await;
    settled(&ada, &project).await;
    let seen = deliveries(&dev, &project).await;
    assert_eq!((seen.len(), deliveries(&ada, &project).await.len()), (1, 2), "{seen:#?}");
    assert_eq!(dev.code(RESEND, json!({ "id": of_production["id"] })).await, "NOT_FOUND");
    dev.ok(RESEND, json!({ "id": seen[0]["id"] })).await;
    receiver.receives(3).await;

    // Whoever changes it answers for it: it is no way to what one may not see.
    let changed = ada.ok(ROTATE, json!({ "id": id })).await;
    assert_eq!(changed["rotateWebhookSecret"]["webhook"]["actsAs"]["id"], ada.account.id);
    let changed = dev.ok(UPDATE, json!({ "input": { "id": id, "name": "Dev's" } })).await;
    assert_eq!(changed["updateWebhook"]["webhook"]["actsAs"]["id"], dev.account.id);
    ada.deploy_static(&production, &[("index.html", b"two")]).await;
    let withheld = settled(&ada, &project).await;
    assert_eq!((&withheld["state"], &withheld["attempts"]), (&json!("WITHHELD"), &json!([])), "{withheld:#}");
    ada.deploy_static(&staging, &[("index.html", b"two")]).await;
    receiver.receives(4).await;
    // And for as long as they may see it.
    let revoke = "mutation($id: ID!) { revokeBinding(input: { id: $id }) { revokedId } }";
    ada.ok(revoke, json!({ "id": binding })).await;
    ada.deploy_static(&staging, &[("index.html", b"three")]).await;
    assert_eq!(settled(&ada, &project).await["state"], "WITHHELD");
    assert_eq!(receiver.received().len(), 4);
    ada.ok(UPDATE, json!({ "input": { "id": id, "name": "Ada's" } })).await;
    ada.ok(RESEND, json!({ "id": withheld["id"] })).await;
    assert_eq!(receiver.receives(5).await[4].json()["data"]["environment"]["path"], production.path);
    assert_eq!(dev.code(LIST, json!({ "id": project })).await, "NOT_FOUND");
}
