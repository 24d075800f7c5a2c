//! The other ways to a thing, beside the first one that each field is called by: by path, by number, by the id of something
//! that lies in it, as a part of a list of changes.

use serde_json::{Value, json};

use super::permits::{Call, Things};

const PREVIEW: &str = "query($changes: [AccessChangeInput!]!) { previewAccessChange(changes: $changes) { epoch
    differences { scope } violations { sentence } } }";
const CHANGE: &str = "mutation($changes: [AccessChangeInput!]!) { changeAccess(input: { changes: $changes }) {
    bindings { id } revokedIds } }";

/// One call for each document and each text that names the same thing.
fn each(field: &'static str, document: &'static str, names: &[&str]) -> Vec<Call> {
    let call = |name: &&str| Call { field, document, variables: json!({ "at": name }), onlooker: "" };
    names.iter().map(call).collect()
}

/// Everything that can be asked about an environment and what is in it. `binding` sits on the environment.
pub(super) fn to(things: &Things, binding: &str) -> Vec<Call> {
    let (id, path) = (things.environment.id.as_str(), things.environment.path.as_str());
    let deployment = things.deployment.id.as_str();
    let (project, organization) = (things.project.as_str(), things.organization.as_str());
    let every = [organization, project, id, path, deployment, "acme", "acme/site"];
    let mut all = vec![
        each(
            "Query.node",
            "query($at: ID!) { node(id: $at) { id } }",
            &[organization, project, id, deployment, binding],
        ),
        each("Query.organization", "query($at: String!) { organization(path: $at) { id } }", &["acme"]),
        each("Query.project", "query($at: String!) { project(path: $at) { id } }", &["acme/site"]),
        each("Query.environment", "query($at: String!) { environment(path: $at) { id } }", &[path]),
        each("Query.deployment", "query($at: String!) { deployment(path: $at, number: 1) { id } }", &[path]),
        each("Query.nodes", "query($at: ID!) { nodes(ids: [$at, $at]) { id } }", &[id, deployment, project]),
    ];
    for (field, document) in [
        ("Query.whoCan", "query($at: String!) { whoCan(resource: $at, capability: \"log.view\") { totalCount } }"),
        ("Query.accessReview", "query($at: String!) { accessReview(scope: $at) { totalCount } }"),
        ("Query.bindingsExport", "query($at: String!) { bindingsExport(scope: $at) }"),
        ("Query.rolePack", "query($at: String!) { rolePack(scope: $at, pack: \"ownstak\") }"),
        ("Query.auditLog", "query($at: String!) { auditLog(scope: $at) { nodes { id } } }"),
        (
            "Query.accessDecision",
            "query($at: String!) { accessDecision(resource: $at, capability: \"log.view\") { summary } }",
        ),
        ("Subscription.accessChanged", "subscription($at: String!) { accessChanged(scope: $at) { epoch } }"),
        (
            "Mutation.createRole",
            "mutation($at: String!) { createRole(input: { name: \"new\", scope: $at, rows: [
                { boundAt: PROJECT, capability: \"project.view\" }] }) { role { id } } }",
        ),
        (
            "Mutation.importRolePack",
            "mutation($at: String!) { importRolePack(input: { pack: \"new\", scope: $at, text: \"\" }) { roles { id } } }",
        ),
        (
            "Mutation.importBindings",
            "mutation($at: String!) { importBindings(input: { scope: $at, bindings: \"[]\" }) { bindings { id } } }",
        ),
        (
            "Mutation.setVariables",
            "mutation($at: String!) { setVariables(input: { scope: $at, variables: [
                { name: \"A\", value: \"1\", secret: false }] }) { variables { id } } }",
        ),
        (
            "Mutation.setVariables",
            "mutation($at: String!) { setVariables(input: { scope: $at, variables: [
                { name: \"A\", value: \"1\", secret: true }] }) { variables { id } } }",
        ),
        (
            "Mutation.unsetVariables",
            "mutation($at: String!) { unsetVariables(input: { scope: $at, variables: [{ name: \"TOKEN\" }] }) { unsetIds } }",
        ),
    ] {
        all.push(each(field, document, &every));
    }
    all.extend(of_repositories(project, id));
    all.push(about_people(things, &every));
    all.push(changes(things, binding));
    all.into_iter().flatten().collect()
}

/// About repositories: each takes one kind of id and nothing else.
fn of_repositories(project: &str, environment: &str) -> [Vec<Call>; 8] {
    [
        each(
            "Mutation.connectRepository",
            "mutation($at: ID!) { connectRepository(input: { projectId: $at, url: \"https://127.0.0.1/x\" }) { __typename } }",
            &[project],
        ),
        each(
            "Mutation.repairGitConnection",
            "mutation($at: ID!) { repairGitConnection(input: { projectId: $at }) { __typename } }",
            &[project],
        ),
        each(
            "Mutation.deployFromGit",
            "mutation($at: ID!) { deployFromGit(input: { environmentId: $at, from: { branch: \"x\" } }) { __typename } }",
            &[environment],
        ),
        each(
            "Mutation.setAutoDeploy",
            "mutation($at: ID!) { setAutoDeploy(input: { environmentId: $at, branch: \"x\" }) { __typename } }",
            &[environment],
        ),
        each(
            "Mutation.createWebhook",
            "mutation($at: ID!) { createWebhook(input: { projectId: $at, name: \"x\", url: \"https://x.test\" }) { __typename } }",
            &[project],
        ),
        each(
            "Mutation.setNotifications",
            "mutation($at: ID!) { setNotifications(input: { projectId: $at, events: [] }) { __typename } }",
            &[project],
        ),
        each(
            "Project.webhooks",
            "query($at: ID!) { project(id: $at) { webhooks { nodes { id } } notifications { events } } }",
            &[project],
        ),
        each(
            "Mutation.createDeployHook",
            "mutation($at: ID!) { createDeployHook(input: { environmentId: $at, name: \"x\", branch: \"x\" }) { __typename } }",
            &[environment],
        ),
    ]
}

/// With a person in them: whoever asks is not told whether there is such a person either.
fn about_people(things: &Things, every: &[&str]) -> Vec<Call> {
    let mut calls = Vec::new();
    for at in every {
        for who in [things.owner.as_str(), "nobody@example.com", things.team.as_str()] {
            let variables = json!({ "at": at, "who": who });
            let call = |field, document| Call { field, document, variables: variables.clone(), onlooker: "" };
            // Decisions are about users.
            if who.contains('@') {
                calls.push(call(
                    "Query.accessDecision",
                    "query($at: String!, $who: String!) {
                        accessDecision(resource: $at, subject: $who, capability: \"log.view\") { summary } }",
                ));
            }
            calls.push(call(
                "Mutation.grantRole",
                "mutation($at: String!, $who: String!) { grantRole(input: {
                    scope: $at, subject: $who, role: \"ownstak/viewer\" }) { binding { id } } }",
            ));
            calls.push(call(
                "Mutation.createEligibleRole",
                "mutation($at: String!, $who: String!) { createEligibleRole(input: {
                    scope: $at, subject: $who, role: \"ownstak/viewer\", maxDurationSeconds: 60 }) { eligibleRole { id } } }",
            ));
        }
    }
    calls
}

fn changes(things: &Things, binding: &str) -> Vec<Call> {
    let (id, path) = (&things.environment.id, &things.environment.path);
    let grant =
        |scope: &str| json!({ "grantRole": { "scope": scope, "subject": things.owner, "role": "ownstak/viewer" } });
    let listed: [Value; 5] = [
        json!([grant(id)]),
        json!([grant(path)]),
        json!([grant(&things.project), grant(id)]),
        json!([{ "revokeBinding": { "id": binding } }]),
        json!([grant(id), { "revokeBinding": { "id": binding } }]),
    ];
    let mut calls = Vec::new();
    for changes in listed {
        let mixed = changes.to_string().contains(things.project.as_str());
        // What may be viewed of a mixed list is remembered from one preview to the next: it is tried as a change only.
        let preview = (!mixed).then_some(("Query.previewAccessChange", PREVIEW));
        for (field, document) in preview.into_iter().chain([("Mutation.changeAccess", CHANGE)]) {
            let variables = json!({ "changes": changes });
            calls.push(Call { field, document, variables, onlooker: "" });
        }
    }
    let within = json!([{ "subjects": [things.owner], "roles": ["ownstak/viewer"],
        "resource": { "resourceType": "environment", "resourceId": path } }]);
    for scope in [&things.organization, &things.project] {
        calls.push(Call {
            field: "Mutation.importBindings",
            document: "mutation($scope: String!, $bindings: String!) {
                importBindings(input: { scope: $scope, bindings: $bindings }) { bindings { id } } }",
            variables: json!({ "scope": scope, "bindings": within.to_string() }),
            onlooker: "",
        });
    }
    calls
}
