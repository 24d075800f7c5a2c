//! Deploy hooks: a secret address deploys, in the name of whoever made it; it is shown once, rotated, deleted, slowed down.

use serde_json::{Value, json};

use super::git::{connect, ended, server, serves, site};
use crate::harness::{Client, Repository, dump, holds, text};

const CREATE: &str = "mutation($input: CreateDeployHookInput!) {
    createDeployHook(input: $input) { deployHook { id name branch lastUsedAt } url } }";
const ROTATE: &str = "mutation($input: RotateDeployHookInput!) { rotateDeployHook(input: $input) { url } }";
const DELETE: &str = "mutation($input: DeleteDeployHookInput!) { deleteDeployHook(input: $input) { deletedId } }";
const LIST: &str =
    "query($id: ID!) { environment(id: $id) { deployHooks { nodes { id name lastUsedAt actsAs { id } } } } }";

async fn call(client: &Client, url: &str, body: &str) -> (u16, Value) {
    let path = url.split_once("/hooks/").unwrap().1;
    let request = client.http.post(format!("{}/hooks/{path}", client.base)).body(body.to_owned());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_hook_deploys_for_whoever_has_its_address() {
    let server = server().await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let create = json!({ "input": { "environmentId": environment.id, "name": "CMS", "branch": "main" } });
    assert_eq!(ada.refusal(CREATE, create.clone()).await.extensions["reason"], "NO_REPOSITORY");
    let repository = Repository::with(&[("index.html", b"one")]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.commit("Second", &[("index.html", b"two")]);
    connect(&ada, &project, &repository.url()).await;
    let made = ada.ok(CREATE, create).await["createDeployHook"].clone();
    let (url, id) = (text(&made["url"]), text(&made["deployHook"]["id"]));

    let (status, answer) = call(&ada, &url, "").await;
    assert_eq!(status, 202, "{answer}");
    let done = ended(&ada, &environment, answer["id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], &done["origin"]), (&json!("DEPLOYED"), &json!("HOOK")), "{done:#}");
    serves(server.edge_address(), &environment, "two").await;
    let (_, answer) = call(&ada, &url, &json!({ "commit": first }).to_string()).await;
    let done = ended(&ada, &environment, answer["id"].as_str().unwrap()).await;
    assert_eq!(done["commit"], first, "{done:#}");
    serves(server.edge_address(), &environment, "one").await;
    for body in ["{", "[]", "{\"commit\": \"HEAD\"}", "{\"branch\": \"x\"}"] {
        assert_eq!(call(&ada, &url, body).await.0, 400, "{body}");
    }
    let listed = ada.ok(LIST, json!({ "id": environment.id })).await["environment"]["deployHooks"]["nodes"].clone();
    assert!(listed[0]["lastUsedAt"].is_string() && listed[0]["actsAs"]["id"] == ada.account.id, "{listed}");
    let secret = url.rsplit_once('/').unwrap().1.to_owned();
    assert!(!listed.to_string().contains(&secret) && !holds(&dump(&server.database_url()).await, &secret));

    let rotated = text(&ada.ok(ROTATE, json!({ "input": { "id": id } })).await["rotateDeployHook"]["url"]);
    assert_eq!((call(&ada, &url, "").await.0, call(&ada, &rotated, "").await.0), (404, 202));
    for bad in ["x/hooks/", "x/hooks/reeve_hook_", "x/hooks/x", &format!("{rotated}A"), &rotated.to_lowercase()] {
        assert_eq!(call(&ada, bad, "").await.0, 404, "{bad}");
    }
    ada.ok(DELETE, json!({ "input": { "id": id } })).await;
    assert_eq!(call(&ada, &rotated, "").await.0, 404);
}

#[tokio::test]
async fn a_hook_does_no_more_than_whoever_made_it_may() {
    let server = server().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (project, environment) = site(&ada).await;
    let repository = Repository::with(&[("index.html", b"one")]);
    connect(&ada, &project, &repository.url()).await;
    let row = |capability: &str| json!({ "boundAt": "PROJECT", "capability": capability });
    let rows =
        ["project.view", "environment.view", "deploy_hook.create", "deploy_hook.view", "deploy_hook.update"].map(row);
    let role = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    ada.ok(role, json!({ "input": { "name": "hooker", "scope": "acme", "rows": rows } })).await;
    ada.grant(&dev, "custom/hooker", "acme/site").await;
    let create = json!({ "input": { "environmentId": environment.id, "name": "CI", "branch": "main" } });
    assert_eq!(dev.refusal(CREATE, create.clone()).await.extensions["capability"], "deployment.create");
    let made = ada.ok(CREATE, create.clone()).await["createDeployHook"].clone();
    let rotate = json!({ "input": { "id": made["deployHook"]["id"] } });
    assert_eq!(dev.refusal(ROTATE, rotate).await.extensions["capability"], "deployment.create", "nor takes it over");
    let grant =
        json!({ "input": { "subject": dev.account.email, "scope": "acme/site", "capability": "deployment.create" } });
    let binding = ada.ok(crate::harness::GRANT, grant).await["grantRole"]["binding"]["id"].clone();
    let url = text(&dev.ok(CREATE, create).await["createDeployHook"]["url"]);
    let revoke = "mutation($id: ID!) { revokeBinding(input: { id: $id }) { revokedId } }";
    ada.ok(revoke, json!({ "id": binding })).await;
    let (_, answer) = call(&ada, &url, "").await;
    let done = ended(&ada, &environment, answer["id"].as_str().unwrap()).await;
    assert_eq!(done["state"], "FAILED", "{done:#}");

    let url = text(&made["url"]);
    let freeze = "mutation($input: LockInput!) { freezeEnvironment(input: $input) { __typename } }";
    ada.ok(freeze, json!({ "input": { "id": environment.id } })).await;
    let (status, answer) = call(&ada, &url, "").await;
    assert_eq!((status, &answer["errors"][0]["extensions"]["reason"]), (409, &json!("ENVIRONMENT_FROZEN")));
    let mut limited = 0;
    for _ in 0..80 {
        limited += usize::from(call(&ada, &url, "").await.0 == 429);
    }
    assert!(limited > 0, "whoever calls too often is slowed down");
}
