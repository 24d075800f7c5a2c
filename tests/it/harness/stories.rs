//! The words in which stories are told: making organizations, projects, environments, and giving roles.

use serde_json::{Value, json};

use super::client::{Client, text};

/// An environment as its maker got it.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) url: String,
}

impl Client {
    /// A new organization; its id.
    pub(crate) async fn create_organization(&self, slug: &str) -> String {
        let document = "mutation($input: CreateOrganizationInput!) {
            createOrganization(input: $input) { organization { id } } }";
        let data = self.ok(document, json!({ "input": { "name": slug, "slug": slug } })).await;
        text(&data["createOrganization"]["organization"]["id"])
    }

    /// A new project; its id.
    pub(crate) async fn create_project(&self, organization: &str, slug: &str) -> String {
        let document = "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }";
        let input = json!({ "organizationId": organization, "name": slug, "slug": slug });
        text(&self.ok(document, json!({ "input": input })).await["createProject"]["project"]["id"])
    }

    /// A new environment.
    pub(crate) async fn create_environment(&self, project: &str, slug: &str, production: bool) -> Environment {
        let document = "mutation($input: CreateEnvironmentInput!) {
            createEnvironment(input: $input) { environment { id path url } } }";
        let input = json!({ "projectId": project, "name": slug, "slug": slug, "production": production });
        let data = self.ok(document, json!({ "input": input })).await;
        let made = &data["createEnvironment"]["environment"];
        Environment { id: text(&made["id"]), path: text(&made["path"]), url: text(&made["url"]) }
    }

    /// An organization `acme` with a project `site` and its production environment.
    pub(crate) async fn create_site(&self) -> Environment {
        let organization = self.create_organization("acme").await;
        let project = self.create_project(&organization, "site").await;
        self.create_environment(&project, "production", true).await
    }

    /// A claim of a custom domain; its id.
    pub(crate) async fn add_domain(&self, environment: &Environment, name: &str) -> String {
        let document = "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain { id } } }";
        let input = json!({ "environmentId": environment.id, "name": name });
        text(&self.ok(document, json!({ "input": input })).await["addDomain"]["domain"]["id"])
    }

    /// A new team; its id.
    pub(crate) async fn create_team(&self, name: &str) -> String {
        let document = "mutation($input: CreateTeamInput!) { createTeam(input: $input) { team { id } } }";
        text(&self.ok(document, json!({ "input": { "name": name } })).await["createTeam"]["team"]["id"])
    }

    /// Lets somebody into a team.
    pub(crate) async fn add_to_team(&self, user: &Client, team: &str, role: &str) {
        let document = "mutation($input: TeamMemberInput!) { addTeamMember(input: $input) { member { role } } }";
        let input = json!({ "teamId": team, "user": user.account.email, "role": role });
        self.ok(document, json!({ "input": input })).await;
    }

    /// Gives a role to every member of a team; the id of the binding.
    pub(crate) async fn grant_team(&self, team: &str, role: &str, scope: &str) -> String {
        let data = self.ok(GRANT, json!({ "input": { "subject": team, "role": role, "scope": scope } })).await;
        text(&data["grantRole"]["binding"]["id"])
    }

    /// What the viewer was told, the newest first.
    pub(crate) async fn notices(&self) -> Vec<String> {
        let data = self.ok("{ viewer { notices { nodes { subject body } } } }", json!({})).await;
        let nodes = data["viewer"]["notices"]["nodes"].as_array().unwrap();
        nodes.iter().map(|notice| text(&notice["subject"])).collect()
    }

    /// Gives a role; the id of the binding.
    pub(crate) async fn grant(&self, subject: &Client, role: &str, scope: &str) -> String {
        let data = self.ok(GRANT, grant(subject, role, scope)).await;
        text(&data["grantRole"]["binding"]["id"])
    }

    /// Sets a variable of a project or environment; its id.
    pub(crate) async fn set_variable(&self, scope: &str, name: &str, value: &str, secret: bool) -> String {
        let document = "mutation($input: SetVariablesInput!) { setVariables(input: $input) { variables { id } } }";
        let variable = json!({ "name": name, "value": value, "secret": secret });
        let data = self.ok(document, json!({ "input": { "scope": scope, "variables": [variable] } })).await;
        text(&data["setVariables"]["variables"][0]["id"])
    }

    /// What `viewerCan` says about one capability on an object of any kind.
    pub(crate) async fn can(&self, capability: &str, id: &str) -> bool {
        let can = "viewerCan(capabilities: [$capability]) { capability allowed }";
        let document = format!(
            "query($id: ID!, $capability: String!) {{ node(id: $id) {{
                ... on Organization {{ {can} }} ... on Project {{ {can} }}
                ... on Environment {{ {can} }} ... on Deployment {{ {can} }} }} }}"
        );
        let data = self.ok(&document, json!({ "id": id, "capability": capability })).await;
        let answer = &data["node"]["viewerCan"][0];
        assert_eq!(answer["capability"], capability, "{data}");
        answer["allowed"].as_bool().unwrap()
    }
}

/// The variables of [`GRANT`].
pub(crate) fn grant(subject: &Client, role: &str, scope: &str) -> Value {
    json!({ "input": { "subject": subject.account.email, "role": role, "scope": scope } })
}

pub(crate) const GRANT: &str = "mutation($input: GrantRoleInput!) { grantRole(input: $input) { binding { id } } }";
