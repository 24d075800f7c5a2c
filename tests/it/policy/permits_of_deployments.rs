//! The calls about environments and deployments for the story of permits: their domains, edge and variables, and what is done
//! to a deployment after it was deployed.

use serde_json::{Value, json};

use super::permits::{Call, Things};

impl Things {
    /// What is read of the deployment beside the deployment itself.
    pub(super) fn reads_of_deployments(&self) -> Vec<Call> {
        let deployment = &self.deployment.id;
        let call =
            |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
        vec![
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
                "Deployment.metrics",
                "query($id: ID!) { deployment(id: $id) { metrics { requests } } }",
                deployment,
                "FORBIDDEN",
            ),
            call(
                "Deployment.instances",
                "query($id: ID!) { deployment(id: $id) { instances { number } } }",
                deployment,
                "FORBIDDEN",
            ),
            call("Deployment.log", "query($id: ID!) { deployment(id: $id) { log { text } } }", deployment, "FORBIDDEN"),
        ]
    }

    /// What is changed of things and of the environment beside its deployments.
    pub(super) fn changes_of_environments(&self) -> Vec<Call> {
        let call = |field, document, input: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker,
        };
        let named = |id: &str| json!({ "id": id, "name": "New name", "expectedVersion": 1 });
        vec![
            call(
                "Mutation.addDomain",
                "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain { id } } }",
                json!({ "name": "new.customer.test", "environmentId": self.environment.id }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateEdgeSettings",
                "mutation($input: UpdateEdgeSettingsInput!) { updateEdgeSettings(input: $input) { settings { version } } }",
                json!({ "environmentId": self.environment.id, "compression": false, "expectedVersion": 0 }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateDomain",
                "mutation($input: UpdateDomainInput!) { updateDomain(input: $input) { domain { id } } }",
                json!({ "id": self.domain, "redirectToHttps": false }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.verifyDomain",
                "mutation($input: VerifyDomainInput!) { verifyDomain(input: $input) { domain { id } } }",
                json!({ "id": self.domain }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.removeDomain",
                "mutation($input: RemoveDomainInput!) { removeDomain(input: $input) { removedId } }",
                json!({ "id": self.domain }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateOrganization",
                "mutation($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { organization { id } } }",
                named(&self.organization),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateProject",
                "mutation($input: UpdateProjectInput!) { updateProject(input: $input) { project { id } } }",
                named(&self.project),
                "FORBIDDEN",
            ),
            call(
                "Mutation.updateEnvironment",
                "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { environment { id } } }",
                named(&self.environment.id),
                "FORBIDDEN",
            ),
            call(
                "Mutation.setVariables",
                "mutation($input: SetVariablesInput!) { setVariables(input: $input) { variables { name } } }",
                json!({ "scope": self.environment.id,
                    "variables": [{ "name": "LEVEL", "value": "info", "secret": false }] }),
                "FORBIDDEN",
            ),
            // Who may not view variables is told that there is none.
            call(
                "Mutation.revealSecret",
                "mutation($input: RevealSecretInput!) { revealSecret(input: $input) { name } }",
                json!({ "id": self.secret }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.unsetVariables",
                "mutation($input: UnsetVariablesInput!) { unsetVariables(input: $input) { unsetIds } }",
                json!({ "scope": self.environment.id, "variables": [{ "name": "TOKEN" }] }),
                "FORBIDDEN",
            ),
        ]
    }

    /// What can be done to the deployment once it is the active one, and to where it is.
    pub(super) fn changes_of_deployments(&self) -> Vec<Call> {
        let mut all = vec![
            Call {
                field: "Mutation.rollbackDeployment",
                document: "mutation($input: RollbackDeploymentInput!) {
                    rollbackDeployment(input: $input) { deployment { id } } }",
                variables: json!({ "input": { "id": self.deployment.id, "reason": "to try" } }),
                onlooker: "FORBIDDEN",
            },
            Call {
                field: "Mutation.promoteDeployment",
                document: "mutation($input: PromoteDeploymentInput!) {
                    promoteDeployment(input: $input) { deployment { id } } }",
                variables: json!({ "input": { "id": self.deployment.id, "environmentId": self.environment.id } }),
                onlooker: "FORBIDDEN",
            },
            Call {
                field: "Mutation.unpinEnvironment",
                document: "mutation($input: UnpinEnvironmentInput!) { unpinEnvironment(input: $input) { environment { id } } }",
                variables: json!({ "input": { "id": self.environment.id } }),
                onlooker: "FORBIDDEN",
            },
            Call {
                field: "Mutation.setRetention",
                document: "mutation($input: SetRetentionInput!) { setRetention(input: $input) { project { id } } }",
                variables: json!({ "input": { "id": self.project, "keepRunning": 1, "retireAfterMinutes": 60,
                    "keepDeployments": 10, "reviveOnVisit": true, "expectedVersion": 2 } }),
                onlooker: "FORBIDDEN",
            },
        ];
        all.extend(self.changes_of_state());
        all
    }

    fn changes_of_state(&self) -> Vec<Call> {
        let verbs = [
            (
                "Mutation.redeploy",
                "mutation($input: DeploymentInput!) { redeploy(input: $input) { deployment { id } } }",
            ),
            (
                "Mutation.retireDeployment",
                "mutation($input: DeploymentInput!) { retireDeployment(input: $input) { deployment { id } } }",
            ),
            (
                "Mutation.reviveDeployment",
                "mutation($input: DeploymentInput!) { reviveDeployment(input: $input) { deployment { id } } }",
            ),
            (
                "Mutation.deleteDeployment",
                "mutation($input: DeploymentInput!) { deleteDeployment(input: $input) { deployment { id } } }",
            ),
            (
                "Mutation.restartInstances",
                "mutation($input: DeploymentInput!) { restartInstances(input: $input) { deployment { id } } }",
            ),
            (
                "Mutation.cancelDeployment",
                "mutation($input: DeploymentInput!) { cancelDeployment(input: $input) { deployment { id } } }",
            ),
        ];
        let variables = json!({ "input": { "id": self.deployment.id } });
        verbs
            .map(|(field, document)| Call { field, document, variables: variables.clone(), onlooker: "FORBIDDEN" })
            .into()
    }
}

/// What the owner is answered: what is the active deployment already can be gone back to or done away with by nobody.
pub(super) fn of_owner(field: &str) -> &'static str {
    match field {
        "Mutation.rollbackDeployment"
        | "Mutation.retireDeployment"
        | "Mutation.reviveDeployment"
        | "Mutation.deleteDeployment"
        | "Mutation.restartInstances"
        | "Mutation.cancelDeployment" => "FAILED_PRECONDITION",
        "Mutation.promoteDeployment" => "INVALID_INPUT",
        _ => "ok",
    }
}
