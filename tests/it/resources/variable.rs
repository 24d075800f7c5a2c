//! Variables of projects and environments: which counts, who sees and sets them, what is refused.

use serde_json::{Value, json};

use crate::harness::{Client, Environment, TestServer, text};

pub(super) const SET: &str = "mutation($input: SetVariablesInput!) {
    setVariables(input: $input) { variables { id name value version } } }";
pub(super) const UNSET: &str = "mutation($input: UnsetVariablesInput!) { unsetVariables(input: $input) { unsetIds } }";
pub(super) const REVEAL: &str = "mutation($input: RevealSecretInput!) { revealSecret(input: $input) { name value } }";
const ON_ENVIRONMENT: &str = "query($id: ID!) { environment(id: $id) {
    variables { id name value secret scope environments version updatedBy { id } } } }";
const OF_PROJECT: &str = "query($id: ID!) { project(id: $id) {
    variables { id name value secret scope environments version } } }";
pub(super) const PENDING: &str = "query($id: ID!) { environment(id: $id) { pendingChanges { name kind secret } } }";
const CREATE_ROLE: &str = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";

/// A site with a production and a staging environment.
struct Ground {
    project: String,
    production: Environment,
    staging: Environment,
}

async fn ground(ada: &Client) -> Ground {
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let production = ada.create_environment(&project, "production", true).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    Ground { project, production, staging }
}

/// A role out of these capabilities, each with its environments, for somebody on the organization; the binding.
async fn hold(ada: &Client, who: &Client, name: &str, held: &[(&str, &str)]) -> String {
    let row = |capability: &str, environments: &str| json!({ "boundAt": "ORGANIZATION", "capability": capability, "environments": environments });
    let seen = [("organization.view", "ANY"), ("project.view", "ANY")];
    let rows: Vec<Value> = seen.iter().chain(held).map(|(capability, on)| row(capability, on)).collect();
    ada.ok(CREATE_ROLE, json!({ "input": { "name": name, "scope": "acme", "rows": rows } })).await;
    ada.grant(who, &format!("custom/{name}"), "acme").await
}

fn public(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value, "secret": false })
}

fn secret(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value, "secret": true })
}

fn on(environments: &str, variable: Value) -> Value {
    let mut variable = variable;
    variable["environments"] = json!(environments);
    variable
}

pub(super) fn input(scope: &str, variables: &[Value]) -> Value {
    json!({ "input": { "scope": scope, "variables": variables } })
}

async fn seen(client: &Client, environment: &Environment) -> Vec<Value> {
    let data = client.ok(ON_ENVIRONMENT, json!({ "id": environment.id })).await;
    data["environment"]["variables"].as_array().unwrap().clone()
}

async fn of_project(client: &Client, project: &str) -> Vec<Value> {
    let data = client.ok(OF_PROJECT, json!({ "id": project })).await;
    data["project"]["variables"].as_array().unwrap().clone()
}

fn pairs(variables: &[Value]) -> Vec<(String, Value)> {
    variables.iter().map(|it| (text(&it["name"]), it["value"].clone())).collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

#[tokio::test]
async fn the_nearest_one_counts() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let Ground { project, production, staging } = ground(&ada).await;
    let on_project = [
        public("LEVEL", "info"),
        on("PRODUCTION", public("LEVEL", "warn")),
        on("NONPRODUCTION", public("DEBUG", "1")),
        public("NAME", "site"),
        secret("TOKEN", "t"),
    ];
    ada.ok(SET, input(&project, &on_project)).await;
    ada.ok(SET, input(&staging.path, &[public("NAME", "staging"), public("LEVEL", "trace")])).await;
    let shown = seen(&ada, &production).await;
    assert_eq!(pairs(&shown)[..2], named(&[("LEVEL", "warn"), ("NAME", "site")]));
    assert_eq!((shown.len(), &shown[2]["value"], &shown[2]["secret"]), (3, &Value::Null, &json!(true)));
    assert_eq!((&shown[0]["environments"], &shown[0]["scope"]), (&json!("PRODUCTION"), &json!(project)));
    assert_eq!(shown[0]["updatedBy"]["id"], ada.account.id);
    let shown = seen(&ada, &staging).await;
    assert_eq!(pairs(&shown)[..3], named(&[("DEBUG", "1"), ("LEVEL", "trace"), ("NAME", "staging")]));
    assert_eq!(shown[2]["scope"], staging.id);
    assert_eq!(of_project(&ada, &project).await.len(), 5);
    // What stood before it counts again.
    ada.ok(UNSET, input(&staging.id, &[json!({ "name": "NAME" })])).await;
    ada.ok(UNSET, input("acme/site", &[json!({ "name": "LEVEL", "environments": "PRODUCTION" })])).await;
    assert_eq!(pairs(&seen(&ada, &staging).await)[2].1, json!("site"));
    assert_eq!(pairs(&seen(&ada, &production).await)[0].1, json!("info"));
    // An environment that becomes a production one finds what counts there.
    let update = "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { __typename } }";
    ada.ok(update, json!({ "input": { "id": staging.id, "production": true, "expectedVersion": 1 } })).await;
    assert!(seen(&ada, &staging).await.iter().all(|it| it["name"] != "DEBUG"));
}

#[tokio::test]
async fn several_are_set_or_none_and_nothing_is_overwritten_unseen() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let id = ground(&ada).await.production.id;
    let expecting = |version: i32, variable: Value| {
        let mut variable = variable;
        variable["expectedVersion"] = json!(version);
        variable
    };
    let made = ada.ok(SET, input(&id, &[expecting(0, public("A", "1"))])).await;
    assert_eq!(made["setVariables"]["variables"][0]["version"], 1);
    for (document, variables) in [
        (SET, [public("B", "2"), expecting(0, public("A", "2"))]),
        (SET, [public("B", "2"), expecting(2, public("A", "2"))]),
        (SET, [public("B", "2"), expecting(1, public("C", "2"))]),
        (UNSET, [json!({ "name": "A" }), json!({ "name": "A", "environments": "ANY", "expectedVersion": 2 })]),
    ] {
        let code = ada.code(document, input(&id, &variables)).await;
        assert!(["CONFLICT", "INVALID_INPUT"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(ada.code(UNSET, input(&id, &[json!({ "name": "A" }), json!({ "name": "B" })])).await, "NOT_FOUND");
    let stale = [json!({ "name": "A", "expectedVersion": 7 })];
    assert_eq!(ada.code(UNSET, input(&id, &stale)).await, "CONFLICT");
    let shown = ada.ok(ON_ENVIRONMENT, json!({ "id": id })).await["environment"]["variables"].clone();
    assert_eq!(pairs(shown.as_array().unwrap()), named(&[("A", "1")]), "nothing of all that was done");
    let set = ada.ok(SET, input(&id, &[expecting(1, public("A", "2"))])).await;
    assert_eq!(set["setVariables"]["variables"][0]["version"], 2);
    assert_eq!(set["setVariables"]["variables"][0]["id"], made["setVariables"]["variables"][0]["id"], "the same one");
    let key = ada.with_header("idempotency-key", "once");
    for _ in 0..2 {
        key.ok(SET, input(&id, &[expecting(2, public("A", "3"))])).await;
    }
    let other = key.code(SET, input(&id, &[public("A", "4")])).await;
    assert_eq!(other, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn hostile_and_huge_ones_are_refused_without_repeating_values() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let Ground { project, production, .. } = ground(&ada).await;
    let id = &production.id;
    let too_long = "x".repeat(64 * 1024 + 1);
    let names = ["", "PORT", "REEVE_TOKEN", "1A", "A=B", "A B", "A\0", "Ä", "A\n", "LD-X", &"A".repeat(129)];
    let mut bad: Vec<Vec<Value>> = names.iter().map(|name| vec![public(name, "hunter2")]).collect();
    bad.push(vec![secret("A", "hunter2\0")]);
    bad.push(vec![secret("A", &too_long)]);
    bad.push(vec![secret("A", "hunter2"), public("A", "hunter2")]);
    bad.push(vec![]);
    bad.push(vec![on("PRODUCTION", secret("A", "hunter2"))]);
    bad.push(vec![public("A", &"x".repeat(40_000)), public("B", &"x".repeat(40_000))]);
    bad.push((0..257).map(|number| public(&format!("A{number}"), "hunter2")).collect());
    for variables in bad {
        let refusal = ada.refusal(SET, input(id, &variables)).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{refusal:?}");
        assert!(!format!("{refusal:?}").contains("hunter2") && !format!("{refusal:?}").contains("xxxx"), "{refusal:?}");
    }
    let refusal = ada.refusal(SET, input(id, &[public("A B", "1"), public("C", "\0")])).await;
    let problems: Vec<String> =
        refusal.extensions["problems"].as_array().unwrap().iter().map(|it| text(&it["field"])).collect();
    assert_eq!(problems, ["variables.0.name", "variables.1.value"], "all at once");
    for nowhere in ["acme", "console", "acme/site/production/1", "var_00000000000000000000000000"] {
        let code = ada.code(SET, input(nowhere, &[public("A", "1")])).await;
        assert!(["INVALID_INPUT", "NOT_FOUND"].contains(&code.as_str()), "{nowhere}: {code}");
    }
    assert_eq!(seen(&ada, &production).await, Vec::<Value>::new());
    // What is there counts with what comes.
    ada.ok(SET, input(&project, &[public("A", &"x".repeat(60_000))])).await;
    assert_eq!(ada.code(SET, input(&project, &[public("B", &"x".repeat(10_000))])).await, "INVALID_INPUT");
    ada.ok(SET, input(&project, &[public("A", "=\n\"'$(reboot) é"), public("B", &"x".repeat(10_000))])).await;
    assert_eq!(pairs(&seen(&ada, &production).await)[0].1, json!("=\n\"'$(reboot) é"));
}

#[tokio::test]
async fn who_may_not_view_production_learns_nothing_of_what_counts_there() {
    let server = TestServer::start().await;
    let (ada, ops) = (server.sign_up("ada").await, server.sign_up("ops").await);
    let Ground { project, production, staging } = ground(&ada).await;
    let everything = ["environment.view", "variable.view", "variable.manage", "secret.view", "secret.manage"];
    let binding = hold(&ada, &ops, "ops", &everything.map(|it| (it, "NONPRODUCTION"))).await;
    let everywhere = secret("SHARED", "s");
    let variables = [on("PRODUCTION", secret("CROWN", "j")), on("NONPRODUCTION", secret("TOY", "t")), everywhere];
    let made = ada.ok(SET, input(&project, &variables)).await["setVariables"]["variables"].clone();
    let id = |position: usize| json!({ "input": { "id": made[position]["id"] } });
    ada.ok(SET, input(&production.id, &[secret("OWN", "o")])).await;

    assert_eq!(pairs(&of_project(&ops, &project).await), [("TOY".to_owned(), Value::Null)]);
    let names: Vec<String> = pairs(&seen(&ops, &staging).await).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["SHARED", "TOY"], "what counts where they look");
    assert_eq!(ops.ok(REVEAL, id(1)).await["revealSecret"]["value"], "t");
    let hidden = ops.refusal(REVEAL, id(0)).await;
    let absent = ops.refusal(REVEAL, json!({ "input": { "id": "var_00000000000000000000000000" } })).await;
    assert_eq!(hidden, absent);
    assert_eq!(ops.code(REVEAL, id(2)).await, "NOT_FOUND", "it counts in production too");
    // To change what counts in production is refused alike, whether or not it is there.
    for (name, environments) in [("CROWN", "PRODUCTION"), ("NONE", "PRODUCTION"), ("SHARED", "ANY"), ("NONE", "ANY")] {
        for variable in [secret(name, "x"), public(name, "x")] {
            let refusal = ops.refusal(SET, input(&project, &[on(environments, variable)])).await;
            assert_eq!(refusal.code, "FORBIDDEN", "{name}");
        }
        let refusal = ops.refusal(UNSET, input(&project, &[json!({ "name": name, "environments": environments })]));
        let refusal = refusal.await;
        assert_eq!(
            (refusal.code.as_str(), &refusal.extensions["capability"]),
            ("FORBIDDEN", &json!("variable.manage"))
        );
    }
    let mixed = [on("NONPRODUCTION", public("NEW", "1")), on("PRODUCTION", public("NEW", "2"))];
    assert_eq!(ops.code(SET, input(&project, &mixed)).await, "FORBIDDEN", "all or none");
    // Outside production it is theirs, and what they cannot see takes no room.
    ops.ok(SET, input(&project, &[on("NONPRODUCTION", public("NEW", "1"))])).await;
    ops.ok(UNSET, input(&project, &[json!({ "name": "NEW", "environments": "NONPRODUCTION" })])).await;
    let log = "query($filter: AuditFilter) { auditLog(scope: \"acme\", filter: $filter) { nodes {
        outcome bindings details } } }";
    let kept = ada.ok(log, json!({ "filter": { "actor": ops.account.id, "operation": "variable." } })).await;
    let kept = kept["auditLog"]["nodes"].as_array().unwrap().clone();
    let allowed = kept.iter().filter(|entry| entry["outcome"] == "ALLOWED");
    assert!(
        allowed.clone().count() == 2 && allowed.into_iter().all(|entry| entry["bindings"] == json!([binding])),
        "{kept:?}"
    );
    let refused = kept.iter().find(|entry| entry["details"]["capability"] == "variable.manage").unwrap();
    assert_eq!(
        (&refused["details"]["reason"], &refused["details"]["binding"]),
        (&json!("OTHER_ENVIRONMENT_KIND"), &json!(binding))
    );
    ops.ok(SET, input(&staging.id, &[secret("CROWN", "mine")])).await;
    for (document, variables) in [
        (ON_ENVIRONMENT, json!({ "id": production.id })),
        (PENDING, json!({ "id": production.id })),
        (SET, input(&production.id, &[public("A", "1")])),
        (UNSET, input(&production.path, &[json!({ "name": "OWN" })])),
    ] {
        assert_eq!(ops.code(document, variables).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn public_and_secret_ones_are_managed_apart() {
    let server = TestServer::start().await;
    let (ada, open, keeper) =
        (server.sign_up("ada").await, server.sign_up("open").await, server.sign_up("keeper").await);
    let Ground { production, .. } = ground(&ada).await;
    hold(&ada, &open, "open", &[("environment.view", "ANY"), ("variable.view", "ANY"), ("variable.manage", "ANY")])
        .await;
    hold(&ada, &keeper, "keeper", &[("environment.view", "ANY"), ("secret.manage", "ANY")]).await;
    let id = &production.id;
    let missing = async |client: &Client, document: &str, variables: &[Value]| {
        let refusal = client.refusal(document, input(id, variables)).await;
        assert_eq!(refusal.code, "FORBIDDEN");
        text(&refusal.extensions["capability"])
    };
    open.ok(SET, input(id, &[public("LEVEL", "info")])).await;
    keeper.ok(SET, input(id, &[secret("TOKEN", "t")])).await;
    assert_eq!(missing(&open, SET, &[secret("X", "x")]).await, "secret.manage");
    assert_eq!(missing(&open, SET, &[public("Y", "y"), secret("X", "x")]).await, "secret.manage");
    assert_eq!(missing(&keeper, SET, &[public("Y", "y")]).await, "variable.manage");
    // Whoever makes one the other removes what was there.
    assert_eq!(missing(&open, SET, &[public("TOKEN", "mine")]).await, "secret.manage");
    assert_eq!(missing(&keeper, SET, &[secret("LEVEL", "mine")]).await, "variable.manage");
    assert_eq!(missing(&open, UNSET, &[json!({ "name": "TOKEN" })]).await, "secret.manage");
    assert_eq!(missing(&keeper, UNSET, &[json!({ "name": "LEVEL" })]).await, "variable.manage");
    let reveal = json!({ "input": { "id": seen(&open, &production).await[1]["id"] } });
    assert_eq!(open.code(REVEAL, reveal.clone()).await, "FORBIDDEN");
    assert_eq!(keeper.code(REVEAL, reveal).await, "NOT_FOUND", "who may not view variables is told of none");
    assert_eq!(keeper.code(ON_ENVIRONMENT, json!({ "id": id })).await, "FORBIDDEN");
    keeper.ok(UNSET, input(id, &[json!({ "name": "TOKEN" })])).await;
    open.ok(UNSET, input(id, &[json!({ "name": "LEVEL" })])).await;
    ada.ok(SET, input(id, &[public("BOTH", "p")])).await;
    ada.ok(SET, input(id, &[secret("BOTH", "s")])).await;
    assert_eq!(pairs(&seen(&open, &production).await), [("BOTH".to_owned(), Value::Null)]);
}
