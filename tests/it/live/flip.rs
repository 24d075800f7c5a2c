//! An environment comes and goes for those who may see no production: the moment its kind changes, in every question, and in what
//! they follow.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DEPLOYMENT_LOG, DEPLOYMENTS, ENVIRONMENT_LOG, Ground, id};
use crate::harness::Client;

/// Rule 12.
const SECOND: Duration = Duration::from_secs(1);

/// Everything that there is to see in the organization: rows, links, counts.
const ROWS: &str = "query($organization: ID!) { organization(id: $organization) { projects(first: 5) { nodes { environments(first: 5) {
    nodes { id name url production activeDeployment { id url } deployments(first: 5) { nodes { id number url state } } } } } } } }";

/// Every way to the environment by itself, each with what answers for it.
fn ways(ground: &Ground) -> Vec<(&'static str, Value)> {
    let (environment, deployment) = (&ground.environment, &ground.deployment);
    vec![
        ("query($id: ID!) { environment(id: $id) { id } }", id(&environment.id)),
        ("query($id: String!) { environment(path: $id) { url } }", id(&environment.path)),
        ("query($id: ID!) { deployment(id: $id) { url state log { text } } }", id(&deployment.id)),
        ("query($id: String!) { deployment(path: $id, number: 1) { id } }", id(&environment.path)),
        ("query($id: String!) { whoCan(resource: $id, capability: \"log.view\") { totalCount } }", id(&environment.id)),
        ("query($id: String!) { accessReview(scope: $id) { totalCount } }", id(&environment.path)),
        ("query($id: String!) { bindingsExport(scope: $id) }", id(&environment.id)),
        (
            "query($id: String!) { accessDecision(resource: $id, capability: \"log.view\") { summary } }",
            id(&environment.id),
        ),
    ]
}

async fn rows(ground: &Ground, client: &Client) -> Value {
    let data = client.ok(ROWS, json!({ "organization": ground.organization })).await;
    data["organization"]["projects"]["nodes"][0]["environments"]["nodes"].clone()
}

async fn sees(ground: &Ground, client: &Client) {
    for (document, variables) in ways(ground) {
        client.ok(document, variables).await;
    }
    let rows = rows(ground, client).await;
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    let (row, deployment) = (&rows[0], &ground.deployment);
    assert_eq!(row["url"], ground.environment.url);
    assert_eq!(row["activeDeployment"]["url"], deployment.url);
    assert_eq!(row["deployments"]["nodes"][0]["id"], deployment.id, "{row}");
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let data = client.ok(nodes, json!({ "ids": [ground.environment.id, deployment.id] })).await;
    assert!(data["nodes"].as_array().unwrap().iter().all(Value::is_object), "{data}");
    let log = client.follow(ENVIRONMENT_LOG, id(&ground.environment.id)).await.item().await;
    assert!(log["environmentLog"]["text"].is_string(), "{log}");
}

async fn sees_nothing(ground: &Ground, client: &Client) {
    for (document, variables) in ways(ground) {
        assert_eq!(client.code(document, variables).await, "NOT_FOUND", "{document}");
    }
    assert_eq!(rows(ground, client).await, json!([]));
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let data = client.ok(nodes, json!({ "ids": [ground.environment.id, ground.deployment.id] })).await;
    assert_eq!(data["nodes"], json!([null, null]));
    for (document, id) in [
        (ENVIRONMENT_LOG, &ground.environment.id),
        (DEPLOYMENTS, &ground.environment.id),
        (DEPLOYMENT_LOG, &ground.deployment.id),
    ] {
        assert_eq!(client.follow(document, super::id(id)).await.cut().await.0, "NOT_FOUND", "{document}");
    }
}

/// Sets the kind, and gives the moment at which that was done.
async fn set_kind(ground: &Ground, production: bool, version: u32) -> Instant {
    let update = "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { __typename } }";
    let input = json!({ "id": ground.environment.id, "production": production, "expectedVersion": version });
    ground.ada.ok(update, json!({ "input": input })).await;
    Instant::now()
}

#[tokio::test]
async fn an_environment_comes_and_goes_with_its_kind() {
    let ground = Ground::new().await;
    let operator = ground.server.client().sign_up("operator").await;
    ground.ada.grant(&operator, "devops-console/tenant-operations-noprod", &ground.organization).await;
    for version in [1, 3] {
        sees(&ground, &operator).await;
        let mut log = operator.follow(ENVIRONMENT_LOG, id(&ground.environment.id)).await;
        log.item().await;
        let began = set_kind(&ground, true, version).await;
        // The moment that counts is the one at which they hear it, whatever is asked meanwhile.
        let (_, (code, _, at)) = tokio::join!(sees_nothing(&ground, &operator), log.cut());
        let after = at.saturating_duration_since(began);
        assert!(code == "FORBIDDEN" && after < SECOND, "{code} after {after:?}");
        set_kind(&ground, false, version + 1).await;
    }
    sees(&ground, &operator).await;
}
