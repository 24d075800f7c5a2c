//! As `permits`, of repositories, of what follows them, and of deploy hooks: called by nobody, by a stranger, by somebody who may
//! look but not touch, and, last, by whoever may.

use serde_json::{Value, json};

use super::permits::Call;
use super::permits_of_people::check;
use crate::harness::{Client, Repository, TestServer, text};

/// What is called here.
pub(super) const FIELDS: [&str; 12] = [
    "Environment.autoDeployBranch",
    "Environment.deployHooks",
    "Environment.gitDeploys",
    "Mutation.connectRepository",
    "Mutation.createDeployHook",
    "Mutation.deleteDeployHook",
    "Mutation.deployFromGit",
    "Mutation.disconnectRepository",
    "Mutation.repairGitConnection",
    "Mutation.rotateDeployHook",
    "Mutation.setAutoDeploy",
    "Project.gitConnection",
];

struct Things {
    project: String,
    environment: String,
    url: String,
    hook: String,
}

const CONNECT: &str = "mutation($input: ConnectRepositoryInput!) { connectRepository(input: $input) { __typename } }";
const HOOK: &str = "mutation($input: CreateDeployHookInput!) { createDeployHook(input: $input) { deployHook { id } } }";

impl Things {
    async fn new(ada: &Client, onlooker: &Client, repository: &Repository) -> Self {
        let organization = ada.create_organization("acme").await;
        let project = ada.create_project(&organization, "site").await;
        let environment = ada.create_environment(&project, "production", true).await.id;
        ada.grant(onlooker, "ownstak/viewer", &organization).await;
        let url = repository.url();
        ada.ok(CONNECT, json!({ "input": { "projectId": project, "url": url } })).await;
        let input = json!({ "environmentId": environment, "name": "CI", "branch": "main" });
        let hook = text(&ada.ok(HOOK, json!({ "input": input })).await["createDeployHook"]["deployHook"]["id"]);
        Self { project, environment, url, hook }
    }

    fn reads(&self) -> Vec<Call> {
        let call =
            |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
        vec![
            call(
                "Project.gitConnection",
                "query($id: ID!) { project(id: $id) { gitConnection { id } } }",
                &self.project,
                "ok",
            ),
            call(
                "Environment.autoDeployBranch",
                "query($id: ID!) { environment(id: $id) { autoDeployBranch } }",
                &self.environment,
                "ok",
            ),
            call(
                "Environment.gitDeploys",
                "query($id: ID!) { environment(id: $id) { gitDeploys { nodes { id } } } }",
                &self.environment,
                "ok",
            ),
            call(
                "Environment.deployHooks",
                "query($id: ID!) { environment(id: $id) { deployHooks { nodes { id } } } }",
                &self.environment,
                "FORBIDDEN",
            ),
        ]
    }

    /// In an order in which the owner can do them one after the other.
    fn changes(&self) -> Vec<Call> {
        let call = |field, document, input: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker,
        };
        let (project, environment) = (json!({ "projectId": self.project }), &self.environment);
        vec![
            call(
                "Mutation.repairGitConnection",
                "mutation($input: RepairGitConnectionInput!) { repairGitConnection(input: $input) { __typename } }",
                project.clone(),
                "FORBIDDEN",
            ),
            call(
                "Mutation.setAutoDeploy",
                "mutation($input: SetAutoDeployInput!) { setAutoDeploy(input: $input) { __typename } }",
                json!({ "environmentId": environment, "branch": "main" }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.deployFromGit",
                "mutation($input: DeployFromGitInput!) { deployFromGit(input: $input) { gitDeploy { id } } }",
                json!({ "environmentId": environment, "from": { "branch": "main" } }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createDeployHook",
                HOOK,
                json!({ "environmentId": environment, "name": "CI", "branch": "main" }),
                "FORBIDDEN",
            ),
            // Who may not see hooks is told that there is none.
            call(
                "Mutation.rotateDeployHook",
                "mutation($input: RotateDeployHookInput!) { rotateDeployHook(input: $input) { __typename } }",
                json!({ "id": self.hook }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.deleteDeployHook",
                "mutation($input: DeleteDeployHookInput!) { deleteDeployHook(input: $input) { deletedId } }",
                json!({ "id": self.hook }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.connectRepository",
                CONNECT,
                json!({ "projectId": self.project, "url": self.url }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.disconnectRepository",
                "mutation($input: DisconnectRepositoryInput!) { disconnectRepository(input: $input) { projectId } }",
                project,
                "FORBIDDEN",
            ),
        ]
    }
}

#[tokio::test]
async fn no_field_about_repositories_forgets_its_permit() {
    let server = TestServer::start_with(|config| config.git.protocols = vec!["file".to_owned()]).await;
    let (ada, onlooker) = (server.sign_up("ada").await, server.sign_up("onlooker").await);
    let stranger = server.sign_up("stranger").await;
    let nobody = server.client();
    let others = [("nobody", &nobody), ("a stranger", &stranger), ("an onlooker", &onlooker)];
    let repository = Repository::with(&[("index.html", b"one")]);
    let things = Things::new(&ada, &onlooker, &repository).await;
    let mut differing = Vec::new();
    check(&things.reads(), others, &ada, &mut differing).await;
    check(&things.changes(), others, &ada, &mut differing).await;
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
    let mut called: Vec<&str> = [things.reads(), things.changes()].iter().flatten().map(|it| it.field).collect();
    called.sort_unstable();
    assert_eq!(called, FIELDS);
}
