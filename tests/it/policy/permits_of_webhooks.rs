//! As `permits`, of webhooks, of what they were told, and of notifications: called by nobody, by a stranger, by somebody who may
//! look but not touch, and, last, by whoever may.

use serde_json::{Value, json};

use super::permits::Call;
use super::permits_of_people::check;
use crate::harness::{Client, TestServer, eventually, text};

/// What is called here.
pub(super) const FIELDS: [&str; 10] = [
    "Mutation.createWebhook",
    "Mutation.deleteWebhook",
    "Mutation.resendDelivery",
    "Mutation.rotateWebhookSecret",
    "Mutation.setNotifications",
    "Mutation.testWebhook",
    "Mutation.updateWebhook",
    "Project.notifications",
    "Project.webhooks",
    "Webhook.deliveries",
];

struct Things {
    project: String,
    webhook: String,
    delivery: String,
}

/// Nobody listens there.
const URL: &str = "http://127.0.0.1:1/";
const CREATE: &str = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }";
const TEST: &str = "mutation($input: TestWebhookInput!) { testWebhook(input: $input) { delivery { id } } }";
const DELIVERIES: &str =
    "query($id: ID!) { project(id: $id) { webhooks { nodes { deliveries { nodes { state } } } } } }";

impl Things {
    async fn new(ada: &Client, onlooker: &Client) -> Self {
        let organization = ada.create_organization("acme").await;
        let project = ada.create_project(&organization, "site").await;
        ada.grant(onlooker, "ownstak/viewer", &organization).await;
        let input = json!({ "projectId": project, "name": "CI", "url": URL });
        let webhook = text(&ada.ok(CREATE, json!({ "input": input })).await["createWebhook"]["webhook"]["id"]);
        let test = ada.ok(TEST, json!({ "input": { "id": webhook } })).await;
        let delivery = text(&test["testWebhook"]["delivery"]["id"]);
        eventually("it is dead", async || {
            let data = ada.ok(DELIVERIES, json!({ "id": project })).await;
            let state = &data["project"]["webhooks"]["nodes"][0]["deliveries"]["nodes"][0]["state"];
            (state == "DEAD").then_some(())
        })
        .await;
        Self { project, webhook, delivery }
    }

    fn reads(&self) -> Vec<Call> {
        let call =
            |field, document, onlooker| Call { field, document, variables: json!({ "id": self.project }), onlooker };
        let webhooks = "query($id: ID!) { project(id: $id) { webhooks { nodes { id } } } }";
        let notifications = "query($id: ID!) { project(id: $id) { notifications { events } } }";
        vec![
            call("Project.webhooks", webhooks, "FORBIDDEN"),
            call("Webhook.deliveries", DELIVERIES, "FORBIDDEN"),
            call("Project.notifications", notifications, "ok"),
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
        let (project, webhook) = (&self.project, json!({ "id": self.webhook }));
        // Who may not manage webhooks is told that there is none.
        vec![
            call(
                "Mutation.createWebhook",
                CREATE,
                json!({ "projectId": project, "name": "CI", "url": URL }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.setNotifications",
                "mutation($input: SetNotificationsInput!) { setNotifications(input: $input) { __typename } }",
                json!({ "projectId": project, "events": ["deployment.failed"] }),
                "ok",
            ),
            call(
                "Mutation.updateWebhook",
                "mutation($input: UpdateWebhookInput!) { updateWebhook(input: $input) { __typename } }",
                webhook.clone(),
                "NOT_FOUND",
            ),
            call(
                "Mutation.rotateWebhookSecret",
                "mutation($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) { __typename } }",
                webhook.clone(),
                "NOT_FOUND",
            ),
            call("Mutation.testWebhook", TEST, webhook.clone(), "NOT_FOUND"),
            call(
                "Mutation.resendDelivery",
                "mutation($input: ResendDeliveryInput!) { resendDelivery(input: $input) { __typename } }",
                json!({ "id": self.delivery }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.deleteWebhook",
                "mutation($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { deletedId } }",
                webhook,
                "NOT_FOUND",
            ),
        ]
    }
}

#[tokio::test]
async fn no_field_about_webhooks_forgets_its_permit() {
    let server = TestServer::start_with(|config| config.outbox.private_addresses = true).await;
    let (ada, onlooker) = (server.sign_up("ada").await, server.sign_up("onlooker").await);
    let stranger = server.sign_up("stranger").await;
    let nobody = server.client();
    let others = [("nobody", &nobody), ("a stranger", &stranger), ("an onlooker", &onlooker)];
    let things = Things::new(&ada, &onlooker).await;
    let mut differing = Vec::new();
    check(&things.reads(), others, &ada, &mut differing).await;
    check(&things.changes(), others, &ada, &mut differing).await;
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
    let mut called: Vec<&str> = [things.reads(), things.changes()].iter().flatten().map(|it| it.field).collect();
    called.sort_unstable();
    assert_eq!(called, FIELDS);
}
