//! A page of many rows costs as many SQL statements as a page of few, with everything that a console shows beside each row.

use serde_json::{Value, json};

use crate::harness::{Client, TestServer};

const PAGE: &str = "query($first: Int!) { projects: organizations(first: 1) { nodes { projects(first: $first) {
    nodes { id path organization { id } viewerCan(capabilities: $capabilities) { allowed } viewerCapabilities } } } } }";

fn document() -> String {
    let five = ["project.view", "project.update", "project.delete", "environment.create", "member.view"];
    PAGE.replace("$capabilities", &json!(five).to_string())
}

async fn page(server: &TestServer, client: &Client, first: usize) -> u64 {
    let (data, statements) = server.statements_of(client.ok(&document(), json!({ "first": first }))).await;
    let rows = data["projects"]["nodes"][0]["projects"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), first, "{data}");
    let all = rows.iter().flat_map(|row| row["viewerCan"].as_array().unwrap());
    assert!(all.clone().count() == first * 5 && all.map(|can| &can["allowed"]).all(|allowed| allowed == true));
    statements
}

#[tokio::test]
async fn a_long_page_costs_as_many_statements_as_a_short_one() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    for number in 0..50 {
        ada.create_project(&organization, &format!("site-{number}")).await;
    }
    let mut cold = Vec::new();
    let mut warm = Vec::new();
    for first in [5, 50] {
        // Whoever signs up begins a new epoch: nothing that is remembered counts any more.
        server.sign_up("eve").await;
        cold.push(page(&server, &ada, first).await);
        warm.push(page(&server, &ada, first).await);
    }
    assert!(cold[0] == cold[1] && warm[0] == warm[1], "of 5 and of 50: {cold:?} cold, {warm:?} warm");
    assert!(warm[0] < cold[0], "what is remembered is not used: {cold:?} cold, {warm:?} warm");
    assert!(cold[1] <= 17 && warm[1] <= 7, "{cold:?} cold, {warm:?} warm");
}

#[tokio::test]
async fn what_is_warm_asks_for_rows_and_no_authority() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let document =
        "query($id: ID!) { project(id: $id) { id viewerCan(capabilities: [\"project.update\"]) { allowed } } }";
    let ask = || async { server.statements_of(ada.ok(document, json!({ "id": project }))).await };
    let ((cold, first), (warm, second)) = (ask().await, ask().await);
    assert_eq!(cold, warm);
    // The session, and the row itself.
    assert!(first > second && second == 2, "{first} cold, {second} warm");
    assert_eq!(warm["project"]["viewerCan"], json!([{ "allowed": true }]) as Value);
}
