//! The team of `mia_team` at work: every operation by every person on each environment, against the table; and no button is
//! shown that the API then refuses, nor hidden although it would be accepted.

use serde_json::{Value, json};

use super::mia_team::{Findings, Kind, Person, Team};
use crate::harness::{
    CREATE_DEPLOYMENT, Client, DEPLOY, DEPLOYMENT, Deployment, GRANT, ROLLBACK, draft_input, entry, grant, unique,
};

const REVOKE: &str = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
const CREATE_PROJECT: &str =
    "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }";
const UPDATE_PROJECT: &str =
    "mutation($input: UpdateProjectInput!) { updateProject(input: $input) { project { id } } }";
const DELETE_PROJECT: &str = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
const CREATE_ENVIRONMENT: &str =
    "mutation($input: CreateEnvironmentInput!) { createEnvironment(input: $input) { environment { id } } }";
const UPDATE_ENVIRONMENT: &str =
    "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }";
const DELETE_ENVIRONMENT: &str =
    "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }";
const VERSION: &str = "query($id: ID!) { node(id: $id) { ... on Project { version } ... on Environment { version } } }";

/// `+`, `F` or `N`, as the table has it; anything else by its code.
async fn answer(client: &Client, document: &str, variables: Value) -> Result<char, String> {
    let response = client.query(document, variables).await;
    if response.errors.is_empty() {
        return Ok('+');
    }
    match response.refusal().code.as_str() {
        "FORBIDDEN" => Ok('F'),
        "NOT_FOUND" => Ok('N'),
        other => Err(other.to_owned()),
    }
}

fn by_id(id: &str) -> Value {
    json!({ "id": id })
}

fn input(value: Value) -> Value {
    json!({ "input": value })
}

impl Team {
    /// A new name for something at the version that it has.
    async fn rename(&self, id: &str) -> Value {
        let version = self.owner.ok(VERSION, by_id(id)).await["node"]["version"].clone();
        input(json!({ "id": id, "name": format!("Name {}", unique()), "expectedVersion": version }))
    }

    async fn on_the_project(&self, person: &Person, findings: &mut Findings) {
        let project = &self.project;
        let throw_away = self.owner.grant(&self.owner, "mia-console/reporter", project).await;
        let new = json!({ "name": format!("n{}", unique()), "organizationId": self.organization });
        let environment = json!({ "name": format!("n{}", unique()), "projectId": project, "production": false });
        let organization = "query($id: ID!) { organization(id: $id) { id } }";
        let bindings = "query($id: ID!) { project(id: $id) { bindings { nodes { id } } } }";
        for (name, document, variables) in [
            ("organization", organization, by_id(&self.organization)),
            ("createProject", CREATE_PROJECT, input(new)),
            ("project", "query($id: ID!) { project(id: $id) { id } }", by_id(project)),
            ("project.bindings", bindings, by_id(project)),
            ("updateProject", UPDATE_PROJECT, self.rename(project).await),
            ("createEnvironment", CREATE_ENVIRONMENT, input(environment)),
            ("grantRole", GRANT, grant(&self.owner, "mia-console/reporter", project)),
            ("revokeBinding", REVOKE, input(by_id(&throw_away))),
            ("deleteProject", DELETE_PROJECT, input(by_id(project))),
        ] {
            findings.take(person, name, None, answer(&person.client, document, variables).await.unwrap());
        }
    }

    async fn on_an_environment(&self, person: &Person, at: usize, active: &Deployment, findings: &mut Findings) {
        let environment = &self.environments[at];
        let client = &person.client;
        let list = "query($id: ID!) { project(id: $id) { environments(first: 100) { nodes { id } } } }";
        let listed = client.ok(list, by_id(&self.project)).await;
        let listed = listed["project"]["environments"]["nodes"].as_array().unwrap().contains(&by_id(&environment.id));
        findings.take(person, "environments", Some(at), if listed { '+' } else { 'N' });
        // The only one who may remove an environment gets one to throw away.
        let gone = match person.kind {
            Kind::Administrator => {
                self.owner.create_environment(&self.project, &format!("t{}", unique()), at == 0).await
            }
            Kind::Senior | Kind::Junior | Kind::Designer => environment.clone(),
        };
        let files = [entry("index.html", b"never sent")];
        let bindings = "query($id: ID!) { environment(id: $id) { bindings { nodes { id } } } }";
        let deployments = "query($id: ID!) { environment(id: $id) { deployments { nodes { id } } } }";
        for (name, document, variables) in [
            ("environment.bindings", bindings, by_id(&environment.id)),
            ("deployments", deployments, by_id(&environment.id)),
            ("deployment", DEPLOYMENT, by_id(&active.id)),
            ("log", "query($id: ID!) { deployment(id: $id) { log { text } } }", by_id(&active.id)),
            ("createDeployment", CREATE_DEPLOYMENT, draft_input(environment, &files, None)),
            ("updateEnvironment", UPDATE_ENVIRONMENT, self.rename(&environment.id).await),
            ("deleteEnvironment", DELETE_ENVIRONMENT, input(by_id(&gone.id))),
        ] {
            findings.take(person, name, Some(at), answer(client, document, variables).await.unwrap());
        }
    }

    /// Deploys a draft and goes back again, and presses the buttons that have to stay grey on the way.
    async fn back_and_forth(&self, person: &Person, at: usize, active: &Deployment, findings: &mut Findings) {
        let draft = self.draft(&self.environments[at]).await;
        press(person, &draft, "ROLLBACK").await.unwrap_err();
        let deployed = press(person, &draft, "DEPLOY").await.unwrap();
        findings.take(person, "deploy", Some(at), deployed);
        if deployed != '+' {
            self.owner.ok(DEPLOY, input(by_id(&draft.id))).await;
        }
        self.owner.wait_for(&draft, "ACTIVE").await;
        press(person, &draft, "DEPLOY").await.unwrap_err();
        press(person, &draft, "ROLLBACK").await.unwrap_err();
        press(person, active, "DEPLOY").await.unwrap_err();
        let back = press(person, active, "ROLLBACK").await.unwrap();
        findings.take(person, "rollbackDeployment", Some(at), back);
        if back != '+' {
            self.owner.ok(ROLLBACK, input(json!({ "id": active.id, "reason": "for the next one" }))).await;
        }
        self.owner.wait_for(active, "ACTIVE").await;
    }
}

/// What the operation behind a button answers. The button has to have said so; `Err` is a refusal for the deployment's state,
/// which nobody's authority gets around, told to those who have none as a lack of it.
async fn press(person: &Person, deployment: &Deployment, action: &str) -> Result<char, String> {
    let read = person.client.ok(DEPLOYMENT, by_id(&deployment.id)).await["deployment"].clone();
    let buttons = read["availableActions"].as_array().unwrap();
    let button = buttons.iter().find(|button| button["action"] == action).unwrap();
    let stateful = |state: &Value| match action {
        "DEPLOY" => state == "DRAFT",
        _ => state == "READY",
    };
    let variables = input(match action {
        "DEPLOY" => by_id(&deployment.id),
        _ => json!({ "id": deployment.id, "reason": "to try" }),
    });
    let answered = answer(&person.client, if action == "DEPLOY" { DEPLOY } else { ROLLBACK }, variables).await;
    let what = format!("{} ({:?}): {action} in state {}", person.name, person.kind, read["state"]);
    assert_eq!(button["allowed"], answered == Ok('+'), "{what}: the button says {button}, the API {answered:?}");
    assert_eq!(button["reason"].is_null(), answered == Ok('+'), "{what}: {button}");
    if stateful(&read["state"]) { answered } else { Err(answered.map_or_else(|code| code, |mark| mark.to_string())) }
}

#[tokio::test]
async fn everybody_does_what_they_may_and_is_told_what_they_may_not() {
    let team = Team::new().await;
    let mut findings = Findings::default();
    for person in &team.people {
        team.on_the_project(person, &mut findings).await;
    }
    for at in [0, 1] {
        let active = team.draft(&team.environments[at]).await;
        team.owner.ok(DEPLOY, input(by_id(&active.id))).await;
        team.owner.wait_for(&active, "ACTIVE").await;
        for person in &team.people {
            team.on_an_environment(person, at, &active, &mut findings).await;
            team.back_and_forth(person, at, &active, &mut findings).await;
        }
    }
    findings.finish(7 * (9 + 2 * 10));
}

#[tokio::test]
async fn who_loses_the_binding_on_staging_deploys_there_no_more() {
    let team = Team::new().await;
    let [production, staging] = &team.environments;
    let (junior, trainee) = (team.person("junior"), team.person("trainee"));
    let page: &[(&str, &[u8])] = &[("index.html", b"<h1>mine</h1>")];
    junior.deploy_static(staging, page).await;
    let mine = junior.draft(staging, page, None).await;
    junior.upload(&mine, page).await;
    let to_deploy = input(by_id(&mine.deployment.id));
    let entries = [entry("index.html", b"<h1>mine</h1>")];
    let refused = junior.refusal(CREATE_DEPLOYMENT, draft_input(production, &entries, None)).await;
    assert_eq!((refused.code.as_str(), &refused.extensions["capability"]), ("FORBIDDEN", &json!("deployment.create")));

    let managed = team.person("manager").ok(REVOKE, input(by_id(&team.on_staging["junior"]))).await;
    assert_eq!(managed["revokeBinding"]["revokedId"], team.on_staging["junior"]);
    for (document, variables) in
        [(CREATE_DEPLOYMENT, draft_input(staging, &entries, None)), (DEPLOY, to_deploy.clone())]
    {
        let refused = junior.refusal(document, variables).await;
        assert_eq!(refused.code, "FORBIDDEN");
        assert_eq!(refused.extensions["capability"], "deployment.create");
    }
    assert!(!junior.can("deployment.create", &staging.id).await);
    assert!(junior.can("deployment.view", &staging.id).await, "a developer of the project still looks");
    // Only theirs was taken away.
    trainee.ok(DEPLOY, to_deploy).await;
    trainee.wait_for(&mine.deployment, "ACTIVE").await;
}
