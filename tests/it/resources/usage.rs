//! What is known of the use of capabilities: it is written by itself, and when the server stops.

use chrono::{TimeDelta, Utc};
use entities::ids::{OrganizationId, UserId};
use reeve::authz::{Capability, Scope, cap};
use reeve::store::usage::{self, Use};
use serde_json::json;

use crate::harness::{Client, TestServer, eventually};

fn id(client: &Client) -> UserId {
    client.account.id.parse().unwrap()
}

/// What somebody has used on one of these scopes or below, as `by` may know it.
async fn used(server: &TestServer, by: &Client, scope: Scope, of: &Client) -> Vec<Capability> {
    let by = server.operation(by).await;
    let permit = by.permit::<cap::MemberView>(scope).await.unwrap();
    let mut found = usage::last_used(by.store(), &permit, &[id(of)]).await.unwrap();
    let now = Utc::now();
    assert!(found.iter().all(|it| it.user == id(of) && (now - it.last_used_at).abs() < TimeDelta::minutes(5)));
    found.sort_by_key(|it| it.capability);
    found.into_iter().map(|it| it.capability).collect()
}

/// Those on one scope.
fn used_on(uses: Vec<Use>, scope: Scope) -> Vec<Use> {
    uses.into_iter().filter(|each| each.scope == scope).collect()
}

#[tokio::test]
async fn a_use_is_known_soon_and_nothing_is_lost_in_a_restart() {
    let mut server = TestServer::start().await;
    let (ada, dev, idle) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("idle").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let production = ada.create_environment(&project, "production", true).await;
    for client in [&dev, &idle] {
        ada.grant(client, "ownstak/editor", "acme").await;
    }
    dev.draft(&production, &[("index.html", b"hello")], None).await;
    let organization: Scope = organization.parse::<OrganizationId>().unwrap().into();
    let in_time = eventually("the use is written", || async {
        let used = used(&server, &ada, organization, &dev).await;
        (!used.is_empty()).then_some(used)
    })
    .await;
    assert!(in_time.contains(&Capability::DeploymentCreate), "{in_time:?}");
    // A read is a use; a list and a refusal are none.
    dev.ok("{ organizations { nodes { id } } }", json!({})).await;
    dev.ok("query($id: ID!) { project(id: $id) { id } }", json!({ "id": project })).await;
    let delete = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
    assert_eq!(dev.code(delete, json!({ "input": { "id": project } })).await, "FORBIDDEN");
    server.restart().await;
    let all = used(&server, &ada, organization, &dev).await;
    assert!(all.contains(&Capability::DeploymentCreate) && all.contains(&Capability::ProjectView), "{all:?}");
    assert!(!all.contains(&Capability::OrganizationView) && !all.contains(&Capability::ProjectDelete), "{all:?}");
    assert_eq!(used(&server, &ada, organization, &idle).await, Vec::new());

    // Where it was used: on scopes of the permit, and no others.
    let project: Scope = project.parse::<entities::ids::ProjectId>().unwrap().into();
    let environment: Scope = production.id.parse::<entities::ids::EnvironmentId>().unwrap().into();
    let by = server.operation(&ada).await;
    let permit = by.permit::<cap::AuditView>(organization).await.unwrap();
    let on = used_on(
        usage::of_each_scope(by.store(), &permit, &by.sight().await.unwrap(), &[id(&dev), id(&idle)]).await.unwrap(),
        environment,
    );
    let drafts: Vec<&Use> = on.iter().filter(|it| it.capability == Capability::DeploymentCreate).collect();
    assert!(matches!(drafts[..], [one] if one.scope == environment && one.user == id(&dev)), "{on:?}");
    let below = by.permit::<cap::MemberView>(project).await.unwrap();
    let above = used_on(
        usage::of_each_scope(by.store(), &below, &by.sight().await.unwrap(), &[id(&ada)]).await.unwrap(),
        organization,
    );
    assert_eq!(above, Vec::new(), "a permit on the project tells nothing of the organization");
    let before = drafts[0].last_used_at;

    // A later use takes the place of the earlier one.
    let dev = dev.at(server.api_address());
    dev.draft(&production, &[("index.html", b"again")], None).await;
    server.restart().await;
    let by = server.operation(&ada).await;
    let on = used_on(
        usage::of_each_scope(by.store(), &permit, &by.sight().await.unwrap(), &[id(&dev)]).await.unwrap(),
        environment,
    );
    let drafts: Vec<&Use> = on.iter().filter(|it| it.capability == Capability::DeploymentCreate).collect();
    assert!(matches!(drafts[..], [one] if one.last_used_at > before), "{on:?}");
}
