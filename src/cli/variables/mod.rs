//! `reeve variables`: what programs find in their environment. It must not know which names are good, nor who may do what.

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    arguments::{self, Scope},
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Output, one_line, table},
};

mod dotenv;

const FIELDS: &str =
    " fragment variableFields on Variable { id name secret value scope environments version updatedAt }";

const SET: &str = "mutation SetVariables($input: SetVariablesInput!) {
  setVariables(input: $input) { variables { ...variableFields } }
}";

const UNSET: &str = "mutation UnsetVariables($input: UnsetVariablesInput!) {
  unsetVariables(input: $input) { unsetIds }
}";

const REVEAL: &str = "mutation RevealSecret($input: RevealSecretInput!) { revealSecret(input: $input) { name value } }";

/// What to do with variables.
#[derive(Subcommand, Debug)]
pub enum VariablesCommand {
    /// List variables, secrets without their values
    List(ListArgs),
    /// Set variables; what runs keeps its own until the next deployment
    Set(SetArgs),
    /// Unset variables
    Unset(UnsetArgs),
    /// Show the value of a secret; that it was asked for is kept in the audit log
    Reveal(RevealArgs),
    /// Set the variables of a `.env` file
    Import(ImportArgs),
}

/// Arguments of `reeve variables list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Project or environment, by path or id
    #[arg(value_name = "SCOPE", value_parser = arguments::scope)]
    scope: Scope,
}

/// Arguments of `reeve variables set`.
#[derive(Args, Debug)]
pub struct SetArgs {
    /// Project or environment, by path or id
    #[arg(value_name = "SCOPE", value_parser = arguments::scope)]
    scope: Scope,
    /// The variables; of a single NAME the value is asked for, or read from standard input
    #[arg(value_name = "NAME=VALUE", required = true)]
    variables: Vec<String>,
    /// How they are set.
    #[command(flatten)]
    how: How,
}

/// Arguments of `reeve variables unset`.
#[derive(Args, Debug)]
pub struct UnsetArgs {
    /// Project or environment, by path or id
    #[arg(value_name = "SCOPE", value_parser = arguments::scope)]
    scope: Scope,
    /// The variables
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Of a project: the environments for which they count
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    environments: Environments,
}

/// Arguments of `reeve variables reveal`.
#[derive(Args, Debug)]
pub struct RevealArgs {
    /// Project or environment, by path or id
    #[arg(value_name = "SCOPE", value_parser = arguments::scope)]
    scope: Scope,
    /// The variable
    name: String,
    /// Of a project: the environments for which it counts
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    environments: Environments,
}

/// Arguments of `reeve variables import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// Project or environment, by path or id
    #[arg(value_name = "SCOPE", value_parser = arguments::scope)]
    scope: Scope,
    /// The file, with `NAME=VALUE` on each line; `-` for standard input
    file: PathBuf,
    /// How they are set.
    #[command(flatten)]
    how: How,
}

/// How variables are set.
#[derive(Args, Debug)]
pub(super) struct How {
    /// They are secrets
    #[arg(long)]
    secret: bool,
    /// On a project: the environments for which they count
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    environments: Environments,
}

/// Environments of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Environments {
    /// All of them
    #[default]
    Any,
    /// Production ones
    Production,
    /// All but production ones
    Nonproduction,
}

impl Environments {
    const fn wire(self) -> &'static str {
        match self {
            Self::Any => "ANY",
            Self::Production => "PRODUCTION",
            Self::Nonproduction => "NONPRODUCTION",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    id: String,
    name: String,
    secret: bool,
    value: Option<String>,
    scope: String,
    environments: String,
    version: i64,
    updated_at: chrono::DateTime<chrono::Utc>,
}

#[derive(Deserialize)]
struct ListAnswer {
    scope: Found,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    variables: Vec<Variable>,
}

/// `reeve variables`
pub(super) async fn run(client: &Client, output: Output, command: VariablesCommand) -> Result<Exit, Failure> {
    match command {
        VariablesCommand::List(args) => list(client, output, &args.scope).await,
        VariablesCommand::Set(args) => {
            let alone = args.variables.len() == 1;
            let mut entries = Vec::with_capacity(args.variables.len());
            for text in args.variables {
                entries.push(match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), value.to_owned()),
                    None if alone => (text, value().await?),
                    None => return Err(Failure::usage("write NAME=VALUE, or a single NAME to be asked for its value")),
                });
            }
            set(client, output, &args.scope, entries, &args.how).await
        }
        VariablesCommand::Unset(args) => unset(client, output, args).await,
        VariablesCommand::Reveal(args) => reveal(client, output, args).await,
        VariablesCommand::Import(args) => {
            let name = args.file.display().to_string();
            let text =
                read(args.file).await.map_err(|error| Failure::local(format!("`{name}` cannot be read"), error))?;
            let entries = dotenv::parse(&text).map_err(|problem| Failure::usage(format!("`{name}`: {problem}")))?;
            set(client, output, &args.scope, entries, &args.how).await
        }
    }
}

async fn list(client: &Client, output: Output, scope: &Scope) -> Result<Exit, Failure> {
    let found = found(client, scope).await?;
    let rows = found.variables.iter().map(|it| {
        let value = it.value.clone().unwrap_or_else(|| "(secret)".to_owned());
        let on = if it.scope == found.id { "here" } else { "project" };
        [it.name.clone(), value, it.environments.to_lowercase(), on.to_owned()]
    });
    let text = table(["NAME", "VALUE", "ENVIRONMENTS", "SET"], rows);
    let text = if found.variables.is_empty() { "" } else { &text };
    output.result(&json!({ "variables": found.variables }), text)?;
    Ok(Exit::Ok)
}

async fn found(client: &Client, scope: &Scope) -> Result<Found, Failure> {
    let Scope { field, key, value } = scope;
    if *field == "organization" {
        return Err(Failure::usage("variables belong to a project or an environment, write `organization/project`"));
    }
    let kind = if *key == "id" { "ID!" } else { "String!" };
    let document = format!(
        "query Variables($value: {kind}) {{
          scope: {field}({key}: $value) {{ id variables {{ ...variableFields }} }}
        }}{FIELDS}"
    );
    client.query::<ListAnswer>(&document, json!({ "value": value })).await.map(|answer| answer.scope)
}

async fn set(
    client: &Client,
    output: Output,
    scope: &Scope,
    entries: Vec<(String, String)>,
    how: &How,
) -> Result<Exit, Failure> {
    let names: Vec<String> = entries.iter().map(|(name, _)| one_line(name)).collect();
    let environments = how.environments.wire();
    let variables: Vec<Value> = entries
        .into_iter()
        .map(
            |(name, value)| json!({ "name": name, "value": value, "secret": how.secret, "environments": environments }),
        )
        .collect();
    let input = json!({ "scope": scope.value, "variables": variables });
    let answer: Value = client.mutate(&[SET, FIELDS].concat(), input).await?;
    output.result(&answer["setVariables"], &format!("set {}", names.join(", ")))?;
    Ok(Exit::Ok)
}

async fn unset(client: &Client, output: Output, args: UnsetArgs) -> Result<Exit, Failure> {
    let environments = args.environments.wire();
    let variables: Vec<Value> =
        args.names.iter().map(|name| json!({ "name": name, "environments": environments })).collect();
    let input = json!({ "scope": args.scope.value, "variables": variables });
    let answer: Value = client.mutate(UNSET, input).await?;
    let names: Vec<String> = args.names.iter().map(|name| one_line(name)).collect();
    output.result(&answer["unsetVariables"], &format!("unset {}", names.join(", ")))?;
    Ok(Exit::Ok)
}

/// On an environment also of a secret of its project: whichever counts there.
async fn reveal(client: &Client, output: Output, args: RevealArgs) -> Result<Exit, Failure> {
    let found = found(client, &args.scope).await?;
    let wanted = |it: &&Variable| {
        let counts = args.scope.field == "environment" || it.environments == args.environments.wire();
        it.name == args.name && counts
    };
    let Some(variable) = found.variables.iter().find(wanted) else {
        let message = format!("there is no variable `{}` here, or you may not view it", one_line(&args.name));
        return Err(Failure::new(Exit::NotFound, message));
    };
    let answer: Value = client.mutate(REVEAL, json!({ "id": variable.id })).await?;
    let revealed = &answer["revealSecret"];
    output.result(revealed, revealed["value"].as_str().unwrap_or_default())?;
    Ok(Exit::Ok)
}

/// Typed without being shown, or piped in.
async fn value() -> Result<String, Failure> {
    let read = || {
        if io::IsTerminal::is_terminal(&io::stdin()) {
            return rpassword::prompt_password("value: ");
        }
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        // Exactly the line end that `echo` and files add; further ones may be meant.
        let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        Ok(line.unwrap_or(&text).to_owned())
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(io::Error::other).flatten();
    read.map_err(|error| Failure::local("the value cannot be read", error))
}

async fn read(file: PathBuf) -> io::Result<String> {
    let read = move || {
        if file.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) }
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other).flatten()
}
