//! What somebody may not view is answered like what is not there: byte for byte, and for as many statements, whoever asks and in
//! whatever way. And where it would stand in a list, nothing stands.

use std::fmt::Write;

use serde_json::{Value, json};

use super::permits::{Call, Things};
use super::permits_of_access::Access;
use super::ways;
use super::world::World;
use crate::harness::{Client, GRANT};

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

/// Answers and statements, when nothing is remembered of what was asked about, and when it is.
async fn asked(world: &World, empty: &str, who: &Client, call: &Call, variables: &Value) -> [(String, u64); 2] {
    // A change of authority, wherever it is: what was remembered counts no more.
    let input = json!({ "scope": empty, "subject": world.ada.account.email, "role": "ownstak/viewer" });
    world.ada.ok(GRANT, json!({ "input": input })).await;
    let once = || world.server.statements_of(told(who, call.document, variables));
    [once().await, once().await]
}

async fn compare(world: &World, empty: &str, callers: &[(&str, &Client, Hidden)], calls: &[Call]) {
    let (mut differing, mut compared) = (Vec::new(), 0);
    for (who, client, hidden) in callers {
        for call in calls {
            let Some(absent) = hidden.absent(&call.variables) else { continue };
            let of_hidden = asked(world, empty, client, call, &call.variables).await;
            let of_absent = asked(world, empty, client, call, &absent).await;
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
    assert!(compared > 100, "hardly anything is hidden: {compared}");
    assert!(differing.is_empty(), "{} of {compared} differ:\n{}", differing.len(), differing.join("\n"));
}

/// Manages access, sees people, projects, and every environment but production ones.
async fn blind_manager(ada: &Client, name: &Client, organization: &str) {
    let row = |capability: &str, environments: &str| json!({ "boundAt": "ORGANIZATION", "capability": capability, "environments": environments });
    let any = ["organization.view", "project.view", "member.view", "access.manage", "member.invite"];
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
        [things.reads(), things.makes(), things.ends(), access.reads(), access.changes()].into_iter().flatten(),
    );
    let (environment, path) = (things.environment.id.as_str(), things.environment.path.as_str());
    let production = [environment, path, &things.deployment.id, &binding, &access.eligible];
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
    compare(&world, &things.empty, &callers, &calls).await;
}
