//! Questions about access: who can, what is missing, what would change, and what must not.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer, grant, text};

const WHO_CAN: &str = "query($capability: String!, $resource: String!, $first: Int, $after: String) {
    whoCan(capability: $capability, resource: $resource, first: $first, after: $after) {
        totalCount endCursor nodes { user { name } grants bindingIds } } }";
const DECISION: &str = "query($subject: String, $capability: String!, $resource: String!) {
    accessDecision(subject: $subject, capability: $capability, resource: $resource) {
        allowed missingGrant { role capability scope givers { name } } } }";
const PREVIEW: &str = "query($changes: [AccessChangeInput!]!) { previewAccessChange(changes: $changes) {
    epoch violations { kind sentence policyTestId }
    differences { user { name } scope gained { capability environments } lost { capability environments } } } }";
const CHANGE: &str =
    "mutation($input: ChangeAccessInput!) { changeAccess(input: $input) { bindings { id } revokedIds } }";
const ASSERT: &str =
    "mutation($input: CreatePolicyTestInput!) { createPolicyTest(input: $input) { policyTest { id } } }";

fn names(answer: &Value) -> Vec<&str> {
    answer.as_array().unwrap().iter().map(|node| node["user"]["name"].as_str().unwrap()).collect()
}

async fn people(server: &TestServer) -> [Client; 4] {
    let people = [
        server.sign_up("ada").await,
        server.sign_up("ed").await,
        server.sign_up("vic").await,
        server.sign_up("eve").await,
    ];
    people[0].create_site().await;
    people[0].grant(&people[1], "ownstak/editor", "acme").await;
    people[0].grant(&people[2], "ownstak/viewer", "acme/site").await;
    people
}

#[tokio::test]
async fn who_can_is_told_to_those_who_may_see_the_people() {
    let server = TestServer::start().await;
    let [ada, ed, vic, eve] = people(&server).await;
    let ask = |capability: &str, resource: &str| json!({ "capability": capability, "resource": resource });
    let deployers = ask("deployment.create", "acme/site/production");
    let answer = ed.ok(WHO_CAN, deployers.clone()).await["whoCan"].clone();
    assert_eq!(answer["totalCount"], 2);
    assert_eq!(names(&answer["nodes"]), ["ada", "ed"]);
    assert_eq!(answer["nodes"][1]["grants"], json!(["ownstak/editor"]));
    let mut first = deployers.clone();
    first["first"] = json!(1);
    let page = ada.ok(WHO_CAN, first.clone()).await["whoCan"].clone();
    assert_eq!(names(&page["nodes"]), ["ada"]);
    first["after"] = page["endCursor"].clone();
    let rest = ada.ok(WHO_CAN, first).await["whoCan"].clone();
    assert_eq!((names(&rest["nodes"]), &rest["endCursor"]), (vec!["ed"], &Value::Null));
    assert_eq!(
        names(&ada.ok(WHO_CAN, ask("project.view", "acme/site")).await["whoCan"]["nodes"]),
        ["ada", "ed", "vic"]
    );
    assert_eq!(vic.code(WHO_CAN, deployers.clone()).await, "FORBIDDEN");
    assert_eq!(eve.code(WHO_CAN, deployers).await, "NOT_FOUND");
    assert_eq!(ada.code(WHO_CAN, ask("deployment.fly", "acme")).await, "INVALID_INPUT");
}

#[tokio::test]
async fn a_refusal_names_the_least_that_is_missing_and_who_could_give_it() {
    let server = TestServer::start().await;
    let [ada, ed, vic, _] = people(&server).await;
    let ask = |capability: &str| json!({ "capability": capability, "resource": "acme/site" });
    let decision = vic.ok(DECISION, ask("configuration.update")).await["accessDecision"].clone();
    assert_eq!(decision["allowed"], false);
    let missing = &decision["missingGrant"];
    let givers: Vec<_> = missing["givers"].as_array().unwrap().iter().map(|giver| giver["name"].clone()).collect();
    assert_eq!(givers, ["ada"], "an editor does not manage access");
    // What is named is enough.
    let gift = json!({ "input": { "subject": vic.account.email, "role": missing["role"], "scope": missing["scope"] } });
    ada.ok(GRANT, gift).await;
    let decision = vic.ok(DECISION, ask("configuration.update")).await["accessDecision"].clone();
    assert_eq!((&decision["allowed"], &decision["missingGrant"]), (&json!(true), &Value::Null));
    assert_eq!(ed.ok(DECISION, ask("project.delete")).await["accessDecision"]["allowed"], false);
}

#[tokio::test]
async fn a_change_is_seen_before_it_is_made_and_made_as_it_was_seen() {
    let server = TestServer::start().await;
    let [ada, ed, vic, eve] = people(&server).await;
    let changes = json!([
        { "grantRole": { "subject": vic.account.email, "role": "ownstak/editor", "scope": "acme/site" } },
    ]);
    let preview = ada.ok(PREVIEW, json!({ "changes": changes })).await["previewAccessChange"].clone();
    assert_eq!(preview["violations"], json!([]));
    let [difference] = preview["differences"].as_array().unwrap().as_slice() else { panic!("{preview}") };
    assert_eq!((&difference["user"]["name"], &difference["lost"]), (&json!("vic"), &json!([])));
    let gained = json!({ "capability": "deployment.create", "environments": "ANY" });
    assert!(difference["gained"].as_array().unwrap().contains(&gained), "{difference}");
    let can = json!({ "capability": "deployment.create", "resource": "acme/site/production" });
    assert_eq!(ada.ok(WHO_CAN, can.clone()).await["whoCan"]["totalCount"], 2, "nothing has happened");

    let change = |epoch: &Value| json!({ "input": { "changes": changes, "expectedEpoch": epoch } });
    ada.grant(&eve, "ownstak/viewer", "acme").await;
    assert_eq!(ada.code(CHANGE, change(&preview["epoch"])).await, "CONFLICT", "somebody changed something since");
    let preview = ada.ok(PREVIEW, json!({ "changes": changes })).await["previewAccessChange"].clone();
    ada.ok(CHANGE, change(&preview["epoch"])).await;
    assert_eq!(ada.ok(WHO_CAN, can).await["whoCan"]["totalCount"], 3);
    assert_eq!(ed.code(PREVIEW, json!({ "changes": changes })).await, "FORBIDDEN");
}

#[tokio::test]
async fn changes_are_made_all_or_none_and_rails_are_told_beforehand() {
    let server = TestServer::start().await;
    let [ada, ed, _, _] = people(&server).await;
    let bindings =
        "{ organization(path: \"acme\") { bindings { nodes { id role subject { ... on User { name } } } } } }";
    let listed = ada.ok(bindings, json!({})).await;
    let own = listed["organization"]["bindings"]["nodes"][0]["id"].clone();
    let leave = json!([{ "revokeBinding": { "id": own } }]);
    let preview = ada.ok(PREVIEW, json!({ "changes": leave })).await["previewAccessChange"].clone();
    assert_eq!(preview["violations"][0]["kind"], "LAST_ACCESS_MANAGER");
    assert_eq!(ada.code(CHANGE, json!({ "input": { "changes": leave } })).await, "FAILED_PRECONDITION");
    // Handing over works in one step, and in neither of its halves.
    let admin = json!({ "grantRole": { "subject": ed.account.email, "role": "ownstak/admin", "scope": "acme" } });
    let nonsense = json!([admin, { "revokeBinding": { "id": "bnd_00000000000000000000000000" } }]);
    assert_eq!(ada.code(CHANGE, json!({ "input": { "changes": nonsense } })).await, "NOT_FOUND");
    assert_eq!(ada.ok(bindings, json!({})).await, listed, "the first half did not happen");
    let over = json!([{ "revokeBinding": { "id": own } }, admin]);
    let refused = ada.code(CHANGE, json!({ "input": { "changes": over } })).await;
    assert_eq!(refused, "NOT_FOUND", "whoever gave away what they held gives nothing more");
    let over = json!([admin, { "revokeBinding": { "id": own } }]);
    ada.ok(CHANGE, json!({ "input": { "changes": over } })).await;
    assert_eq!(ada.code(bindings, json!({})).await, "NOT_FOUND");
    assert_eq!(ada.code(CHANGE, json!({ "input": { "changes": [] } })).await, "INVALID_INPUT");
}

#[tokio::test]
async fn what_an_organization_asserts_stays_so() {
    let server = TestServer::start().await;
    let [ada, ed, vic, eve] = people(&server).await;
    let organization = text(&ada.ok("{ organization(path: \"acme\") { id } }", json!({})).await["organization"]["id"]);
    let assertion = |subject: &str, capability: &str| {
        json!({ "input": { "organizationId": organization, "name": "viewers do not deploy", "subject": subject,
            "capability": capability, "environments": "PRODUCTION" } })
    };
    let untrue = ada.refusal(ASSERT, assertion(&ed.account.email, "deployment.create")).await;
    assert_eq!(untrue.extensions["reason"], "POLICY_TEST_BROKEN");
    assert!(untrue.message.contains(&ed.account.email), "{}", untrue.message);
    assert_eq!(ed.code(ASSERT, assertion(&vic.account.email, "deployment.create")).await, "FORBIDDEN");
    assert_eq!(eve.code(ASSERT, assertion(&vic.account.email, "deployment.create")).await, "NOT_FOUND");
    let made = ada.ok(ASSERT, assertion(&vic.account.email, "deployment.create")).await;
    let id = made["createPolicyTest"]["policyTest"]["id"].clone();

    let alone = |scope: &str| json!({ "input": { "subject": vic.account.email, "capability": "deployment.create", "scope": scope } });
    let role = |scope: &str| grant(&vic, "ownstak/editor", scope);
    for gift in [role("acme"), role("acme/site"), alone("acme/site"), alone("acme/site/production")] {
        let refusal = ada.refusal(GRANT, gift.clone()).await;
        assert_eq!(refusal.extensions["reason"], "POLICY_TEST_BROKEN", "{gift}");
        assert!(refusal.message.contains("viewers do not deploy"), "{}", refusal.message);
    }
    let mut later = grant(&vic, "ownstak/editor", "acme");
    later["input"]["notBefore"] = json!("2999-01-01T00:00:00Z");
    assert_eq!(ada.code(GRANT, later).await, "FAILED_PRECONDITION", "nor from some day on");
    ada.grant(&eve, "ownstak/editor", "acme").await;
    let change = json!([{ "grantRole": { "subject": vic.account.email, "role": "ownstak/admin", "scope": "acme" } }]);
    let preview = ada.ok(PREVIEW, json!({ "changes": change })).await["previewAccessChange"].clone();
    assert_eq!(
        (&preview["violations"][0]["kind"], &preview["violations"][0]["policyTestId"]),
        (&json!("POLICY_TEST_BROKEN"), &id)
    );
    // On another kind of environment it is not asserted.
    let project = text(&ada.ok("{ project(path: \"acme/site\") { id } }", json!({})).await["project"]["id"]);
    let staging = ada.create_environment(&project, "staging", false).await;
    ada.ok(GRANT, alone(&staging.path)).await;
    let delete = "mutation($input: DeletePolicyTestInput!) { deletePolicyTest(input: $input) { deletedId } }";
    assert_eq!(eve.code(delete, json!({ "input": { "id": id } })).await, "FORBIDDEN");
    ada.ok(delete, json!({ "input": { "id": id } })).await;
    ada.grant(&vic, "ownstak/editor", "acme").await;
}

#[tokio::test]
async fn turning_staging_into_production_is_weighed_too() {
    let server = TestServer::start().await;
    let [ada, _, vic, _] = people(&server).await;
    let data =
        ada.ok("{ project(path: \"acme/site\") { id organization { id } } }", json!({})).await["project"].clone();
    let staging = ada.create_environment(&text(&data["id"]), "staging", false).await;
    let assertion = json!({ "input": { "organizationId": data["organization"]["id"], "name": "not in production",
        "subject": vic.account.email, "capability": "deployment.create", "environments": "PRODUCTION" } });
    ada.ok(ASSERT, assertion).await;
    let alone = json!({ "subject": vic.account.email, "capability": "deployment.create", "scope": staging.path });
    ada.ok(GRANT, json!({ "input": alone })).await;
    let update =
        "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";
    let version = ada.ok("query($id: ID!) { environment(id: $id) { version } }", json!({ "id": staging.id })).await;
    let input = json!({ "input": { "id": staging.id, "production": true, "expectedVersion": version["environment"]["version"] } });
    assert_eq!(ada.refusal(update, input).await.extensions["reason"], "POLICY_TEST_BROKEN");
}
