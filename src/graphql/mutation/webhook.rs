//! Making, changing, trying and removing webhooks, and choosing what one is told by mail.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use entities::ids::{DeliveryId, EnvironmentId, ProjectId, WebhookId};
use entities::values::EventKind;

use crate::domain::name::DisplayName;
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::webhook::{Notifications, Webhook, WebhookDelivery};
use crate::service::subscription;
use crate::service::webhook::{self, Change, Settings};

/// A new webhook.
#[derive(InputObject)]
struct CreateWebhookInput {
    /// Of which project it is told.
    project_id: ID,
    /// Display name.
    name: String,
    /// Where it is: `https://…`, or `http://…`.
    url: String,
    /// The one environment that it is told of; all of them if it is left out.
    environment_id: Option<ID>,
    /// The events that it is told of, such as `deployment.failed`; all of them if there are none.
    #[graphql(default)]
    events: Vec<String>,
}

/// The new webhook.
#[derive(SimpleObject)]
struct CreateWebhookPayload {
    /// It.
    webhook: Webhook,
    /// What deliveries are signed with. It is shown this once.
    secret: String,
}

/// Changes of a webhook; what is left out stays as it is.
#[derive(InputObject)]
struct UpdateWebhookInput {
    /// Which.
    id: ID,
    /// Display name.
    name: Option<String>,
    /// Where it is.
    url: Option<String>,
    /// The one environment that it is told of; null for all of them.
    environment_id: MaybeUndefined<ID>,
    /// The events that it is told of; an empty list for all of them.
    events: Option<Vec<String>>,
    /// Whether anything is sent.
    active: Option<bool>,
}

/// The changed webhook.
#[derive(SimpleObject)]
struct UpdateWebhookPayload {
    /// It.
    webhook: Webhook,
}

/// A webhook to give another secret.
#[derive(InputObject)]
struct RotateWebhookSecretInput {
    /// Which.
    id: ID,
}

/// The webhook.
#[derive(SimpleObject)]
struct RotateWebhookSecretPayload {
    /// It.
    webhook: Webhook,
    /// What deliveries are signed with from now on. It is shown this once.
    secret: String,
}

/// A webhook to remove.
#[derive(InputObject)]
struct DeleteWebhookInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteWebhookPayload {
    /// Its id.
    deleted_id: ID,
}

/// A webhook to try.
#[derive(InputObject)]
struct TestWebhookInput {
    /// Which.
    id: ID,
}

/// What it is sent.
#[derive(SimpleObject)]
struct TestWebhookPayload {
    /// The delivery, which is sent in the background.
    delivery: WebhookDelivery,
}

/// A delivery to send once more.
#[derive(InputObject)]
struct ResendDeliveryInput {
    /// Which.
    id: ID,
}

/// The delivery.
#[derive(SimpleObject)]
struct ResendDeliveryPayload {
    /// It, which is sent in the background.
    delivery: WebhookDelivery,
}

/// What one wants to be told by mail.
#[derive(InputObject)]
struct SetNotificationsInput {
    /// Of which project.
    project_id: ID,
    /// The events, such as `deployment.failed`.
    events: Vec<String>,
    /// Whether one is told when a deployment fails that one has started.
    #[graphql(default = true)]
    own_failures: bool,
}

/// What one is told by mail from now on.
#[derive(SimpleObject)]
struct SetNotificationsPayload {
    /// It.
    notifications: Notifications,
}

#[derive(Default)]
pub(super) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes a webhook, which is told of what whoever makes it may see. Requires `project.update`, and `deployment.view` on
    /// its environment if it is for one.
    #[graphql(directive = requires::apply("project.update".into(), "projectId".into()))]
    async fn create_webhook(&self, ctx: &Context<'_>, input: CreateWebhookInput) -> Result<CreateWebhookPayload> {
        let project_id = input::id::<ProjectId>("projectId", &input.project_id)?;
        let environment_id = optional_environment(input.environment_id.as_ref())?;
        let mut problems = Problems::default();
        let name = problems.take("name", DisplayName::parse(&input.name));
        let events = events(&mut problems, &input.events);
        let (name, events) = problems.or(name.zip(events))?;
        let settings = Settings { name, url: input.url, environment_id, events };
        let made = webhook::create(app(ctx), op(ctx), project_id, settings).await?;
        Ok(CreateWebhookPayload { webhook: Webhook(made.row), secret: made.secret })
    }

    /// Changes a webhook; whoever does it answers for it from now on. Requires `project.update`, and `deployment.view` on its
    /// environment if it is for one.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn update_webhook(&self, ctx: &Context<'_>, input: UpdateWebhookInput) -> Result<UpdateWebhookPayload> {
        let id = input::id::<WebhookId>("id", &input.id)?;
        let environment_id = match &input.environment_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(optional_environment(Some(id))?),
        };
        let mut problems = Problems::default();
        let name = input.name.map(|name| problems.take("name", DisplayName::parse(&name)));
        let events = input.events.map(|words| events(&mut problems, &words));
        problems.or(Some(()))?;
        let (name, events) = (name.flatten(), events.flatten());
        let change = Change { name, url: input.url, environment_id, events, active: input.active };
        Ok(UpdateWebhookPayload { webhook: Webhook(webhook::update(app(ctx), op(ctx), id, change).await?) })
    }

    /// Gives a webhook another secret; deliveries are signed with the one before as well for a day. Whoever does it answers
    /// for the webhook from now on. Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        input: RotateWebhookSecretInput,
    ) -> Result<RotateWebhookSecretPayload> {
        let made = webhook::rotate(app(ctx), op(ctx), input::id::<WebhookId>("id", &input.id)?).await?;
        Ok(RotateWebhookSecretPayload { webhook: Webhook(made.row), secret: made.secret })
    }

    /// Removes a webhook with its deliveries. Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn delete_webhook(&self, ctx: &Context<'_>, input: DeleteWebhookInput) -> Result<DeleteWebhookPayload> {
        webhook::delete(op(ctx), input::id::<WebhookId>("id", &input.id)?).await?;
        Ok(DeleteWebhookPayload { deleted_id: input.id })
    }

    /// Sends a webhook a `ping`, once. Requires `project.update`.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn test_webhook(&self, ctx: &Context<'_>, input: TestWebhookInput) -> Result<TestWebhookPayload> {
        let row = webhook::test(app(ctx), op(ctx), input::id::<WebhookId>("id", &input.id)?).await?;
        Ok(TestWebhookPayload { delivery: WebhookDelivery::of(ctx, row).await? })
    }

    /// Sends once more what a webhook was sent, delivered or dead, with as many attempts as the first time. Requires
    /// `project.update`, and to be allowed to view what it tells.
    #[graphql(directive = requires::apply("project.update".into(), "id".into()))]
    async fn resend_delivery(&self, ctx: &Context<'_>, input: ResendDeliveryInput) -> Result<ResendDeliveryPayload> {
        let row = webhook::resend(app(ctx), op(ctx), input::id::<DeliveryId>("id", &input.id)?).await?;
        Ok(ResendDeliveryPayload { delivery: WebhookDelivery::of(ctx, row).await? })
    }

    /// Chooses what the viewer is told of a project by mail. Requires `project.view`.
    #[graphql(directive = requires::apply("project.view".into(), "projectId".into()))]
    async fn set_notifications(
        &self,
        ctx: &Context<'_>,
        input: SetNotificationsInput,
    ) -> Result<SetNotificationsPayload> {
        let project = input::id::<ProjectId>("projectId", &input.project_id)?;
        let mut problems = Problems::default();
        let events = events(&mut problems, &input.events);
        let events = problems.or(events)?;
        let row = subscription::set(op(ctx), project, &events, input.own_failures).await?;
        Ok(SetNotificationsPayload { notifications: Notifications::of(Some(row)) })
    }
}

fn optional_environment(id: Option<&ID>) -> Result<Option<EnvironmentId>> {
    id.map(|id| input::id::<EnvironmentId>("environmentId", id)).transpose()
}

/// Each once, in any order.
fn events(problems: &mut Problems, words: &[String]) -> Option<Vec<EventKind>> {
    let mut events = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let event = problems.take(&format!("events[{position}]"), webhook::event(word))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Some(events)
}
