//! What somebody may not view is answered like what is not there: byte for byte, and for as many statements, whoever asks and in
//! whatever way. And where it would stand in a list, nothing stands.

use std::fmt::Write;

use serde_json::{Value, json};

use super::permits::{Call, Things};
use super::permits_of_access::Access;
use super::permits_of_people::Things as People;
use super::ways;
use super::world::World;
use crate::harness::{Client, TestServer};

/// Things, and the names of others that are alike and are not there.
struct Hidden(Vec<(String, String)>);

impl Hidden {
    fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| ((*name).to_owned(), other(name))).collect())
    }

    /// The same call about what is not there; none when it is about nothing that is hidden.
    fn absent(&self, variables: &Value) -> Option<Value> {
        let replaced = self.replace(variables);
        (replaced != *variables).then_some(replaced)
    }

    fn said_back(&self, text: &str) -> String {
        let quoted = |text: &str| format!("`{text}` here");
        self.0.iter().fold(text.to_owned(), |text, (name, other)| text.replace(&quoted(name), &quoted(other)))
    }

    fn replace(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.renamed(text)),
            Value::Array(all) => all.iter().map(|value| self.replace(value)).collect(),
            Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), self.replace(value))).collect(),
            other => other.clone(),
        }
    }

    fn renamed(&self, text: &str) -> String {
        if let Some((_, other)) = self.0.iter().find(|(name, _)| name == text) {
            return other.clone();
        }
        // Within a text, such as a list to import, ids and whole paths stand between quotation marks.
        let quoted = |text: &str| format!("\"{text}\"");
        self.0.iter().fold(text.to_owned(), |text, (name, other)| text.replace(&quoted(name), &quoted(other)))
    }
}

/// A name of the same shape and length.
fn other(name: &str) -> String {
    let at = name.len() - 3;
    let letter = if name.as_bytes()[at] == b'x' { "y" } else { "x" };
    format!("{}{letter}{}", &name[..at], &name[at + 1..])
}

/// What is answered, without the request's id.
async fn told(client: &Client, document: &str, variables: &Value) -> String {
    let without = |mut error: Value| {
        error["extensions"].as_object_mut().unwrap().remove("requestId");
        error.to_string()
    };
    if document.starts_with("subscription") {
        return without(client.follow(document, variables.clone()).await.error().await.0);
    }
    let response = client.query(document, variables.clone()).await;
    let mut text = format!("{} {}", response.status, response.data);
    for error in response.errors {
        write!(text, " {}", without(error)).unwrap();
    }
    text
}

/// Changes authority somewhere else, so that nothing which was remembered counts any more.
struct Shaker {
    elsewhere: String,
    binding: Option<String>,
}

impl Shaker {
    async fn shake(&mut self, ada: &Client) {
        let revoke = "mutation($id: ID!) { revokeBinding(input: { id: $id }) { revokedId } }";
        match self.binding.take() {
            Some(binding) => drop(ada.ok(revoke, json!({ "id": binding })).await),
            None => self.binding = Some(ada.grant(ada, "ownstak/viewer", &self.elsewhere).await),
        }
    }
}

/// Answers and statements about one after the other: of questions, when nothing is remembered of what was asked about and when
/// it is; of changes, which remember nothing themselves, when it is.
async fn asked<const N: usize>(
    (server, ada): (&TestServer, &Client),
    shaker: &mut Shaker,
    who: &Client,
    call: &Call,
    variables: [&Value; N],
) -> [Vec<(String, u64)>; N] {
    let changes = call.document.starts_with("mutation");
    if !changes {
        shaker.shake(ada).await;
        // Who asks is known again; what they ask about is not.
        who.ok("{ organizations(first: 1) { nodes { id } } }", json!({})).await;
    }
    let mut told = variables.map(|_| Vec::new());
    for round in 0..2 {
        for (told, variables) in told.iter_mut().zip(variables) {
            let answer = server.statements_of(self::told(who, call.document, variables)).await;
            if round > 0 || !changes {
                told.push(answer);
            }
        }
    }
    told
}

/// Each call by each caller about what is hidden from them, and about what is not there; how many there were.
async fn compare(
    with: (&TestServer, &Client),
    callers: &[(&str, &Client, Hidden)],
    calls: &[Call],
) -> (usize, Vec<String>) {
    let (mut differing, mut compared) = (Vec::new(), 0);
    let mut shaker = Shaker { elsewhere: with.1.create_organization("elsewhere").await, binding: None };
    for (who, client, hidden) in callers {
        for call in calls {
            let Some(absent) = hidden.absent(&call.variables) else { continue };
            let [mut of_hidden, of_absent] = asked(with, &mut shaker, client, call, [&call.variables, &absent]).await;
            // What the asker wrote themselves may be said back to them.
            of_hidden.iter_mut().for_each(|(text, _)| *text = hidden.said_back(text));
            compared += 1;
            if of_hidden != of_absent {
                let (field, variables) = (call.field, &call.variables);
                differing.push(format!("{field} as {who}, {variables}:\n  {of_hidden:?}\n  {of_absent:?}"));
            }
            if let Some(name) = hidden.0.iter().map(|(name, _)| name).find(|name| of_hidden[0].0.contains(*name)) {
                differing.push(format!("{} as {who} tells of {name}: {}", call.field, of_hidden[0].0));
            }
        }
    }
    (compared, differing)
}

/// Manages access, sees people, projects, and every environment but production ones.
async fn blind_manager(ada: &Client, name: &Client, organization: &str) {
    let row = |capability: &str, environments: &str| json!({ "boundAt": "ORGANIZATION", "capability": capability, "environments": environments });
    let any = ["organization.view", "project.view", "project.update", "member.view", "access.manage", "member.invite"];
    let limited = ["environment.view", "environment.update", "deployment.view", "log.view", "deployment.create"];
    let rows: Vec<Value> =
        any.map(|it| row(it, "ANY")).into_iter().chain(limited.map(|it| row(it, "NONPRODUCTION"))).collect();
    let create = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    let input = json!({ "name": "blind", "scope": organization, "rows": rows });
    ada.ok(create, json!({ "input": input })).await;
    ada.grant(name, "custom/blind", organization).await;
}

#[tokio::test]
async fn what_is_hidden_is_answered_like_what_is_not_there() {
    let world = World::new().await;
    let (ada, sign_up) = (&world.ada, |name: &'static str| world.server.sign_up(name));
    let (onlooker, stranger) = (sign_up("onlooker").await, sign_up("stranger").await);
    let (wide, narrow, manager) = (sign_up("wide").await, sign_up("narrow").await, sign_up("manager").await);
    let things = Things::new(ada, &onlooker).await;
    let access = Access::new(&things, ada, &onlooker).await;
    let binding = ada.grant(&onlooker, "ownstak/viewer", &things.environment.id).await;
    ada.create_environment(&things.project, "staging", false).await;
    world.root.grant(&wide, "devops-console/tenant-operations-noprod", &things.organization).await;
    world.root.grant(&narrow, "devops-console/project-operations-noprod", &things.project).await;
    blind_manager(ada, &manager, &things.organization).await;
    let mut calls = ways::to(&things, &binding);
    calls.extend(
        [
            things.reads(),
            things.makes(),
            things.changes_of_environments(),
            things.ends(),
            access.reads(),
            access.changes(),
        ]
        .into_iter()
        .flatten(),
    );
    let (environment, path) = (things.environment.id.as_str(), things.environment.path.as_str());
    let production =
        [environment, path, &things.deployment.id, &things.domain, &binding, &access.eligible, &things.secret];
    let everything = [
        &production[..],
        &[&things.organization, &things.project, "acme", "acme/site", &things.team, &things.binding, &access.role],
        &[access.test.as_str()],
    ]
    .concat();
    let callers = [
        ("an operator of the organization", &wide, Hidden::new(&production)),
        ("an operator of the project", &narrow, Hidden::new(&production)),
        ("a manager who sees no production", &manager, Hidden::new(&production)),
        ("a stranger", &stranger, Hidden::new(&everything)),
    ];
    let (compared, differing) = compare((&world.server, ada), &callers, &calls).await;
    assert!(differing.is_empty(), "{} of {compared} differ:\n{}", differing.len(), differing.join("\n"));
    assert!(compared > 400, "hardly anything is hidden: {compared}");
}

#[tokio::test]
async fn people_who_are_hidden_are_answered_like_people_who_are_not_there() {
    let World { server, root, ada, .. } = World::new().await;
    let (onlooker, pat, stranger) =
        (server.sign_up("onlooker").await, server.sign_up("pat").await, server.sign_up("stranger").await);
    let operator = server.sign_up("operator").await;
    let things = People::new(&ada, &onlooker, &pat).await;
    let [organization, _, environment, ..] = things.ids();
    root.grant(&operator, "devops-console/tenant-operations-noprod", organization).await;
    let mut calls: Vec<Call> =
        things.reads().into_iter().chain(things.changes()).chain(things.of_the_console()).collect();
    for (field, document, kind) in [
        ("Query.node", "query($id: ID!) { node(id: $id) { id } }", ""),
        (
            "Mutation.acceptTransfer",
            "mutation($id: ID!) { acceptTransfer(input: { id: $id }) { organizationId } }",
            "trf_",
        ),
        (
            "Mutation.acceptInvitation",
            "mutation($id: ID!) { acceptInvitation(input: { id: $id }) { __typename } }",
            "inv_",
        ),
        (
            "Mutation.declineInvitation",
            "mutation($id: ID!) { declineInvitation(input: { id: $id }) { declinedId } }",
            "inv_",
        ),
        ("Mutation.deleteTeam", "mutation($id: ID!) { deleteTeam(input: { id: $id }) { deletedId } }", "team_"),
    ] {
        let fitting = things.ids().into_iter().filter(|id| id.starts_with(kind));
        calls.extend(fitting.map(|id| Call { field, document, variables: json!({ "id": id }), onlooker: "" }));
    }
    let callers = [
        ("an operator", &operator, Hidden::new(&[environment])),
        ("a stranger", &stranger, Hidden::new(&things.ids())),
    ];
    let (compared, differing) = compare((&server, &ada), &callers, &calls).await;
    assert!(differing.is_empty(), "{} of {compared} differ:\n{}", differing.len(), differing.join("\n"));
    assert!(compared > 40, "hardly anything is hidden: {compared}");
}

/// Everything that lists, counts or sums up what lies in the organization.
fn lists(organization: &str, project: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for (field, document) in [
        (
            "Organization.projects",
            "query($o: ID!) { organization(id: $o) { projects(first: 5) { nodes { id environments(first: 5) {
                nodes { id name url production } pageInfo { hasNextPage } } } } } }",
        ),
        ("Project.variables", "query($p: ID!) { project(id: $p) { variables { id name } } }"),
        (
            "Project.webhooks",
            "query($p: ID!) { project(id: $p) { webhooks { nodes { id name deliveries {
                nodes { id } pageInfo { hasNextPage } } } pageInfo { hasNextPage } } } }",
        ),
        (
            "Project.environments",
            "query($p: ID!) { project(id: $p) { environments { edges { cursor node { id } } } } }",
        ),
        ("Organization.bindings", "query($o: ID!) { organization(id: $o) { bindings { nodes { id scope } } } }"),
        ("Project.bindings", "query($p: ID!) { project(id: $p) { bindings { nodes { id scope } } } }"),
        (
            "Organization.policyTests",
            "query($o: ID!) { organization(id: $o) { policyTests { nodes { id scope name } } } }",
        ),
        ("Organization.eligibleRoles", "query($o: ID!) { organization(id: $o) { eligibleRoles { nodes { id } } } }"),
        ("User.projects", "{ viewer { organizations { nodes { id } } projects { nodes { id } } } }"),
        ("Query.bindingsExport", "query($o: String!) { bindingsExport(scope: $o) }"),
        ("Query.bindingsExport", "query($p: String!) { bindingsExport(scope: $p) }"),
        ("Query.accessReview", ACCESS_REVIEW_OF_ORGANIZATION),
        ("Query.accessReview", ACCESS_REVIEW_OF_PROJECT),
        (
            "Query.whoCan",
            "query($o: String!) { whoCan(resource: $o, capability: \"deployment.create\") {
            totalCount nodes { grants bindingIds user { id } } } }",
        ),
        (
            "Query.whoCan",
            "query($p: String!) { whoCan(resource: $p, capability: \"log.view\") {
            totalCount nodes { grants bindingIds user { id } } } }",
        ),
        (
            "Query.accessDecision",
            "query($p: String!) { accessDecision(resource: $p, capability: \"deployment.create\") {
            summary missingGrant { role scope givers { id } } } }",
        ),
        ("Query.auditLog", "query($o: String!) { auditLog(scope: $o) { nodes { id } } }"),
    ] {
        let mut variables = json!({});
        for (name, id) in [("o", organization), ("p", project)] {
            if document.contains(&format!("${name}:")) {
                variables[name] = json!(id);
            }
        }
        calls.push(Call { field, document, variables, onlooker: "" });
    }
    calls
}

const ACCESS_REVIEW_OF_ORGANIZATION: &str = "query($o: String!) { accessReview(scope: $o) { totalCount
    nodes { user { id } held { capability environments } bindings { id scope } } } }";
const ACCESS_REVIEW_OF_PROJECT: &str = "query($p: String!) { accessReview(scope: $p) { totalCount
    nodes { user { id } held { capability environments } bindings { id scope } } } }";

/// A webhook of the project, or of one environment.
async fn webhook(ada: &Client, project: &str, environment: Option<&str>) {
    let create = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { __typename } }";
    let url = "https://hooks.example.com/";
    let input = json!({ "projectId": project, "name": "CI", "url": url, "environmentId": environment });
    ada.ok(create, json!({ "input": input })).await;
}

/// A production environment with all that can be in one and on one.
async fn crown_jewels(ada: &Client, organization: &str, project: &str, [onlooker, guest]: [&Client; 2]) {
    let environment = ada.create_environment(project, "crown-jewels", true).await;
    let files: &[(&str, &[u8])] = &[("index.html", b"secret")];
    ada.deploy_static(&environment, files).await;
    webhook(ada, project, Some(&environment.id)).await;
    ada.set_variable(&environment.id, "TOKEN", "hidden", true).await;
    let set = "mutation($input: SetVariablesInput!) { setVariables(input: $input) { __typename } }";
    let variable = json!({ "name": "CROWN", "value": "jewels", "secret": false, "environments": "PRODUCTION" });
    ada.ok(set, json!({ "input": { "scope": project, "variables": [variable] } })).await;
    for somebody in [onlooker, guest] {
        ada.grant(somebody, "ownstak/viewer", &environment.id).await;
    }
    let eligible = "mutation($input: CreateEligibleRoleInput!) { createEligibleRole(input: $input) { __typename } }";
    let input = json!({ "scope": environment.id, "subject": guest.account.email, "role": "ownstak/viewer",
        "maxDurationSeconds": 60 });
    ada.ok(eligible, json!({ "input": input })).await;
    let test = "mutation($input: CreatePolicyTestInput!) { createPolicyTest(input: $input) { __typename } }";
    let input = json!({ "organizationId": organization, "name": "Never", "scope": environment.id,
        "subject": guest.account.email, "capability": "secret.view" });
    ada.ok(test, json!({ "input": input })).await;
}

#[tokio::test]
async fn lists_and_counts_are_as_if_what_is_hidden_were_not_there() {
    let World { server, root, ada, .. } = World::new().await;
    let (wide, narrow, manager) =
        (server.sign_up("wide").await, server.sign_up("narrow").await, server.sign_up("manager").await);
    let (onlooker, guest) = (server.sign_up("onlooker").await, server.sign_up("guest").await);
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    ada.create_environment(&project, "staging", false).await;
    ada.grant(&onlooker, "ownstak/viewer", &organization).await;
    root.grant(&wide, "devops-console/tenant-operations-noprod", &organization).await;
    root.grant(&narrow, "devops-console/project-operations-noprod", &project).await;
    blind_manager(&ada, &manager, &organization).await;
    webhook(&ada, &project, None).await;
    let callers = [("wide", &wide), ("narrow", &narrow), ("a manager", &manager)];
    let mut shaker = Shaker { elsewhere: ada.create_organization("elsewhere").await, binding: None };
    let calls = lists(&organization, &project);
    let mut before = Vec::new();
    for (_, who) in callers {
        for call in &calls {
            before.push(asked((&server, &ada), &mut shaker, who, call, [&call.variables]).await);
        }
    }
    crown_jewels(&ada, &organization, &project, [&onlooker, &guest]).await;
    let mut before = before.into_iter();
    let mut differing = Vec::new();
    for (name, who) in callers {
        for call in &calls {
            let (was, is) =
                (before.next().unwrap(), asked((&server, &ada), &mut shaker, who, call, [&call.variables]).await);
            if was != is {
                differing.push(format!("{} as {name}:\n  {was:?}\n  {is:?}", call.field));
            }
        }
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
