//! The fields that need no capability: each is called by nobody and by a stranger, who are told of nothing that is somebody
//! else's. And that there is no field which takes something, or stands at a root, and is called by no story of permits.

use std::collections::BTreeSet;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use super::permits::{Things, required};
use super::permits_of_access::Access;
use crate::harness::TestServer;

/// A field, and what nobody and a stranger are answered: a code, or all the data that there is.
struct Open {
    field: &'static str,
    document: &'static str,
    variables: Value,
    nobody: Value,
    stranger: Value,
}

/// About somebody's thing, of which neither is told.
fn about(field: &'static str, document: &'static str, id: &str) -> Open {
    let (nobody, stranger) = (json!("UNAUTHENTICATED"), json!("NOT_FOUND"));
    Open { field, document, variables: json!({ "id": id }), nobody, stranger }
}

/// The same, where what is hidden is null.
fn hidden(field: &'static str, document: &'static str, id: &str) -> Open {
    let nothing = json!({ "node": null });
    Open { nobody: nothing.clone(), stranger: nothing, ..about(field, document, id) }
}

/// About whoever asks.
fn of_viewer(field: &'static str, document: &'static str, stranger: Value) -> Open {
    Open { field, document, variables: json!({}), nobody: json!("UNAUTHENTICATED"), stranger }
}

fn viewer(field: &str, value: &Value) -> Value {
    json!({ "viewer": { field: value } })
}

fn calls(things: &Things, access: &Access) -> Vec<Open> {
    let mut calls = of_objects(things);
    calls.extend(of_oneself());
    calls.extend(proved_otherwise(things, access));
    calls
}

fn of_objects(things: &Things) -> Vec<Open> {
    let (organization, project) = (&things.organization, &things.project);
    let nothing = json!({ "nodes": [] });
    vec![
        hidden(
            "Deployment.viewerCan",
            "query($id: ID!) { node(id: $id) { ... on Deployment { viewerCan(capabilities: []) { allowed } } } }",
            &things.deployment.id,
        ),
        hidden(
            "Environment.viewerCan",
            "query($id: ID!) { node(id: $id) { ... on Environment { viewerCan(capabilities: []) { allowed } } } }",
            &things.environment.id,
        ),
        hidden(
            "Project.viewerCan",
            "query($id: ID!) { node(id: $id) { ... on Project { viewerCan(capabilities: []) { allowed } } } }",
            project,
        ),
        hidden(
            "Organization.viewerCan",
            "query($id: ID!) { node(id: $id) { ... on Organization { viewerCan(capabilities: []) { allowed } } } }",
            organization,
        ),
        hidden(
            "Team.viewerCan",
            "query($id: ID!) { node(id: $id) { ... on Team { viewerCan(capabilities: []) { allowed } } } }",
            &things.team,
        ),
        of_viewer("Console.viewerCan", "{ console { viewerCan(capabilities: []) { allowed } } }", json!("NOT_FOUND")),
        hidden("Query.node", "query($id: ID!) { node(id: $id) { id } }", &things.binding),
        Open {
            field: "Query.nodes",
            document: "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            variables: json!({ "ids": [organization, project, things.deployment.id, things.environment.id] }),
            nobody: json!({ "nodes": [null, null, null, null] }),
            stranger: json!({ "nodes": [null, null, null, null] }),
        },
        Open {
            nobody: json!({ "organizations": nothing }),
            ..of_viewer(
                "Query.organizations",
                "{ organizations { nodes { id } } }",
                json!({ "organizations": nothing }),
            )
        },
        about(
            "Organization.projects",
            "query($id: ID!) { organization(id: $id) { projects { nodes { id } } } }",
            organization,
        ),
        about(
            "Project.environments",
            "query($id: ID!) { project(id: $id) { environments { nodes { id } } } }",
            project,
        ),
    ]
}

fn of_oneself() -> Vec<Open> {
    let nothing = json!({ "nodes": [] });
    vec![
        of_viewer("Query.viewer", "{ viewer { name } }", viewer("name", &json!("stranger"))),
        of_viewer(
            "User.organizations",
            "{ viewer { organizations { nodes { id } } } }",
            viewer("organizations", &nothing),
        ),
        of_viewer("User.projects", "{ viewer { projects { nodes { id } } } }", viewer("projects", &nothing)),
        of_viewer(
            "User.eligibleRoles",
            "{ viewer { eligibleRoles { nodes { id } } } }",
            viewer("eligibleRoles", &nothing),
        ),
        of_viewer(
            "User.teams",
            "{ viewer { teams { nodes { personal } } } }",
            viewer("teams", &json!({ "nodes": [{ "personal": true }] })),
        ),
        of_viewer("User.invitations", "{ viewer { invitations { nodes { id } } } }", viewer("invitations", &nothing)),
        of_viewer("User.notices", "{ viewer { notices { nodes { id } } } }", viewer("notices", &nothing)),
        of_viewer("User.apiKeys", "{ viewer { apiKeys { nodes { id } } } }", viewer("apiKeys", &nothing)),
    ]
}

/// What takes another proof than a capability.
fn proved_otherwise(things: &Things, access: &Access) -> Vec<Open> {
    let unknown = json!("UNAUTHENTICATED");
    vec![
        about(
            "Mutation.activateEligibleRole",
            "mutation($id: ID!) { activateEligibleRole(input: { id: $id, reason: \"to try\" }) { binding { id } } }",
            &access.eligible,
        ),
        about(
            "Mutation.endActivation",
            "mutation($id: ID!) { endActivation(input: { id: $id }) { endedId } }",
            &things.binding,
        ),
        about(
            "Mutation.acceptInvitation",
            "mutation($id: ID!) { acceptInvitation(input: { id: $id }) { __typename } }",
            INVITATION,
        ),
        about(
            "Mutation.declineInvitation",
            "mutation($id: ID!) { declineInvitation(input: { id: $id }) { declinedId } }",
            INVITATION,
        ),
        of_viewer(
            "Mutation.createTeam",
            "mutation { createTeam(input: { name: \"Mine\" }) { team { personal } } }",
            json!({ "createTeam": { "team": { "personal": false } } }),
        ),
        Open {
            stranger: unknown.clone(),
            ..about(
                "Mutation.signIn",
                "mutation($id: String!) { signIn(input: { email: $id, password: \"a wrong one, long\" }) { user { id } } }",
                &things.owner,
            )
        },
        Open {
            stranger: unknown.clone(),
            ..about(
                "Mutation.refreshSession",
                "mutation($id: String!) { refreshSession(input: { refreshToken: $id }) { user { id } } }",
                "nobody's",
            )
        },
        // The last, since it ends what the others come with.
        of_viewer(
            "Mutation.signOut",
            "mutation { signOut { signedOut } }",
            json!({ "signOut": { "signedOut": true } }),
        ),
    ]
}

/// Nobody's: those that are somebody's are tried in `hidden`.
const INVITATION: &str = "inv_00000000000000000000000000";

/// What says the same to everybody, and may be called by anybody: it is no part of anything that is somebody's.
const SAME: [&str; 4] = ["Mutation.signUp", "Query.capabilities", "Query.roles", "Role.capabilities"];

/// `Type.field` of every field of the three roots, and of every field of an object that takes something.
fn fields() -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql")).unwrap();
    let mut fields = BTreeSet::new();
    for definition in parse_schema(&text).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        let name = definition.node.name.node.as_str();
        let root = matches!(name, "Query" | "Mutation" | "Subscription");
        let taking = object.fields.iter().filter(|field| root || !field.node.arguments.is_empty());
        fields.extend(taking.map(|field| format!("{name}.{}", field.node.name.node)));
    }
    assert!(fields.len() > 60, "{fields:?}");
    fields
}

#[tokio::test]
async fn what_is_open_tells_nobody_of_anything() {
    let server = TestServer::start().await;
    let (ada, onlooker) = (server.sign_up("ada").await, server.sign_up("onlooker").await);
    let things = Things::new(&ada, &onlooker).await;
    let access = Access::new(&things, &ada, &onlooker).await;
    let calls = calls(&things, &access);
    let mut differing = Vec::new();
    let (nobody, stranger) = (server.client(), server.sign_up("stranger").await);
    for call in &calls {
        for (who, client, expected) in [("nobody", &nobody, &call.nobody), ("a stranger", &stranger, &call.stranger)] {
            let response = client.query(call.document, call.variables.clone()).await;
            let told = if response.errors.is_empty() { response.data } else { json!(response.refusal().code) };
            if told != *expected {
                differing.push(format!("{} as {who}: {told}, not {expected}", call.field));
            }
        }
    }
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
    let open = calls.iter().map(|call| call.field).chain(SAME).map(str::to_owned);
    let called: BTreeSet<String> = open.chain(required().into_keys()).collect();
    let uncalled: Vec<String> = fields().difference(&called).cloned().collect();
    assert!(uncalled.is_empty(), "nobody tries what these tell those who may not know: {uncalled:#?}");
}
