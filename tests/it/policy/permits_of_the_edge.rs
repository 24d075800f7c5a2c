//! As `permits`, of the fields about custom domains and what the edge does beside serving; they are called there.

use serde_json::{Value, json};

use super::permits::{Call, Things};

pub(super) fn reads(things: &Things) -> Vec<Call> {
    let environment = &things.environment.id;
    let call = |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
    vec![
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
    ]
}

/// In an order in which the owner can do them one after the other.
pub(super) fn makes(things: &Things) -> Vec<Call> {
    let call = |field, document, input: Value, onlooker| Call {
        field,
        document,
        variables: json!({ "input": input }),
        onlooker,
    };
    vec![
        call(
            "Mutation.addDomain",
            "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain { id } } }",
            json!({ "name": "new.customer.test", "environmentId": things.environment.id }),
            "FORBIDDEN",
        ),
        call(
            "Mutation.updateEdgeSettings",
            "mutation($input: UpdateEdgeSettingsInput!) { updateEdgeSettings(input: $input) { settings { version } } }",
            json!({ "environmentId": things.environment.id, "compression": false, "expectedVersion": 0 }),
            "FORBIDDEN",
        ),
        call(
            "Mutation.updateDomain",
            "mutation($input: UpdateDomainInput!) { updateDomain(input: $input) { domain { id } } }",
            json!({ "id": things.domain, "redirectToHttps": false }),
            "FORBIDDEN",
        ),
        call(
            "Mutation.verifyDomain",
            "mutation($input: VerifyDomainInput!) { verifyDomain(input: $input) { domain { id } } }",
            json!({ "id": things.domain }),
            "FORBIDDEN",
        ),
        call(
            "Mutation.removeDomain",
            "mutation($input: RemoveDomainInput!) { removeDomain(input: $input) { removedId } }",
            json!({ "id": things.domain }),
            "FORBIDDEN",
        ),
    ]
}
