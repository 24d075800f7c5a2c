//! No resolver forgets its permit: every field that says `@requires` in `schema.graphql` is called by nobody, by a stranger, by
//! somebody who may look but not touch, and, last, by the owner. The fields come from the contract, so that a new one without
//! a call here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use super::permits_of_deployments::of_owner;
use crate::harness::{Client, Deployment, Environment, Live, PROTOCOL, TestServer, draft_input, entry, text};

const PAGE: &[u8] = b"<h1>acme</h1>";

/// How a field is called, and what the onlooker is answered: `ownstak/viewer` on the organization, who may view everything
/// but the people, and do nothing.
pub(super) struct Call {
    pub(super) field: &'static str,
    pub(super) document: &'static str,
    pub(super) variables: Value,
    pub(super) onlooker: &'static str,
}

/// What the calls are about; a throw-away organization beside it, since one with projects cannot be removed.
pub(super) struct Things {
    pub(super) organization: String,
    pub(super) project: String,
    pub(super) environment: Environment,
    pub(super) deployment: Deployment,
    pub(super) binding: String,
    pub(super) domain: String,
    pub(super) team: String,
    pub(super) empty: String,
    pub(super) owner: String,
    /// A secret of the environment.
    pub(super) secret: String,
}

impl Things {
    pub(super) async fn new(ada: &Client, onlooker: &Client) -> Self {
        let organization = ada.create_organization("acme").await;
        let empty = ada.create_organization("empty").await;
        let project = ada.create_project(&organization, "site").await;
        let environment = ada.create_environment(&project, "production", true).await;
        let files: &[(&str, &[u8])] = &[("index.html", PAGE)];
        let draft = ada.draft(&environment, files, None).await;
        ada.upload(&draft, files).await;
        let binding = ada.grant(ada, "ownstak/viewer", &organization).await;
        for organization in [&organization, &empty] {
            ada.grant(onlooker, "ownstak/viewer", organization).await;
        }
        let domain = ada.add_domain(&environment, "www.customer.test").await;
        let mine = ada.ok("{ viewer { personalTeam { id } } }", json!({})).await;
        let team = mine["viewer"]["personalTeam"]["id"].as_str().unwrap().to_owned();
        let owner = ada.account.email.clone();
        let secret = ada.set_variable(&environment.id, "TOKEN", "hidden", true).await;
        Self {
            organization,
            project,
            environment,
            deployment: draft.deployment,
            binding,
            domain,
            team,
            empty,
            owner,
            secret,
        }
    }

    pub(super) fn reads(&self) -> Vec<Call> {
        let call =
            |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
        let environment = &self.environment.id;
        let deployment = &self.deployment.id;
        vec![
            Call {
                field: "Query.accessDecision",
                document: "query($id: String!, $of: String) {
                    accessDecision(resource: $id, subject: $of, capability: \"project.view\") { allowed } }",
                variables: json!({ "id": self.project, "of": self.owner }),
                onlooker: "FORBIDDEN",
            },
            Call {
                field: "Query.auditLog",
                document: "query($id: String!) { auditLog(scope: $id) { nodes { id } } }",
                variables: json!({ "id": self.project }),
                onlooker: "FORBIDDEN",
            },
            call("Query.organization", "query($id: ID!) { organization(id: $id) { id } }", &self.organization, "ok"),
            call("Query.project", "query($id: ID!) { project(id: $id) { id } }", &self.project, "ok"),
            call("Query.environment", "query($id: ID!) { environment(id: $id) { id } }", environment, "ok"),
            call("Query.deployment", "query($id: ID!) { deployment(id: $id) { id } }", deployment, "ok"),
            call(
                "Organization.bindings",
                "query($id: ID!) { organization(id: $id) { bindings { nodes { id } } } }",
                &self.organization,
                "FORBIDDEN",
            ),
            call(
                "Project.bindings",
                "query($id: ID!) { project(id: $id) { bindings { nodes { id } } } }",
                &self.project,
                "FORBIDDEN",
            ),
            call(
                "Environment.bindings",
                "query($id: ID!) { environment(id: $id) { bindings { nodes { id } } } }",
                environment,
                "FORBIDDEN",
            ),
            call(
                "Environment.deployments",
                "query($id: ID!) { environment(id: $id) { deployments { nodes { id } } } }",
                environment,
                "ok",
            ),
            call(
                "Deployment.events",
                "query($id: ID!) { deployment(id: $id) { events { nodes { id state } } } }",
                deployment,
                "ok",
            ),
            call(
                "Deployment.differences",
                "query($id: ID!) { deployment(id: $id) { differences(since: $id) { settings { name } files { added } } } }",
                deployment,
                "ok",
            ),
            call(
                "DeploymentDifferences.variables",
                "query($id: ID!) { deployment(id: $id) { differences(since: $id) { variables { name } } } }",
                deployment,
                "FORBIDDEN",
            ),
            call(
                "Deployment.metrics",
                "query($id: ID!) { deployment(id: $id) { metrics { requests } } }",
                deployment,
                "FORBIDDEN",
            ),
            call(
                "Environment.metrics",
                "query($id: ID!) { environment(id: $id) { metrics { requests } } }",
                environment,
                "FORBIDDEN",
            ),
            call(
                "Environment.domains",
                "query($id: ID!) { environment(id: $id) { domains { nodes { id } } } }",
                environment,
                "ok",
            ),
            call(
                "Environment.edgeSettings",
                "query($id: ID!) { environment(id: $id) { edgeSettings { version } } }",
                environment,
                "FORBIDDEN",
            ),
            call("Deployment.log", "query($id: ID!) { deployment(id: $id) { log { text } } }", deployment, "FORBIDDEN"),
            call(
                "Project.variables",
                "query($id: ID!) { project(id: $id) { variables { name } } }",
                &self.project,
                "FORBIDDEN",
            ),
            call(
                "Environment.variables",
                "query($id: ID!) { environment(id: $id) { variables { name } } }",
                environment,
                "FORBIDDEN",
            ),
            call(
                "Environment.pendingChanges",
                "query($id: ID!) { environment(id: $id) { pendingChanges { name } } }",
                environment,
                "FORBIDDEN",
            ),
        ]
    }

    /// In an order in which the owner can do them one after the other.
    pub(super) fn makes(&self) -> Vec<Call> {
        let files = [entry("index.html", PAGE)];
        let call = |field, document, input: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker,
        };
        vec![
            call(
                "Mutation.createOrganization",
                "mutation($input: CreateOrganizationInput!) { createOrganization(input: $input) { organization { id } } }",
                json!({ "name": "new", "teamId": self.team }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.createProject",
                "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }",
                json!({ "name": "new", "organizationId": self.organization }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createEnvironment",
                "mutation($input: CreateEnvironmentInput!) { createEnvironment(input: $input) { environment { id } } }",
                json!({ "name": "new", "projectId": self.project, "production": false }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createDeployment",
                "mutation($input: CreateDeploymentInput!) { createDeployment(input: $input) { deployment { id } } }",
                draft_input(&self.environment, &files, None)["input"].clone(),
                "FORBIDDEN",
            ),
        ]
    }

    /// What comes after that, in an order in which the owner can do it.
    pub(super) fn ends(&self) -> Vec<Call> {
        let deployment = &self.deployment.id;
        let call = |field, document, id: &str, onlooker| {
            let variables = json!({ "input": { "id": id } });
            Call { field, document, variables, onlooker }
        };
        let mut all = vec![
            Call {
                field: "Mutation.grantRole",
                document: "mutation($input: GrantRoleInput!) { grantRole(input: $input) { binding { id } } }",
                variables: json!({ "input": {
                    "scope": self.project, "subject": self.owner, "role": "ownstak/viewer" } }),
                onlooker: "FORBIDDEN",
            },
            // Who may not see bindings is told that there is none.
            call(
                "Mutation.revokeBinding",
                "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }",
                &self.binding,
                "NOT_FOUND",
            ),
            call(
                "Mutation.deploy",
                "mutation($input: DeployInput!) { deploy(input: $input) { deployment { id } } }",
                deployment,
                "FORBIDDEN",
            ),
            call(
                "Mutation.deleteEnvironment",
                "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }",
                &self.environment.id,
                "FORBIDDEN",
            ),
            call(
                "Mutation.deleteProject",
                "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }",
                &self.project,
                "FORBIDDEN",
            ),
            call(
                "Mutation.deleteOrganization",
                "mutation($input: DeleteOrganizationInput!) { deleteOrganization(input: $input) { deletedId } }",
                &self.empty,
                "FORBIDDEN",
            ),
        ];
        let deployed = all.iter().position(|call| call.field == "Mutation.deploy").unwrap();
        all.splice(deployed + 1..=deployed, self.changes_of_deployments());
        all
    }
}

/// `Type.field` of every field that says `@requires`, with the capability.
pub(super) fn required() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql")).unwrap();
    let mut required = BTreeMap::new();
    for definition in parse_schema(&text).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let fields = match &definition.node.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => continue,
        };
        for field in fields.iter().map(|field| &field.node) {
            let directive = field.directives.iter().find(|directive| directive.node.name.node == "requires");
            if let Some(capability) = directive.and_then(|it| it.node.get_argument("capability")) {
                let name = format!("{}.{}", definition.node.name.node, field.name.node);
                required.insert(name, capability.node.to_string().trim_matches('"').to_owned());
            }
        }
    }
    assert!(required.len() > 20, "hardly any field requires anything: {required:?}");
    required
}

pub(super) async fn answer(client: &Client, call: &Call) -> (String, Value) {
    if call.document.starts_with("subscription") {
        if client.token.is_none() {
            let mut live = Live::open(client, Some(PROTOCOL)).await.unwrap();
            live.say(client.init()).await;
            assert_eq!(live.closed().await, 4403, "nobody is let in");
            return ("UNAUTHENTICATED".to_owned(), Value::Null);
        }
        let (error, _) = client.follow(call.document, call.variables.clone()).await.error().await;
        return (text(&error["extensions"]["code"]), error["extensions"]["capability"].clone());
    }
    let response = client.query(call.document, call.variables.clone()).await;
    if response.errors.is_empty() {
        return ("ok".to_owned(), Value::Null);
    }
    let refusal = response.refusal();
    (refusal.code, refusal.extensions["capability"].clone())
}

/// Calls as three who may not; notes what is answered otherwise.
pub(super) async fn refused(calls: &[Call], [nobody, stranger, onlooker]: [&Client; 3], differing: &mut Vec<String>) {
    let required = required();
    for call in calls {
        for (who, client, expected) in [
            ("nobody", nobody, "UNAUTHENTICATED"),
            ("a stranger", stranger, "NOT_FOUND"),
            ("an onlooker", onlooker, call.onlooker),
        ] {
            // What is followed does not end by itself; that it comes is told elsewhere.
            if call.document.starts_with("subscription") && expected == "ok" {
                continue;
            }
            let (code, missing) = answer(client, call).await;
            if code != expected {
                differing.push(format!("{} as {who}: {code}, not {expected}", call.field));
            }
            if code == "FORBIDDEN" && missing != required[call.field].as_str() {
                differing.push(format!("{} as {who}: lacks {missing}, not what it requires", call.field));
            }
        }
    }
}

#[tokio::test]
async fn no_field_forgets_its_permit() {
    let server = TestServer::start().await;
    let (ada, onlooker) = (server.sign_up("ada").await, server.sign_up("onlooker").await);
    let stranger = server.sign_up("stranger").await;
    let things = Things::new(&ada, &onlooker).await;
    let calls: Vec<Call> = [things.reads(), things.makes(), things.changes_of_environments(), things.ends()]
        .into_iter()
        .flatten()
        .collect();
    let mut listed: BTreeSet<&str> = calls.iter().map(|call| call.field).collect();
    listed.extend(super::permits_of_access::FIELDS);
    listed.extend(super::permits_of_people::FIELDS);
    listed.extend(super::permits_of_git::FIELDS);
    let required = required();
    let known: BTreeSet<&str> = required.keys().map(String::as_str).collect();
    assert_eq!(known, listed, "the left says `@requires` in the schema, the right is called here: add or erase a call");
    let mut differing = Vec::new();
    refused(&calls, [&server.client(), &stranger, &onlooker], &mut differing).await;
    // The ids are right and the calls are whole: whoever may, can.
    for call in &calls {
        if call.field == "Mutation.rollbackDeployment" {
            ada.wait_for(&things.deployment, "ACTIVE").await;
        }
        let (code, _) = answer(&ada, call).await;
        let expected = of_owner(call.field);
        if code != expected {
            differing.push(format!("{} as the owner: {code}, not {expected}", call.field));
        }
    }
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
}
