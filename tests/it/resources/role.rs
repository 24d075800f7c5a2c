//! Roles that organizations make and import, and bindings of other consoles.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer, grant, text};

const CREATE: &str = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { id name version } } }";
const UPDATE: &str = "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { role { version } } }";
const DELETE: &str = "mutation($input: DeleteRoleInput!) { deleteRole(input: $input) { deletedId } }";
const IMPORT: &str = "mutation($input: ImportRolePackInput!) { importRolePack(input: $input) { roles { name } } }";
const PACK: &str = "query($scope: String!, $pack: String!) { rolePack(scope: $scope, pack: $pack) }";
const BINDINGS: &str =
    "mutation($input: ImportBindingsInput!) { importBindings(input: $input) { bindings { id role scope } } }";
const EXPORT: &str = "query($scope: String!) { bindingsExport(scope: $scope) }";

fn row(bound_at: &str, capability: &str, environments: &str) -> Value {
    json!({ "boundAt": bound_at, "capability": capability, "environments": environments })
}

fn role(scope: &str, name: &str, rows: &[Value]) -> Value {
    json!({ "input": { "scope": scope, "name": name, "rows": rows } })
}

async fn make(client: &Client, scope: &str, name: &str, rows: &[Value]) -> String {
    text(&client.ok(CREATE, role(scope, name, rows)).await["createRole"]["role"]["id"])
}

#[tokio::test]
async fn a_role_that_was_made_counts_and_changes_for_everybody_who_has_it() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let production = ada.create_site().await;
    let staging = ada.create_environment(&project(&ada).await, "staging", false).await;
    let view = row("PROJECT", "environment.view", "ANY");
    let rows = [view.clone(), row("PROJECT", "deployment.create", "NONPRODUCTION")];
    let id = make(&ada, "acme", "deployer", &rows).await;
    ada.grant(&dev, "deployer", "acme/site").await;
    assert!(dev.can("deployment.create", &staging.id).await);
    assert!(!dev.can("deployment.create", &production.id).await, "only where it is no production");

    let more = [view, row("PROJECT", "deployment.create", "ANY")];
    let change = json!({ "input": { "id": id, "rows": more, "expectedVersion": 1 } });
    assert_eq!(ada.ok(UPDATE, change.clone()).await["updateRole"]["role"]["version"], 2);
    assert!(dev.can("deployment.create", &production.id).await, "what the role gives, its holders have");
    assert_eq!(ada.code(UPDATE, change).await, "CONFLICT");
    let refusal = ada.refusal(DELETE, json!({ "input": { "id": id } })).await;
    assert_eq!(refusal.extensions["reason"], "ROLE_IN_USE");
}

async fn project(client: &Client) -> String {
    text(&client.ok("{ project(path: \"acme/site\") { id } }", json!({})).await["project"]["id"])
}

#[tokio::test]
async fn whoever_has_a_role_holds_its_new_content_only_when_it_was_theirs_to_give() {
    let server = TestServer::start().await;
    let (ada, mia) = (server.sign_up("ada").await, server.sign_up("mia").await);
    let production = ada.create_site().await;
    for alone in ["access.manage", "organization.view"] {
        let input = json!({ "subject": mia.account.email, "capability": alone, "scope": "acme" });
        ada.ok(GRANT, json!({ "input": input })).await;
    }
    let rows = |capability: &str| [row("ORGANIZATION", "access.manage", "ANY"), row("ORGANIZATION", capability, "ANY")];
    let id = make(&mia, "acme", "mine", &rows("access.manage")).await;
    mia.grant(&mia, &id, "acme").await;
    let change = json!({ "input": { "id": id, "rows": rows("deployment.create"), "expectedVersion": 1 } });
    assert_eq!(mia.code(UPDATE, change.clone()).await, "FORBIDDEN");
    let several = "mutation($input: ChangeAccessInput!) { changeAccess(input: $input) { revokedIds } }";
    let changes = json!({ "input": { "changes": [{ "updateRole": change["input"] }] } });
    assert_eq!(mia.code(several, changes).await, "FORBIDDEN");
    let text = "role,bound_at,capability,environments,reach,basis\nmine,organization,deployment.create,any,self,x\n";
    let import = json!({ "input": { "scope": "acme", "pack": "custom", "text": text } });
    assert_eq!(mia.code(IMPORT, import).await, "FORBIDDEN");
    assert!(!can(&mia, &production.id).await);
}

async fn can(client: &Client, environment: &str) -> bool {
    let decision =
        "query($id: String!) { accessDecision(capability: \"deployment.create\", resource: $id) { allowed } }";
    let answer = client.query(decision, json!({ "id": environment })).await;
    answer.data["accessDecision"]["allowed"] == true
}

#[tokio::test]
async fn a_role_that_is_bound_does_not_come_to_reach_above_its_owner() {
    let server = TestServer::start().await;
    let eve = server.sign_up("eve").await;
    eve.create_organization("acme").await;
    let rows = |reach: &str| json!([{ "boundAt": "ORGANIZATION", "capability": "audit.view", "environments": "ANY", "reach": reach }]);
    let id = make(&eve, "acme", "auditor", rows("ITSELF").as_array().unwrap()).await;
    eve.grant(&eve, "auditor", "acme").await;
    // Above an organization is the console: who changed the role could read everybody's log.
    let change = json!({ "input": { "id": id, "rows": rows("PARENT"), "expectedVersion": 1 } });
    assert_eq!(eve.code(UPDATE, change).await, "FORBIDDEN");
    let log = "{ auditLog(scope: \"console\") { nodes { id } } }";
    assert_eq!(eve.code(log, json!({})).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_role_stays_in_its_organization_and_gives_no_more_than_its_maker_holds() {
    let server = TestServer::start().await;
    let (ada, mia, eve) = (server.sign_up("ada").await, server.sign_up("mia").await, server.sign_up("eve").await);
    ada.create_site().await;
    eve.create_organization("other").await;
    let rows = [row("ORGANIZATION", "organization.view", "ANY"), row("PROJECT", "project.view", "ANY")];
    let id = make(&ada, "acme", "looker", &rows).await;
    // Nobody else can bind it, by name or by id, nor touch it.
    for name in ["looker", "custom/looker", id.as_str()] {
        assert_eq!(eve.code(GRANT, grant(&mia, name, "other")).await, "INVALID_INPUT", "{name}");
    }
    let change = json!({ "input": { "id": id, "rows": rows, "expectedVersion": 1 } });
    assert_eq!(eve.code(UPDATE, change).await, "NOT_FOUND");
    assert_eq!(eve.code(DELETE, json!({ "input": { "id": id } })).await, "NOT_FOUND");
    // One that manages access and little else puts nothing into a role that it lacks.
    ada.ok(GRANT, json!({ "input": { "subject": mia.account.email, "capability": "access.manage", "scope": "acme" } }))
        .await;
    ada.grant(&mia, "ownstak/viewer", "acme").await;
    let refusal = mia.refusal(CREATE, role("acme", "strong", &[row("PROJECT", "project.delete", "ANY")])).await;
    assert_eq!((refusal.code.as_str(), &refusal.extensions["capability"]), ("FORBIDDEN", &json!("project.delete")));
    let grown =
        json!({ "input": { "id": id, "rows": [row("PROJECT", "project.delete", "ANY")], "expectedVersion": 1 } });
    assert_eq!(mia.code(UPDATE, grown).await, "FORBIDDEN", "nor into one that is there");
    assert_eq!(mia.code(CREATE, role("console", "strong", &rows)).await, "NOT_FOUND");
    make(&mia, "acme", "weak", &[row("PROJECT", "project.view", "ANY")]).await;
    assert_eq!(ada.code(CREATE, role("acme", "weak", &rows)).await, "CONFLICT");
}

#[tokio::test]
async fn every_row_that_cannot_be_is_told() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    let rows = [
        row("PROJECT", "project.fly", "ANY"),
        row("PROJECT", "project.view", "PRODUCTION"),
        json!({ "boundAt": "CONSOLE", "capability": "project.view", "reach": "PARENT" }),
        json!({ "boundAt": "PROJECT", "capability": "project.view", "reach": "MANAGED" }),
    ];
    let refusal = ada.refusal(CREATE, role("acme", "odd", &rows)).await;
    let told = refusal.extensions.to_string();
    assert!((0..4).all(|place| told.contains(&format!("rows[{place}]"))), "{told}");
    for name in ["", "Odd", "a/b", "ümlaut", &"x".repeat(64)] {
        assert_eq!(
            ada.code(CREATE, role("acme", name, &[row("PROJECT", "project.view", "ANY")])).await,
            "INVALID_INPUT"
        );
    }
    assert_eq!(ada.code(CREATE, role("acme", "none", &[])).await, "INVALID_INPUT");
    assert_eq!(
        ada.code(CREATE, role("acme/site", "x", &[row("PROJECT", "project.view", "ANY")])).await,
        "INVALID_INPUT"
    );
}

#[tokio::test]
async fn a_pack_is_imported_whole_or_not_at_all_and_comes_out_as_it_went_in() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let heading = "role,bound_at,capability,environments,reach,basis";
    let import = |pack: &str, text: &str| json!({ "input": { "scope": "acme", "pack": pack, "text": text } });
    let bad = format!(
        "{heading}\nops,project,project.view,any,self,x\nops,galaxy,log.view,any,self,x\nops,project,log.fly,any,self,x\nops,project,log.view,sometimes,self,x\n"
    );
    let told = ada.refusal(IMPORT, import("ours", &bad)).await;
    assert_eq!(told.code, "INVALID_INPUT");
    assert!(["line 3", "line 4", "line 5"].iter().all(|line| told.message.contains(line)), "{}", told.message);
    assert_eq!(ada.code(PACK, json!({ "scope": "acme", "pack": "ours" })).await, "NOT_FOUND", "nothing was made");

    let good = format!(
        "{heading}\nops,project,environment.view,any,self,exported\nops,project,log.view,nonproduction,self,exported\nwatch,project,project.view,any,self,exported\n"
    );
    let made = ada.ok(IMPORT, import("ours", &good)).await;
    assert_eq!(made["importRolePack"]["roles"], json!([{ "name": "ours/ops" }, { "name": "ours/watch" }]));
    assert_eq!(ada.ok(PACK, json!({ "scope": "acme", "pack": "ours" })).await["rolePack"], good.as_str());
    ada.grant(&dev, "ours/ops", "acme/site").await;
    assert!(!dev.can("log.view", &environment.id).await, "it is a production environment");
    // Importing it again changes what is there.
    ada.ok(IMPORT, import("ours", &good.replace("nonproduction", "any"))).await;
    assert!(dev.can("log.view", &environment.id).await);
    assert_eq!(ada.code(IMPORT, import("ownstak", &good)).await, "INVALID_INPUT", "that one comes with the program");
    let built_in = ada.ok(PACK, json!({ "scope": "acme", "pack": "launch" })).await;
    assert!(text(&built_in["rolePack"]).starts_with(heading));
}

#[tokio::test]
async fn bindings_of_another_console_are_taken_whole_or_not_at_all() {
    let server = TestServer::start().await;
    let (ada, dev, ops) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("ops").await);
    let environment = ada.create_site().await;
    let import = |scope: &str, list: &Value| json!({ "input": { "scope": scope, "pack": "mia-console", "bindings": list.to_string() } });
    let project = json!({ "resourceType": "project", "resourceId": "acme/site" });
    let good = json!([
        { "bindingId": "b1", "subjects": [dev.account.email], "roles": ["developer"], "resource": project },
        { "subjects": [ops.account.email], "permissions": ["console.environment.view", "log.view"],
          "resource": { "resourceType": "environment", "resourceId": environment.path } },
    ]);
    let bad = json!([
        { "subjects": ["nobody@example.com"], "roles": ["emperor"], "resource": project },
        { "subjects": [dev.account.email], "permissions": ["console.fly"], "resource": project },
        { "subjects": [dev.account.email], "roles": ["developer"], "resource": { "resourceType": "galaxy", "resourceId": "x" } },
        { "subjects": [dev.account.email], "roles": ["developer"] },
    ]);
    let told = ada.refusal(BINDINGS, import("acme", &bad)).await;
    assert_eq!(told.code, "INVALID_INPUT");
    let all = told.extensions.to_string();
    for place in [
        "bindings[0].subjects",
        "bindings[0].roles",
        "bindings[1].permissions",
        "bindings[2].resource",
        "bindings[3].resource",
    ] {
        assert!(all.contains(place), "{place}: {all}");
    }
    let read = "query($id: ID!) { environment(id: $id) { id } }";
    assert_eq!(dev.code(read, json!({ "id": environment.id })).await, "NOT_FOUND", "nothing was made");
    let made = ada.ok(BINDINGS, import("acme", &good)).await;
    assert_eq!(made["importBindings"]["bindings"].as_array().unwrap().len(), 3);
    assert!(ops.can("log.view", &environment.id).await);
    let exported: Value =
        serde_json::from_str(&text(&ada.ok(EXPORT, json!({ "scope": "acme" })).await["bindingsExport"])).unwrap();
    assert_eq!(exported.as_array().unwrap().len(), 4, "{exported}");
    // What comes out goes in again.
    let again = ada.ok(BINDINGS, import("acme", &exported)).await;
    assert_eq!(again["importBindings"]["bindings"].as_array().unwrap().len(), 4);
    assert_eq!(dev.code(BINDINGS, import("acme", &good)).await, "NOT_FOUND");
    assert_eq!(ada.code(BINDINGS, json!({ "input": { "scope": "acme", "bindings": "{" } })).await, "INVALID_INPUT");
}
