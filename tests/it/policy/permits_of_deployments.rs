//! The calls about deployments for the story of permits: what is done to one after it was deployed.

use serde_json::json;

use super::permits::{Call, Things};

impl Things {
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
        | "Mutation.cancelDeployment" => "FAILED_PRECONDITION",
        "Mutation.promoteDeployment" => "INVALID_INPUT",
        _ => "ok",
    }
}
