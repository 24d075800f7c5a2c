//! `reeve webhooks`: addresses that are told of what happens in a project. It must not know which events there are, nor who may
//! do what.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    arguments::{self, Scope},
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Output, Words, one_line, table},
};

const FIELDS: &str = " fragment webhookFields on Webhook { id name url events active problem environment { path } }";

const CREATE: &str = "mutation CreateWebhook($input: CreateWebhookInput!) {
  createWebhook(input: $input) { secret webhook { ...webhookFields } }
}";

const UPDATE: &str = "mutation UpdateWebhook($input: UpdateWebhookInput!) {
  updateWebhook(input: $input) { webhook { ...webhookFields } }
}";

const ROTATE: &str = "mutation RotateWebhookSecret($input: RotateWebhookSecretInput!) {
  rotateWebhookSecret(input: $input) { secret webhook { id previousSecretUntil } }
}";

const DELETE: &str =
    "mutation DeleteWebhook($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { deletedId } }";

const TEST: &str =
    "mutation TestWebhook($input: TestWebhookInput!) { testWebhook(input: $input) { delivery { id event state } } }";

const RESEND: &str = "mutation ResendDelivery($input: ResendDeliveryInput!) {
  resendDelivery(input: $input) { delivery { id event state } }
}";

/// What to do with webhooks.
#[derive(Subcommand, Debug)]
pub enum WebhooksCommand {
    /// List the webhooks of a project
    List(ProjectArgs),
    /// Make a webhook; the secret that it is signed with is shown once
    Create(CreateArgs),
    /// Change a webhook, or switch it on or off; you answer for it from then on
    Update(UpdateArgs),
    /// Give a webhook another secret; the one before is good for a day
    Rotate(IdArgs),
    /// Remove a webhook with its deliveries
    Delete(IdArgs),
    /// Send a webhook a `ping`, once
    Test(IdArgs),
    /// List what the webhooks of a project were told, the newest first
    Deliveries(DeliveriesArgs),
    /// Send a delivery once more
    Resend(IdArgs),
}

/// Arguments of `reeve webhooks list`.
#[derive(Args, Debug)]
pub struct ProjectArgs {
    /// Project, by path or id
    #[arg(value_name = "PROJECT", value_parser = arguments::scope)]
    project: Scope,
}

/// Arguments of `reeve webhooks create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Project, by path or id
    #[arg(value_name = "PROJECT", value_parser = arguments::scope)]
    project: Scope,
    /// What you call it
    name: String,
    /// Where it is, such as https://example.com/hook
    url: String,
    /// Be told of this environment alone, by path or id
    #[arg(long, value_name = "ENVIRONMENT", value_parser = arguments::scope)]
    environment: Option<Scope>,
    /// Be told of this event, such as `deployment.failed`, and of those named besides [default: all]
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
}

/// Arguments of `reeve webhooks update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The webhook's id
    id: String,
    /// What you call it
    #[arg(long)]
    name: Option<String>,
    /// Where it is
    #[arg(long)]
    url: Option<String>,
    /// Be told of this environment alone, by path or id
    #[arg(long, value_name = "ENVIRONMENT", value_parser = arguments::scope)]
    environment: Option<Scope>,
    /// Be told of all environments
    #[arg(long, conflicts_with = "environment")]
    all_environments: bool,
    /// Be told of this event, and of those named besides
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Be told of all events
    #[arg(long, conflicts_with = "events")]
    all_events: bool,
    /// Switch it on
    #[arg(long)]
    on: bool,
    /// Switch it off
    #[arg(long, conflicts_with = "on")]
    off: bool,
}

/// Arguments of commands about one thing.
#[derive(Args, Debug)]
pub struct IdArgs {
    /// Its id
    id: String,
}

/// Arguments of `reeve webhooks deliveries`.
#[derive(Args, Debug)]
pub struct DeliveriesArgs {
    /// Project, by path or id
    #[arg(value_name = "PROJECT", value_parser = arguments::scope)]
    project: Scope,
    /// Of this webhook alone, by its id
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,
    /// So many of each webhook
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=50))]
    last: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    id: String,
    name: String,
    url: String,
    events: Vec<String>,
    active: bool,
    problem: Option<String>,
    environment: Option<Environment>,
}

#[derive(Serialize, Deserialize)]
struct Environment {
    path: String,
}

#[derive(Deserialize)]
struct Told {
    id: String,
    name: String,
    deliveries: Nodes,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Delivery>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: String,
    event_id: String,
    event: String,
    state: String,
    problem: Option<String>,
    created_at: DateTime<Utc>,
    attempts: Vec<Attempt>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    at: DateTime<Utc>,
    duration_ms: i64,
    status_code: Option<i64>,
    answer: String,
}

/// `reeve webhooks`
pub(super) async fn run(client: &Client, output: Output, command: WebhooksCommand) -> Result<Exit, Failure> {
    match command {
        WebhooksCommand::List(args) => list(client, output, &args.project).await,
        WebhooksCommand::Create(args) => create(client, output, args).await,
        WebhooksCommand::Update(args) => update(client, output, args).await,
        WebhooksCommand::Rotate(args) => {
            let answer: Value = client.mutate(ROTATE, json!({ "id": args.id })).await?;
            shown_once(output, &answer["rotateWebhookSecret"])
        }
        WebhooksCommand::Delete(args) => {
            let answer: Value = client.mutate(DELETE, json!({ "id": args.id })).await?;
            output.result(&answer["deleteWebhook"], &format!("deleted {}", one_line(&args.id)))?;
            Ok(Exit::Ok)
        }
        WebhooksCommand::Test(args) => {
            sent(output, &client.mutate(TEST, json!({ "id": args.id })).await?, "testWebhook")
        }
        WebhooksCommand::Resend(args) => {
            sent(output, &client.mutate(RESEND, json!({ "id": args.id })).await?, "resendDelivery")
        }
        WebhooksCommand::Deliveries(args) => deliveries(client, output, args).await,
    }
}

/// What finds a project, and the type of what names it.
fn of_project(scope: &Scope) -> Result<(&'static str, &'static str), Failure> {
    if scope.field != "project" {
        return Err(Failure::usage("webhooks belong to a project, write `organization/project`"));
    }
    Ok((scope.key, if scope.key == "id" { "ID!" } else { "String!" }))
}

async fn list(client: &Client, output: Output, project: &Scope) -> Result<Exit, Failure> {
    let (key, kind) = of_project(project)?;
    let document = format!(
        "query Webhooks($value: {kind}, $after: String) {{ project({key}: $value) {{
          webhooks(first: 100, after: $after) {{ nodes {{ ...webhookFields }} pageInfo {{ hasNextPage endCursor }} }}
        }} }}{FIELDS}"
    );
    let variables = json!({ "value": project.value });
    let found: Vec<Webhook> = client.list(&document, variables, "/project/webhooks").await?;
    let rows = found.iter().map(|it| {
        let environment = it.environment.as_ref().map_or_else(|| "all".to_owned(), |it| it.path.clone());
        let events = if it.events.is_empty() { "all".to_owned() } else { it.events.join(", ") };
        let state = if it.active { "on" } else { "off" };
        [it.name.clone(), it.url.clone(), environment, events, state.to_owned(), it.id.clone()]
    });
    let text = table(["NAME", "URL", "ENVIRONMENT", "EVENTS", "STATE", "ID"], rows);
    output.result(&json!({ "webhooks": found }), if found.is_empty() { "" } else { &text })?;
    Ok(Exit::Ok)
}

/// The id of a project or an environment.
async fn id_of(client: &Client, scope: &Scope) -> Result<String, Failure> {
    if scope.key == "id" {
        return Ok(scope.value.clone());
    }
    let document = format!("query Id($value: String!) {{ found: {}(path: $value) {{ id }} }}", scope.field);
    let answer: Value = client.query(&document, json!({ "value": scope.value })).await?;
    Ok(answer["found"]["id"].as_str().unwrap_or_default().to_owned())
}

async fn environment_of(client: &Client, scope: Option<&Scope>) -> Result<Option<String>, Failure> {
    match scope {
        None => Ok(None),
        Some(scope) if scope.field == "environment" => id_of(client, scope).await.map(Some),
        Some(_) => Err(Failure::usage("name an environment by `organization/project/environment`")),
    }
}

async fn create(client: &Client, output: Output, args: CreateArgs) -> Result<Exit, Failure> {
    of_project(&args.project)?;
    let input = json!({
        "projectId": id_of(client, &args.project).await?,
        "name": args.name,
        "url": args.url,
        "environmentId": environment_of(client, args.environment.as_ref()).await?,
        "events": args.events,
    });
    let answer: Value = client.mutate(&[CREATE, FIELDS].concat(), input).await?;
    shown_once(output, &answer["createWebhook"])
}

fn shown_once(output: Output, made: &Value) -> Result<Exit, Failure> {
    let mut words = Words::default();
    words.say("secret", made["secret"].as_str().unwrap_or_default());
    words.say("id", made["webhook"]["id"].as_str().unwrap_or_default());
    output.note("keep the secret now, it is shown this once");
    output.result(made, &words.text())?;
    Ok(Exit::Ok)
}

async fn update(client: &Client, output: Output, args: UpdateArgs) -> Result<Exit, Failure> {
    let mut input = json!({ "id": args.id, "name": args.name, "url": args.url });
    if let Some(id) = environment_of(client, args.environment.as_ref()).await? {
        input["environmentId"] = json!(id);
    } else if args.all_environments {
        input["environmentId"] = Value::Null;
    }
    if args.all_events || !args.events.is_empty() {
        input["events"] = json!(args.events);
    }
    if args.on || args.off {
        input["active"] = json!(args.on);
    }
    let answer: Value = client.mutate(&[UPDATE, FIELDS].concat(), input).await?;
    output.result(&answer["updateWebhook"], &format!("updated {}", one_line(&args.id)))?;
    Ok(Exit::Ok)
}

/// It is sent in the background.
fn sent(output: Output, answer: &Value, field: &str) -> Result<Exit, Failure> {
    let id = one_line(answer[field]["delivery"]["id"].as_str().unwrap_or_default());
    output.result(&answer[field], &format!("{id} is being sent; `reeve webhooks deliveries` shows what came of it"))?;
    Ok(Exit::Ok)
}

async fn deliveries(client: &Client, output: Output, args: DeliveriesArgs) -> Result<Exit, Failure> {
    let (key, kind) = of_project(&args.project)?;
    let last = args.last;
    let document = format!(
        "query Deliveries($value: {kind}, $after: String) {{ project({key}: $value) {{
          webhooks(first: 20, after: $after) {{
            nodes {{ id name deliveries(first: {last}) {{ nodes {{
              id eventId event state problem createdAt attempts {{ at durationMs statusCode answer }} }} }} }}
            pageInfo {{ hasNextPage endCursor }}
          }}
        }} }}"
    );
    let variables = json!({ "value": args.project.value });
    let mut told: Vec<Told> = client.list(&document, variables, "/project/webhooks").await?;
    told.retain(|it| args.webhook.as_ref().is_none_or(|id| *id == it.id));
    let mut rows: Vec<(&String, &Delivery)> =
        told.iter().flat_map(|it| it.deliveries.nodes.iter().map(move |delivery| (&it.name, delivery))).collect();
    rows.sort_by(|(_, a), (_, b)| b.id.cmp(&a.id));
    let lines = rows.iter().map(|(name, it)| {
        let answer = it.attempts.last().map_or_else(String::new, |attempt| match attempt.status_code {
            Some(status) => format!("{status} in {} ms", attempt.duration_ms),
            None => attempt.answer.clone(),
        });
        let answer = it.problem.clone().unwrap_or(answer);
        let at = it.created_at.format("%Y-%m-%d %H:%M:%S").to_string();
        let state = it.state.to_lowercase();
        [at, (*name).clone(), it.event.clone(), state, it.attempts.len().to_string(), answer, it.id.clone()]
    });
    let text = table(["TIME (UTC)", "WEBHOOK", "EVENT", "STATE", "ATTEMPTS", "ANSWER", "ID"], lines);
    let document: Vec<Value> = rows.iter().map(|(name, it)| json!({ "webhook": name, "delivery": it })).collect();
    output.result(&json!({ "deliveries": document }), if rows.is_empty() { "" } else { &text })?;
    Ok(Exit::Ok)
}
