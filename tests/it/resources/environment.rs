//! Environments of a project.

use serde_json::{Value, json};

use crate::harness::TestServer;

const CREATE: &str = "mutation($input: CreateEnvironmentInput!) {
    createEnvironment(input: $input) { environment { id } } }";
const READ: &str = "query($id: ID, $path: String) { environment(id: $id, path: $path) {
    id slug name path url production frozen pinned version project { slug } activeDeployment { id }
    deployments { nodes { id } } } }";
const UPDATE: &str = "mutation($input: UpdateEnvironmentInput!) {
    updateEnvironment(input: $input) { environment { name production version } } }";
const DELETE: &str = "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }";

fn input(value: Value) -> Value {
    json!({ "input": value })
}

#[tokio::test]
async fn a_new_environment_is_empty_and_has_a_link() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let read = ada.ok(READ, json!({ "path": "acme/site/production" })).await["environment"].clone();
    assert_eq!((&read["id"], &read["path"]), (&json!(environment.id), &json!(environment.path)));
    assert_eq!((&read["production"], &read["frozen"], &read["pinned"]), (&json!(true), &json!(false), &json!(false)));
    assert_eq!((&read["activeDeployment"], &read["deployments"]["nodes"]), (&json!(null), &json!([])));
    assert_eq!(read["project"]["slug"], "site");
    let host = format!("production--site.acme.localhost:{}", server.edge_address().port());
    assert_eq!(environment.url, format!("http://{host}/"));
    let project = ada.ok("{ project(path: \"acme/site\") { id } }", json!({})).await["project"]["id"].clone();
    let again = input(json!({ "projectId": project, "name": "x", "slug": "production", "production": false }));
    assert_eq!(ada.code(CREATE, again).await, "CONFLICT");
    for slug in ["xn", "a--b", "-a", "a-", "A", "ä", &"a".repeat(21)] {
        let odd = input(json!({ "projectId": project, "name": "x", "slug": slug, "production": false }));
        assert_eq!(ada.code(CREATE, odd).await, "INVALID_INPUT", "{slug}");
    }
}

#[tokio::test]
async fn strangers_and_viewers_are_told_apart() {
    let server = TestServer::start().await;
    let (ada, vic, eve) = (server.sign_up("ada").await, server.sign_up("vic").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    ada.grant(&vic, "ownstak/viewer", "acme/site").await;
    let update = input(json!({ "id": environment.id, "name": "Mine", "expectedVersion": 1 }));
    let delete = input(json!({ "id": environment.id }));
    for (document, variables, capability) in
        [(UPDATE, update, "environment.update"), (DELETE, delete, "environment.delete")]
    {
        assert_eq!(vic.refusal(document, variables.clone()).await.extensions["capability"], capability);
        assert_eq!(eve.code(document, variables.clone()).await, "NOT_FOUND");
        assert_eq!(server.client().code(document, variables).await, "UNAUTHENTICATED");
    }
    assert_eq!(eve.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
    assert_eq!(vic.ok(READ, json!({ "id": environment.id })).await["environment"]["version"], 1);
}

#[tokio::test]
async fn name_and_kind_are_changed_by_version() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let change = |value: Value| {
        let mut all = json!({ "id": environment.id });
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        input(all)
    };
    let named = ada.ok(UPDATE, change(json!({ "name": "Live", "expectedVersion": 1 }))).await;
    let expected = json!({ "name": "Live", "production": true, "version": 2 });
    assert_eq!(named["updateEnvironment"]["environment"], expected);
    assert_eq!(ada.code(UPDATE, change(json!({ "production": false, "expectedVersion": 1 }))).await, "CONFLICT");
    let kind = ada.ok(UPDATE, change(json!({ "production": false, "expectedVersion": 2 }))).await;
    let expected = json!({ "name": "Live", "production": false, "version": 3 });
    assert_eq!(kind["updateEnvironment"]["environment"], expected);
    assert_eq!(
        ada.ok(DELETE, input(json!({ "id": environment.id }))).await["deleteEnvironment"]["deletedId"],
        environment.id
    );
    assert_eq!(ada.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
}
