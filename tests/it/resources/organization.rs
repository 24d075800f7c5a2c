//! Organizations: making, naming, reading, renaming, removing.

use serde_json::{Value, json};

use crate::harness::TestServer;

const CREATE: &str = "mutation($input: CreateOrganizationInput!) {
    createOrganization(input: $input) { organization { id slug name path version team { personal } } } }";
const READ: &str = "query($id: ID, $path: String) { organization(id: $id, path: $path) { id slug name path version } }";
const UPDATE: &str = "mutation($input: UpdateOrganizationInput!) {
    updateOrganization(input: $input) { organization { name version } } }";
const DELETE: &str = "mutation($input: DeleteOrganizationInput!) { deleteOrganization(input: $input) { deletedId } }";
const MINE: &str = "{ viewer { organizations { nodes { id } } } organizations { nodes { id } } }";

fn input(value: Value) -> Value {
    json!({ "input": value })
}

#[tokio::test]
async fn a_person_makes_an_organization_and_finds_it_everywhere() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let made = ada.ok(CREATE, input(json!({ "name": "Acme & Söhne", "slug": "acme" }))).await;
    let made = made["createOrganization"]["organization"].clone();
    assert_eq!((&made["slug"], &made["path"], &made["version"]), (&json!("acme"), &json!("acme"), &json!(1)));
    assert_eq!((&made["name"], &made["team"]["personal"]), (&json!("Acme & Söhne"), &json!(true)));
    let by_id = ada.ok(READ, json!({ "id": made["id"] })).await;
    assert_eq!(by_id, ada.ok(READ, json!({ "path": "acme" })).await);
    assert_eq!(by_id["organization"]["id"], made["id"]);
    let mine = ada.ok(MINE, json!({})).await;
    let expected = json!({ "nodes": [{ "id": made["id"] }] });
    assert_eq!((&mine["organizations"], &mine["viewer"]["organizations"]), (&expected, &expected));
    assert!(ada.can("organization.update", made["id"].as_str().unwrap()).await);
    for neither_nor in [json!({}), json!({ "id": made["id"], "path": "acme" })] {
        assert_eq!(ada.code(READ, neither_nor).await, "INVALID_INPUT");
    }
}

#[tokio::test]
async fn what_one_request_makes_its_next_part_sees() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let both = "mutation { one: createOrganization(input: { name: \"One\" }) { organization { viewerCapabilities } }
        two: createOrganization(input: { name: \"Two\" }) { organization { viewerCapabilities projects { nodes { id } } } } }";
    let made = ada.ok(both, json!({})).await;
    for part in ["one", "two"] {
        let held = made[part]["organization"]["viewerCapabilities"].as_array().unwrap();
        assert!(held.contains(&json!("organization.delete")), "{part}: {made}");
    }
}

#[tokio::test]
async fn a_name_makes_a_slug_and_a_slug_is_taken_once() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let made = ada.ok(CREATE, input(json!({ "name": "Blue Ocean Ltd." }))).await;
    assert_eq!(made["createOrganization"]["organization"]["slug"], "blue-ocean-ltd");
    let taken = input(json!({ "name": "Thieves", "slug": "blue-ocean-ltd" }));
    assert_eq!(ben.code(CREATE, taken.clone()).await, "CONFLICT");
    assert_eq!(ada.code(CREATE, taken).await, "CONFLICT");
    assert_eq!(server.client().code(CREATE, input(json!({ "name": "x", "slug": "nobodys" }))).await, "UNAUTHENTICATED");
    assert_eq!(ben.ok(MINE, json!({})).await["organizations"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_slug_is_what_a_host_name_can_hold_and_nobody_else_means() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let too_long = "a".repeat(31);
    let tricks = [
        "",
        "-a",
        "a-",
        "a--b",
        "Acme",
        "acme.evil",
        "acme/site",
        "a_b",
        "1a",
        "xn--80ak6aa92e",
        "аcme",
        "acme\u{200b}",
        "acme\n",
        " acme",
        "www",
        "api",
        "admin",
        "graphql",
        "reeve",
        "well-known",
        &too_long,
        "${7*7}",
        "acme%2f",
    ];
    for slug in tricks {
        let refusal = ada.refusal(CREATE, input(json!({ "name": "Acme", "slug": slug }))).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{slug:?}");
        assert!(refusal.extensions.to_string().contains("slug"), "{slug:?}: {refusal:?}");
    }
    assert_eq!(ada.ok(MINE, json!({})).await["organizations"]["nodes"], json!([]));
    for slug in ["a", "a1", "a-b-c", &"a".repeat(30)] {
        ada.create_organization(slug).await;
    }
}

#[tokio::test]
async fn strangers_learn_nothing_not_even_that_it_is_there() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let id = ada.create_organization("acme").await;
    let gone = ada.create_organization("gone").await;
    ada.ok(DELETE, input(json!({ "id": gone }))).await;
    let there = eve.refusal(READ, json!({ "id": id })).await;
    let gone = eve.refusal(READ, json!({ "id": gone })).await;
    assert_eq!((there.code.as_str(), &there.message), ("NOT_FOUND", &gone.message));
    let (there, gone) = (json!({ "path": "acme" }), json!({ "path": "gone" }));
    let (there, gone) = (eve.refusal(READ, there).await, eve.refusal(READ, gone).await);
    assert_eq!((there.code, there.message.replace("acme", "gone")), ("NOT_FOUND".to_owned(), gone.message));
    let nodes = eve.ok("query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }", json!({ "id": id })).await;
    assert_eq!(nodes, json!({ "node": null, "nodes": [null] }));
    assert_eq!(eve.ok(MINE, json!({})).await["organizations"]["nodes"], json!([]));
    let rename = input(json!({ "id": id, "name": "Mine", "expectedVersion": 1 }));
    assert_eq!(eve.code(UPDATE, rename.clone()).await, "NOT_FOUND");
    assert_eq!(eve.code(DELETE, input(json!({ "id": id }))).await, "NOT_FOUND");
    assert_eq!(server.client().code(UPDATE, rename.clone()).await, "UNAUTHENTICATED");
    ada.ok(UPDATE, rename).await;
}

#[tokio::test]
async fn viewers_see_it_and_are_told_what_they_lack() {
    let server = TestServer::start().await;
    let (ada, vic) = (server.sign_up("ada").await, server.sign_up("vic").await);
    let id = ada.create_organization("acme").await;
    ada.grant(&vic, "ownstak/viewer", &id).await;
    assert_eq!(vic.ok(READ, json!({ "path": "acme" })).await["organization"]["id"], id);
    let rename = input(json!({ "id": id, "name": "Mine", "expectedVersion": 1 }));
    for (document, variables, capability) in
        [(UPDATE, rename, "organization.update"), (DELETE, input(json!({ "id": id })), "organization.delete")]
    {
        let refusal = vic.refusal(document, variables).await;
        assert_eq!(refusal.code, "FORBIDDEN");
        assert_eq!(
            (&refusal.extensions["capability"], &refusal.extensions["resource"]),
            (&json!(capability), &json!(id))
        );
        assert!(!vic.can(capability, &id).await && ada.can(capability, &id).await);
    }
    assert_eq!(ada.ok(READ, json!({ "id": id })).await["organization"]["version"], 1);
}

#[tokio::test]
async fn of_two_who_rename_at_once_one_is_told() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let id = ada.create_organization("acme").await;
    let rename = |name: &str, version: i32| input(json!({ "id": id, "name": name, "expectedVersion": version }));
    let done = ada.ok(UPDATE, rename("First", 1)).await;
    assert_eq!(done["updateOrganization"]["organization"], json!({ "name": "First", "version": 2 }));
    assert_eq!(ada.code(UPDATE, rename("Second", 1)).await, "CONFLICT");
    let (a, b) = tokio::join!(ada.query(UPDATE, rename("A", 2)), ada.query(UPDATE, rename("B", 2)));
    let failed: Vec<_> = [a, b].into_iter().filter(|answer| !answer.errors.is_empty()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].clone().refusal().code, "CONFLICT");
    assert_eq!(ada.ok(READ, json!({ "id": id })).await["organization"]["version"], 3);
    let name = rename("evil\u{202e}name", 3);
    assert_eq!(ada.code(UPDATE, name).await, "INVALID_INPUT");
}

#[tokio::test]
async fn an_organization_goes_when_it_is_empty() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let id = ada.create_organization("acme").await;
    let project = ada.create_project(&id, "site").await;
    let refusal = ada.refusal(DELETE, input(json!({ "id": id }))).await;
    assert_eq!(refusal.code, "FAILED_PRECONDITION");
    assert_eq!(refusal.extensions["reason"], "ORGANIZATION_NOT_EMPTY");
    let delete = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
    assert_eq!(ada.ok(delete, input(json!({ "id": project }))).await["deleteProject"]["deletedId"], project);
    assert_eq!(ada.ok(DELETE, input(json!({ "id": id }))).await["deleteOrganization"]["deletedId"], id);
    assert_eq!(ada.code(READ, json!({ "id": id })).await, "NOT_FOUND");
    assert_eq!(ada.code(DELETE, input(json!({ "id": id }))).await, "NOT_FOUND");
    assert_ne!(ada.create_organization("acme").await, id);
}
