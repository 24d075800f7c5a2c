//! As `permits`, of the fields that tell of access and change it: called by nobody, by a stranger, by somebody who may look but not
//! touch, and, last, by whoever may.

use serde_json::{Value, json};

use super::permits::{Call, Things, answer, refused};
use super::world::World;
use crate::harness::{Client, text};

/// What is called here.
pub(super) const FIELDS: [&str; 25] = [
    "Console.bindings",
    "Console.customRoles",
    "Mutation.changeAccess",
    "Mutation.createEligibleRole",
    "Mutation.createPolicyTest",
    "Mutation.createRole",
    "Mutation.deleteEligibleRole",
    "Mutation.deletePolicyTest",
    "Mutation.deleteRole",
    "Mutation.importBindings",
    "Mutation.importRolePack",
    "Mutation.updateRole",
    "Organization.customRoles",
    "Organization.eligibleRoles",
    "Organization.policyTests",
    "Query.accessReview",
    "Query.bindingsExport",
    "Query.console",
    "Query.previewAccessChange",
    "Query.rolePack",
    "Query.whoCan",
    "Subscription.accessChanged",
    "Subscription.deploymentLog",
    "Subscription.deploymentUpdated",
    "Subscription.environmentLog",
];

const PACK: &str = "role,bound_at,capability,environments,reach,basis\nnew,project,project.view,any,self,decided\n";

/// What an organization has made of roles and rules, beside [`Things`].
pub(super) struct Access {
    organization: String,
    environment: String,
    deployment: String,
    owner: String,
    pub(super) role: String,
    pub(super) eligible: String,
    pub(super) test: String,
}

async fn made(by: &Client, document: &str, input: Value, pointer: &str) -> String {
    text(by.ok(document, json!({ "input": input })).await.pointer(pointer).unwrap())
}

const ROLE: &str = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { id } } }";
const ELIGIBLE: &str = "mutation($input: CreateEligibleRoleInput!) {
    createEligibleRole(input: $input) { eligibleRole { id } } }";
const TEST: &str = "mutation($input: CreatePolicyTestInput!) { createPolicyTest(input: $input) { policyTest { id } } }";

impl Access {
    /// Made by the owner of the things; the eligible role is one on the production environment.
    pub(super) async fn new(things: &Things, ada: &Client, onlooker: &Client) -> Self {
        let (organization, environment) = (things.organization.clone(), things.environment.id.clone());
        let rows = json!([{ "boundAt": "PROJECT", "capability": "project.view" }]);
        let input = json!({ "scope": organization, "name": "made", "rows": rows });
        let role = made(ada, ROLE, input, "/createRole/role/id").await;
        let input = json!({ "scope": environment, "subject": things.owner, "role": "ownstak/viewer",
            "maxDurationSeconds": 60 });
        let eligible = made(ada, ELIGIBLE, input, "/createEligibleRole/eligibleRole/id").await;
        let input = json!({ "organizationId": organization, "name": "Never", "scope": environment,
            "subject": onlooker.account.email, "capability": "secret.view" });
        let test = made(ada, TEST, input, "/createPolicyTest/policyTest/id").await;
        let deployment = things.deployment.id.clone();
        Self { organization, environment, deployment, owner: things.owner.clone(), role, eligible, test }
    }

    pub(super) fn reads(&self) -> Vec<Call> {
        let call =
            |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
        let organization = |field, document| call(field, document, &self.organization, "FORBIDDEN");
        let grant = json!([{ "grantRole": { "scope": self.organization, "subject": self.owner,
            "role": "ownstak/viewer" } }]);
        vec![
            organization(
                "Organization.customRoles",
                "query($id: ID!) { organization(id: $id) { customRoles { nodes { id } } } }",
            ),
            organization(
                "Organization.eligibleRoles",
                "query($id: ID!) { organization(id: $id) { eligibleRoles { nodes { id } } } }",
            ),
            organization(
                "Organization.policyTests",
                "query($id: ID!) { organization(id: $id) { policyTests { nodes { id } } } }",
            ),
            organization("Query.accessReview", "query($id: String!) { accessReview(scope: $id) { totalCount } }"),
            organization("Query.bindingsExport", "query($id: String!) { bindingsExport(scope: $id) }"),
            organization("Query.rolePack", "query($id: String!) { rolePack(scope: $id, pack: \"custom\") }"),
            organization(
                "Query.whoCan",
                "query($id: String!) { whoCan(resource: $id, capability: \"project.view\") { totalCount } }",
            ),
            Call {
                field: "Query.previewAccessChange",
                document: "query($changes: [AccessChangeInput!]!) { previewAccessChange(changes: $changes) { epoch } }",
                variables: json!({ "changes": grant }),
                onlooker: "FORBIDDEN",
            },
            organization(
                "Subscription.accessChanged",
                "subscription($id: String!) { accessChanged(scope: $id) { epoch } }",
            ),
            call(
                "Subscription.environmentLog",
                "subscription($id: ID!) { environmentLog(environmentId: $id) { text } }",
                &self.environment,
                "FORBIDDEN",
            ),
            call(
                "Subscription.deploymentLog",
                "subscription($id: ID!) { deploymentLog(deploymentId: $id) { text } }",
                &self.deployment,
                "FORBIDDEN",
            ),
            call(
                "Subscription.deploymentUpdated",
                "subscription($id: ID!) { deploymentUpdated(environmentId: $id) { id } }",
                &self.environment,
                "ok",
            ),
        ]
    }

    /// In an order in which the owner can do them one after the other.
    pub(super) fn changes(&self) -> Vec<Call> {
        let call = |field, document, input: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker,
        };
        let grant = json!({ "scope": self.organization, "subject": self.owner, "role": "ownstak/viewer" });
        let row = json!([{ "boundAt": "PROJECT", "capability": "member.view" }]);
        let bindings = json!([{ "subjects": [self.owner], "roles": ["ownstak/viewer"],
            "resource": { "resourceType": "environment", "resourceId": self.environment } }]);
        // Who may not see who holds what is told that there is no such thing.
        let gone = |field, document, id: &str| call(field, document, json!({ "id": id }), "NOT_FOUND");
        vec![
            call(
                "Mutation.createRole",
                ROLE,
                json!({ "scope": self.organization, "name": "another", "rows": row }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateRole",
                "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { role { id } } }",
                json!({ "id": self.role, "rows": row, "expectedVersion": 1 }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.importRolePack",
                "mutation($input: ImportRolePackInput!) { importRolePack(input: $input) { roles { id } } }",
                json!({ "scope": self.organization, "pack": "imported", "text": PACK }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.changeAccess",
                "mutation($input: ChangeAccessInput!) { changeAccess(input: $input) { revokedIds } }",
                json!({ "changes": [{ "grantRole": grant }] }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.importBindings",
                "mutation($input: ImportBindingsInput!) { importBindings(input: $input) { bindings { id } } }",
                json!({ "scope": self.organization, "bindings": bindings.to_string() }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createEligibleRole",
                ELIGIBLE,
                json!({ "scope": self.environment, "subject": self.owner, "role": "ownstak/editor",
                    "maxDurationSeconds": 60 }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createPolicyTest",
                TEST,
                json!({ "organizationId": self.organization, "name": "Never again", "scope": self.environment,
                    "subject": self.owner, "capability": "console.view" }),
                "FORBIDDEN",
            ),
            gone(
                "Mutation.deleteRole",
                "mutation($input: DeleteRoleInput!) { deleteRole(input: $input) { deletedId } }",
                &self.role,
            ),
            gone(
                "Mutation.deleteEligibleRole",
                "mutation($input: DeleteEligibleRoleInput!) { deleteEligibleRole(input: $input) { deletedId } }",
                &self.eligible,
            ),
            gone(
                "Mutation.deletePolicyTest",
                "mutation($input: DeletePolicyTestInput!) { deletePolicyTest(input: $input) { deletedId } }",
                &self.test,
            ),
        ]
    }

    /// What only the console's administrator may.
    fn of_the_console() -> Vec<Call> {
        let call = |field, document| Call { field, document, variables: json!({}), onlooker: "NOT_FOUND" };
        vec![
            call("Query.console", "{ console { viewerCapabilities } }"),
            call("Console.bindings", "{ console { bindings { nodes { id } } } }"),
            call("Console.customRoles", "{ console { customRoles { nodes { id } } } }"),
        ]
    }
}

#[tokio::test]
async fn no_field_about_access_forgets_its_permit() {
    let World { server, root, ada, .. } = World::new().await;
    let (onlooker, stranger) = (server.sign_up("onlooker").await, server.sign_up("stranger").await);
    let things = Things::new(&ada, &onlooker).await;
    let access = Access::new(&things, &ada, &onlooker).await;
    let calls = [(access.reads(), &ada), (access.changes(), &ada), (Access::of_the_console(), &root)];
    let mut differing = Vec::new();
    for (calls, _) in &calls {
        refused(calls, [&server.client(), &stranger, &onlooker], &mut differing).await;
    }
    for (call, owner) in calls.iter().flat_map(|(calls, owner)| calls.iter().map(move |call| (call, owner))) {
        if call.document.starts_with("subscription") {
            continue;
        }
        let (code, _) = answer(owner, call).await;
        if code != "ok" {
            differing.push(format!("{} as the owner: {code}, not ok", call.field));
        }
    }
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
    let mut called: Vec<&str> = calls.iter().flat_map(|(calls, _)| calls.iter().map(|call| call.field)).collect();
    called.sort_unstable();
    assert_eq!(called, FIELDS);
}
