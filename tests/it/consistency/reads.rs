//! What a client has changed its next question knows, in the same request and in the one after, and so does everybody else's.

use serde_json::{Value, json};

use crate::harness::{TestServer, eventually};

const CAN: &str = "node(id: $id) { ... on Project { viewerCan(capabilities: [\"environment.create\"]) { allowed } } }";

#[tokio::test]
async fn what_was_given_and_taken_away_counts_in_the_next_request() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.sign_up("ada").await, server.sign_up("bob").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let look = format!("query($id: ID!) {{ {CAN} }}");
    for _ in 0..5 {
        assert_eq!(bob.ok(&look, json!({ "id": project })).await["node"], Value::Null);
        let binding = ada.grant(&bob, "ownstak/admin", &project).await;
        assert_eq!(bob.ok(&look, json!({ "id": project })).await["node"]["viewerCan"][0]["allowed"], true);
        let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { __typename } }";
        ada.ok(revoke, json!({ "input": { "id": binding } })).await;
    }
}

#[tokio::test]
async fn each_part_of_a_request_knows_what_the_parts_before_it_changed() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let project_part = "{ project { name organization { name } } }";
    let document = format!(
        "mutation($one: UpdateProjectInput!, $two: UpdateOrganizationInput!, $three: UpdateProjectInput!) {{
            one: updateProject(input: $one) {project_part}
            two: updateOrganization(input: $two) {{ organization {{ name }} }}
            three: updateProject(input: $three) {project_part} }}"
    );
    let data = ada
        .ok(
            &document,
            json!({
                "one": { "id": project, "name": "One", "expectedVersion": 1 },
                "two": { "id": organization, "name": "Two", "expectedVersion": 1 },
                "three": { "id": project, "name": "Three", "expectedVersion": 2 },
            }),
        )
        .await;
    assert_eq!(data["one"]["project"], json!({ "name": "One", "organization": { "name": "acme" } }));
    assert_eq!(data["three"]["project"], json!({ "name": "Three", "organization": { "name": "Two" } }));
}

#[tokio::test]
async fn a_window_opens_and_closes_by_itself() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.sign_up("ada").await, server.sign_up("bob").await);
    let organization = ada.create_organization("acme").await;
    let at = |milliseconds| (chrono::Utc::now() + chrono::TimeDelta::milliseconds(milliseconds)).to_rfc3339();
    let input = json!({ "subject": bob.account.email, "role": "ownstak/viewer", "scope": organization,
        "notBefore": at(600), "notAfter": at(1_500) });
    ada.ok(crate::harness::GRANT, json!({ "input": input })).await;
    let sees = || async {
        let data = bob.ok("query($id: ID!) { node(id: $id) { id } }", json!({ "id": organization })).await;
        data["node"].is_object()
    };
    assert!(!sees().await, "not yet");
    eventually("the window opens", || async { sees().await.then_some(()) }).await;
    eventually("the window closes", || async { (!sees().await).then_some(()) }).await;
}
