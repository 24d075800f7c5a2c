//! Projects of an organization.

use serde_json::{Value, json};

use crate::harness::TestServer;

const CREATE: &str = "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id path } } }";
const READ: &str = "query($id: ID, $path: String) { project(id: $id, path: $path) {
    id slug name path version organization { id } environments { nodes { slug production } } } }";
const UPDATE: &str =
    "mutation($input: UpdateProjectInput!) { updateProject(input: $input) { project { name version } } }";
const DELETE: &str = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";

fn input(value: Value) -> Value {
    json!({ "input": value })
}

#[tokio::test]
async fn a_project_lives_in_its_organization() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (acme, blue) = (ada.create_organization("acme").await, ada.create_organization("blue").await);
    let site = ada.create_project(&acme, "site").await;
    let other = ada.create_project(&blue, "site").await;
    assert_ne!(site, other, "the same name in another organization is another project");
    let twice = input(json!({ "organizationId": acme, "name": "Site", "slug": "site" }));
    assert_eq!(ada.code(CREATE, twice).await, "CONFLICT");
    ada.create_environment(&site, "production", true).await;
    ada.create_environment(&site, "qa", false).await;
    let read = ada.ok(READ, json!({ "path": "acme/site" })).await["project"].clone();
    assert_eq!(
        (&read["id"], &read["path"], &read["organization"]["id"]),
        (&json!(site), &json!("acme/site"), &json!(acme))
    );
    let environments = json!([{ "slug": "production", "production": true }, { "slug": "qa", "production": false }]);
    assert_eq!(read["environments"]["nodes"], environments);
    assert_eq!(ada.ok(READ, json!({ "id": site })).await["project"], read);
    for path in ["acme", "acme/site/qa", "acme//site", "/acme/site", "acme/site/", "acme/../acme/site", "ACME/site"] {
        let code = ada.code(READ, json!({ "path": path })).await;
        assert!(["NOT_FOUND", "INVALID_INPUT"].contains(&code.as_str()), "{path}: {code}");
    }
    let listed = ada.ok("{ viewer { projects { nodes { path } } } }", json!({})).await;
    assert_eq!(listed["viewer"]["projects"]["nodes"], json!([{ "path": "acme/site" }, { "path": "blue/site" }]));
}

#[tokio::test]
async fn who_sees_one_project_sees_one_project() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let acme = ada.create_organization("acme").await;
    let (site, secret) = (ada.create_project(&acme, "site").await, ada.create_project(&acme, "secret").await);
    ada.grant(&dev, "ownstak/editor", &site).await;
    let read = dev.ok(READ, json!({ "id": site })).await["project"].clone();
    assert_eq!((&read["slug"], &read["organization"]), (&json!("site"), &json!(null)), "the organization stays hidden");
    assert_eq!(dev.code(READ, json!({ "id": secret })).await, "NOT_FOUND");
    assert_eq!(dev.code(READ, json!({ "path": "acme/secret" })).await, "NOT_FOUND");
    let listed = dev.ok("{ viewer { organizations { nodes { id } } projects { nodes { slug } } } }", json!({})).await;
    assert_eq!(
        listed["viewer"],
        json!({ "organizations": { "nodes": [] }, "projects": { "nodes": [{ "slug": "site" }] } })
    );
    let organization = "query($id: ID!) { organization(id: $id) { projects { nodes { slug } } } }";
    assert_eq!(dev.code(organization, json!({ "id": acme })).await, "NOT_FOUND");
    let mine = input(json!({ "organizationId": acme, "name": "Mine", "slug": "mine" }));
    assert_eq!(dev.code(CREATE, mine).await, "NOT_FOUND");
    let update = input(json!({ "id": site, "name": "Mine", "expectedVersion": 1 }));
    assert_eq!(dev.refusal(UPDATE, update).await.extensions["capability"], "project.update");
    assert_eq!(dev.refusal(DELETE, input(json!({ "id": site }))).await.extensions["capability"], "project.delete");
    assert_eq!(dev.code(DELETE, input(json!({ "id": secret }))).await, "NOT_FOUND");
    assert_eq!(ada.ok(READ, json!({ "id": site })).await["project"]["version"], 1);
}

#[tokio::test]
async fn a_project_is_renamed_by_version_and_goes_with_all_that_is_in_it() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let project = ada.ok(READ, json!({ "path": "acme/site" })).await["project"]["id"].clone();
    let rename = |version: i32| input(json!({ "id": project, "name": "Shop", "expectedVersion": version }));
    assert_eq!(ada.code(UPDATE, rename(2)).await, "CONFLICT");
    let renamed = ada.ok(UPDATE, rename(1)).await;
    assert_eq!(renamed["updateProject"]["project"], json!({ "name": "Shop", "version": 2 }));
    let deployment = ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    assert_eq!(server.get(&environment.url, "/").await.body, "hello");
    ada.ok(DELETE, input(json!({ "id": project }))).await;
    for id in [project.as_str().unwrap(), &environment.id, &deployment.id] {
        let read = ada.ok("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(read, json!({ "node": null }), "{id}");
    }
    crate::harness::eventually("its links are gone", async || {
        (server.get(&environment.url, "/").await.status == 404).then_some(())
    })
    .await;
}
