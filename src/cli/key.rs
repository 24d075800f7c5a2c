//! Keys and service accounts: how programs sign in. A secret is printed once, to standard output and nowhere else.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    arguments,
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Output, Words, one_line, table},
};

const CREATE: &str = "mutation CreateApiKey($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { secret apiKey { id name capabilities scope expiresAt } }
}";

const LIST: &str = "query ApiKeys($after: String) {
  viewer { apiKeys(first: 100, after: $after) {
    nodes { id name capabilities scope expiresAt lastUsedAt } pageInfo { hasNextPage endCursor }
  } }
}";

const REVOKE: &str = "mutation RevokeApiKey($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { revokedId } }";

const CREATE_ACCOUNT: &str = "mutation CreateServiceAccount($input: CreateServiceAccountInput!) {
  createServiceAccount(input: $input) { serviceAccount { id name email } }
}";

const DELETE_ACCOUNT: &str = "mutation DeleteServiceAccount($input: DeleteServiceAccountInput!) {
  deleteServiceAccount(input: $input) { deletedId }
}";

/// What to do with keys.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a key, for yourself or for a service account
    Create(KeyCreateArgs),
    /// List your own keys
    List,
    /// End a key
    Revoke(KeyRevokeArgs),
}

/// Arguments of `reeve key create`.
#[derive(Args, Debug)]
pub struct KeyCreateArgs {
    /// What you call it
    name: String,
    /// Id of the service account that it stands for [default: you]
    #[arg(long, value_name = "ID")]
    service_account: Option<String>,
    /// Carry this capability and those named besides, nothing else
    #[arg(long = "capability", value_name = "CAPABILITY")]
    capabilities: Vec<String>,
    /// Count on this path or id and below, nowhere else
    #[arg(long)]
    scope: Option<String>,
    /// Until when, such as 2030-12-31T18:00:00Z [default: until it is revoked]
    #[arg(long, value_name = "RFC3339", value_parser = arguments::time)]
    until: Option<DateTime<Utc>>,
}

/// Arguments of `reeve key revoke`.
#[derive(Args, Debug)]
pub struct KeyRevokeArgs {
    /// The key's id
    id: String,
}

/// What to do with service accounts.
#[derive(Subcommand, Debug)]
pub enum ServiceAccountCommand {
    /// Make a service account
    Create(ServiceAccountCreateArgs),
    /// End a service account with its keys and roles
    Delete(ServiceAccountDeleteArgs),
}

/// Arguments of `reeve service-account create`.
#[derive(Args, Debug)]
pub struct ServiceAccountCreateArgs {
    /// Where it belongs: path or id of an organization or project, or `console`
    scope: String,
    /// Its name
    name: String,
}

/// Arguments of `reeve service-account delete`.
#[derive(Args, Debug)]
pub struct ServiceAccountDeleteArgs {
    /// Its id
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    id: String,
    name: String,
    capabilities: Option<Vec<String>>,
    scope: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

/// `reeve key`
pub(super) async fn key(client: &Client, output: Output, command: KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Create(args) => {
            let capabilities = (!args.capabilities.is_empty()).then_some(args.capabilities);
            let input = json!({
                "name": args.name,
                "serviceAccountId": args.service_account,
                "capabilities": capabilities,
                "scope": args.scope,
                "expiresAt": args.until,
            });
            let answer: Value = client.mutate(CREATE, input).await?;
            let made = &answer["createApiKey"];
            let mut words = Words::default();
            words.say("key", made["secret"].as_str().unwrap_or_default());
            words.say("id", made["apiKey"]["id"].as_str().unwrap_or_default());
            output.note("keep the key now, it is shown this once; set it as REEVE_TOKEN to use it here");
            output.result(made, &words.text())?;
        }
        KeyCommand::List => {
            let found: Vec<Key> = client.list(LIST, json!({}), "/viewer/apiKeys").await?;
            let time = |at: Option<DateTime<Utc>>| at.map(|at| at.format("%Y-%m-%d %H:%M").to_string());
            let rows = found.iter().map(|it| {
                let carries = it.capabilities.as_ref().map_or_else(|| "everything".to_owned(), |list| list.join(", "));
                let scope = it.scope.clone().unwrap_or_default();
                let (until, used) = (time(it.expires_at).unwrap_or_default(), time(it.last_used_at));
                [it.name.clone(), carries, scope, until, used.unwrap_or_default(), it.id.clone()]
            });
            let text = table(["NAME", "CARRIES", "WHERE", "UNTIL (UTC)", "USED (UTC)", "ID"], rows);
            output.result(&json!({ "keys": found }), if found.is_empty() { "" } else { &text })?;
        }
        KeyCommand::Revoke(args) => {
            let answer: Value = client.mutate(REVOKE, json!({ "id": args.id })).await?;
            output.result(&answer["revokeApiKey"], &format!("revoked {}", one_line(&args.id)))?;
        }
    }
    Ok(Exit::Ok)
}

/// `reeve service-account`
pub(super) async fn service_account(
    client: &Client,
    output: Output,
    command: ServiceAccountCommand,
) -> Result<Exit, Failure> {
    match command {
        ServiceAccountCommand::Create(args) => {
            let input = json!({ "scope": args.scope, "name": args.name });
            let answer: Value = client.mutate(CREATE_ACCOUNT, input).await?;
            let made = &answer["createServiceAccount"]["serviceAccount"];
            let mut words = Words::default();
            words.say("account", made["name"].as_str().unwrap_or_default());
            words.say("id", made["id"].as_str().unwrap_or_default());
            output.result(&answer["createServiceAccount"], &words.text())?;
        }
        ServiceAccountCommand::Delete(args) => {
            let answer: Value = client.mutate(DELETE_ACCOUNT, json!({ "id": args.id })).await?;
            output.result(&answer["deleteServiceAccount"], &format!("deleted {}", one_line(&args.id)))?;
        }
    }
    Ok(Exit::Ok)
}
