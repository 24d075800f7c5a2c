//! Pushes: told by a forge with a proof, taken once, deployed in the name of whoever arranged it and as long as they may.

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::git::{connect, deploys, ended, server, serves, site};
use crate::harness::{Client, Environment, Repository, text, unique};

const FOLLOW: &str =
    "mutation($input: SetAutoDeployInput!) { setAutoDeploy(input: $input) { environment { autoDeployBranch } } }";

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// A forge that knows a secret.
struct Forge {
    http: reqwest::Client,
    url: String,
    secret: String,
}

impl Forge {
    fn of(ada: &Client, connected: &Value) -> Self {
        let path = text(&connected["gitConnection"]["webhookUrl"]);
        let path = path.split_once("/git/").unwrap().1;
        let url = format!("{}/git/{path}", ada.base);
        Self { http: ada.http.clone(), url, secret: text(&connected["webhookSecret"]) }
    }

    async fn send(&self, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.http.post(&self.url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// A push as GitHub tells of it; how many deployments it asked for.
    async fn push(&self, branch: &str) -> u64 {
        let body = push(branch);
        let (signature, name) = (sign(&self.secret, &body), unique());
        let headers = [("x-hub-signature-256", &*signature), ("x-github-event", "push"), ("x-github-delivery", &*name)];
        let (status, answer) = self.send(&body, &headers).await;
        assert_eq!(status, 202, "{answer}");
        answer["deployments"].as_u64().unwrap()
    }
}

/// No two are alike.
fn push(branch: &str) -> String {
    json!({ "ref": format!("refs/heads/{branch}"), "after": "1".repeat(40), "unique": unique() }).to_string()
}

async fn follow(client: &Client, environment: &Environment, branch: Option<&str>) {
    let input = json!({ "environmentId": environment.id, "branch": branch });
    let data = client.ok(FOLLOW, json!({ "input": input })).await;
    assert_eq!(data["setAutoDeploy"]["environment"]["autoDeployBranch"], json!(branch));
}

/// The newest request, when it has ended.
async fn newest(client: &Client, environment: &Environment) -> Value {
    let id = text(&deploys(client, environment).await[0]["id"]);
    ended(client, environment, &id).await
}

#[tokio::test]
async fn a_push_is_deployed_where_its_branch_is_followed() {
    let server = server().await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let repository = Repository::with(&[("index.html", b"one")]);
    let forge = Forge::of(&ada, &connect(&ada, &project, &repository.url()).await);
    assert_eq!(forge.push("main").await, 0, "nobody follows it");
    follow(&ada, &environment, Some("main")).await;
    follow(&ada, &staging, Some("next")).await;
    assert_eq!(forge.push("main").await, 1);
    let done = newest(&ada, &environment).await;
    assert_eq!((&done["state"], &done["origin"]), (&json!("DEPLOYED"), &json!("PUSH")), "{done:#}");
    assert_eq!(done["actsAs"]["id"], ada.account.id);
    serves(server.edge_address(), &environment, "one").await;
    assert_eq!(deploys(&ada, &staging).await.len(), 0);
    assert_eq!(forge.push("other").await, 0);
    for body in [
        json!({ "ref": "refs/tags/main", "after": "1".repeat(40) }),
        json!({ "ref": "refs/heads/main", "after": "0".repeat(40) }),
        json!({ "ref": "refs/heads/../main", "after": "1".repeat(40) }),
    ] {
        let (body, name) = (body.to_string(), unique());
        let signature = sign(&forge.secret, &body);
        let headers = [("x-hub-signature-256", &*signature), ("x-github-event", "push"), ("x-github-delivery", &*name)];
        assert_eq!(forge.send(&body, &headers).await.1["deployments"], 0, "{body}");
    }
    // GitLab sends the secret itself.
    repository.commit("Second", &[("index.html", b"two")]);
    let (body, name) = (push("main"), unique());
    let headers =
        [("x-gitlab-token", &*forge.secret), ("x-gitlab-event", "Push Hook"), ("x-gitlab-event-uuid", &*name)];
    assert_eq!(forge.send(&body, &headers).await, (202, json!({ "deployments": 1, "before": false })));
    serves(server.edge_address(), &environment, "two").await;
    follow(&ada, &environment, None).await;
    assert_eq!(forge.push("main").await, 0);
}

#[tokio::test]
async fn only_the_forge_is_believed_and_nothing_twice() {
    let server = server().await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let repository = Repository::with(&[("index.html", b"one")]);
    let forge = Forge::of(&ada, &connect(&ada, &project, &repository.url()).await);
    follow(&ada, &environment, Some("main")).await;
    let body = push("main");
    let good = sign(&forge.secret, &body);
    let event = ("x-github-event", "push");
    for headers in [
        vec![event, ("x-github-delivery", "1")],
        vec![event, ("x-github-delivery", "1"), ("x-hub-signature-256", "sha256=00")],
        vec![event, ("x-github-delivery", "1"), ("x-hub-signature-256", &good[7..])],
        vec![event, ("x-github-delivery", "1"), ("x-gitlab-token", "")],
        vec![event, ("x-github-delivery", "1"), ("x-gitlab-token", "wrong")],
    ] {
        assert_eq!(forge.send(&body, &headers).await.0, 401, "{headers:?}");
    }
    let signed = [event, ("x-hub-signature-256", &*good)];
    let other = Forge { url: forge.url.replace("/git/", "/git/x"), http: ada.http.clone(), secret: String::new() };
    assert_eq!(other.send(&body, &signed).await.0, 401);
    let tampered = body.replace("heads/main", "heads/next");
    assert_eq!(forge.send(&tampered, &[&signed[..], &[("x-github-delivery", "1")]].concat()).await.0, 401);
    assert_eq!(forge.send(&body, &signed).await.0, 400, "without a name");
    let named = |name| [&signed[..], &[("x-github-delivery", name)]].concat();
    assert_eq!(forge.send(&body, &named("1")).await, (202, json!({ "deployments": 1, "before": false })));
    assert_eq!(forge.send(&body, &named("1")).await, (202, json!({ "deployments": 0, "before": true })));
    assert_eq!(forge.send(&body, &named("2")).await.1["before"], true, "its name is not signed");
    let ping = [("x-hub-signature-256", &*good), ("x-github-event", "ping"), ("x-github-delivery", "3")];
    assert_eq!(forge.send(&body, &ping).await, (202, json!({ "deployments": 0, "before": false })));
    assert_eq!(newest(&ada, &environment).await["state"], "DEPLOYED");
    assert_eq!(deploys(&ada, &environment).await.len(), 1);
    let mut limited = 0;
    for _ in 0..80 {
        limited += usize::from(forge.send(&body, &[event]).await.0 == 429);
    }
    assert!(limited > 0, "whoever guesses is slowed down");
}

#[tokio::test]
async fn what_is_arranged_lasts_as_long_as_whoever_arranged_it_may() {
    let server = server().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (project, environment) = site(&ada).await;
    let repository = Repository::with(&[("index.html", b"one")]);
    let forge = Forge::of(&ada, &connect(&ada, &project, &repository.url()).await);
    let row = |capability: &str| json!({ "boundAt": "PROJECT", "capability": capability });
    let rows = ["project.view", "environment.view", "environment.update", "deployment.view"].map(row);
    let create = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    ada.ok(create, json!({ "input": { "name": "keeper", "scope": "acme", "rows": rows } })).await;
    ada.grant(&dev, "custom/keeper", "acme/site").await;
    let input = json!({ "input": { "environmentId": environment.id, "branch": "main" } });
    let refusal = dev.refusal(FOLLOW, input).await;
    assert_eq!(refusal.extensions["capability"], "deployment.create", "nobody arranges what they may not do");
    let grant =
        json!({ "input": { "subject": dev.account.email, "scope": "acme/site", "capability": "deployment.create" } });
    let grant = ada.ok(crate::harness::GRANT, grant).await["grantRole"]["binding"]["id"].clone();
    follow(&dev, &environment, Some("main")).await;
    assert_eq!(forge.push("main").await, 1);
    let first = newest(&ada, &environment).await;
    assert_eq!((&first["state"], &first["actsAs"]["id"]), (&json!("DEPLOYED"), &json!(dev.account.id)), "{first:#}");
    serves(server.edge_address(), &environment, "one").await;

    // A rollback pins the environment, a freeze keeps it as it is: no push overtakes either.
    repository.commit("Second", &[("index.html", b"two")]);
    forge.push("main").await;
    newest(&ada, &environment).await;
    serves(server.edge_address(), &environment, "two").await;
    let back = json!({ "input": { "id": first["deployment"]["id"], "reason": "two is slow" } });
    ada.ok(crate::harness::ROLLBACK, back).await;
    serves(server.edge_address(), &environment, "one").await;
    forge.push("main").await;
    let skipped = newest(&ada, &environment).await;
    assert!(skipped["state"] == "SKIPPED" && skipped["failure"].as_str().unwrap().contains("pinned"), "{skipped:#}");

    let revoke = "mutation($id: ID!) { revokeBinding(input: { id: $id }) { revokedId } }";
    ada.ok(revoke, json!({ "id": grant })).await;
    let other = ada.create_environment(&project, "staging", false).await;
    follow(&ada, &other, Some("main")).await;
    let freeze = "mutation($input: LockInput!) { freezeEnvironment(input: $input) { __typename } }";
    ada.ok(freeze, json!({ "input": { "id": other.id } })).await;
    forge.push("main").await;
    let skipped = newest(&ada, &other).await;
    assert!(skipped["state"] == "SKIPPED" && skipped["failure"].as_str().unwrap().contains("frozen"), "{skipped:#}");
    // Somebody deploys by hand, which takes the pin off: then it is the lack of authority that counts.
    ada.deploy_static(&environment, &[("index.html", b"by hand")]).await;
    forge.push("main").await;
    let failed = newest(&ada, &environment).await;
    assert!(
        failed["state"] == "FAILED" && failed["failure"].as_str().unwrap().contains("deployment.create"),
        "{failed:#}"
    );
    serves(server.edge_address(), &environment, "by hand").await;

    // Whoever connects another repository decides what is deployed from: nobody has arranged that.
    let repository = Repository::with(&[("index.html", b"another")]);
    let forge = Forge::of(&ada, &connect(&ada, &project, &repository.url()).await);
    assert_eq!(forge.push("main").await, 0);
}
