//! `reeve create`: new organizations, projects and environments. It must not know the rules for them.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    arguments::{self, ProjectPath},
    client::Client,
    exit::Exit,
    failure::Failure,
    output::{Output, Words},
};
use crate::domain::{name::OrganizationSlug, path::EnvironmentPath};

const ORGANIZATION_ID: &str = "query OrganizationId($path: String!) { parent: organization(path: $path) { id } }";

const PROJECT_ID: &str = "query ProjectId($path: String!) { parent: project(path: $path) { id } }";

const CREATE_ORGANIZATION: &str = "mutation CreateOrganization($input: CreateOrganizationInput!) {
  created: createOrganization(input: $input) { organization { id slug name path createdAt } }
}";

const CREATE_PROJECT: &str = "mutation CreateProject($input: CreateProjectInput!) {
  created: createProject(input: $input) { project { id slug name path createdAt } }
}";

const CREATE_ENVIRONMENT: &str = "mutation CreateEnvironment($input: CreateEnvironmentInput!) {
  created: createEnvironment(input: $input) { environment { id slug name path createdAt url production } }
}";

/// What to create.
#[derive(Subcommand, Debug)]
pub enum CreateCommand {
    /// Create an organization
    Organization(CreateOrganizationArgs),
    /// Create a project in an organization
    Project(CreateProjectArgs),
    /// Create an environment of a project
    Environment(CreateEnvironmentArgs),
}

/// Arguments of `reeve create organization`.
#[derive(Args, Debug)]
pub struct CreateOrganizationArgs {
    /// Its name in paths and links
    #[arg(value_parser = arguments::organization)]
    slug: OrganizationSlug,
    /// Its name for people [default: the slug]
    #[arg(long)]
    name: Option<String>,
}

/// Arguments of `reeve create project`.
#[derive(Args, Debug)]
pub struct CreateProjectArgs {
    /// Where, and its name in paths and links
    #[arg(value_name = "ORG/PROJECT", value_parser = arguments::project)]
    path: ProjectPath,
    /// Its name for people [default: the slug]
    #[arg(long)]
    name: Option<String>,
}

/// Arguments of `reeve create environment`.
#[derive(Args, Debug)]
pub struct CreateEnvironmentArgs {
    /// Where, and its name in paths and links
    #[arg(value_name = "ORG/PROJECT/ENV", value_parser = arguments::environment)]
    path: EnvironmentPath,
    /// It is for production: roles may be bound to everything but production
    #[arg(long)]
    production: bool,
    /// Its name for people [default: the slug]
    #[arg(long)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct ParentAnswer {
    parent: Parent,
}

#[derive(Deserialize)]
struct Parent {
    id: String,
}

#[derive(Deserialize)]
struct CreatedAnswer {
    created: Created,
}

/// Serializes as it came: an object with one key, which says what was created.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Created {
    Organization(Thing),
    Project(Thing),
    Environment(Thing),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thing {
    id: String,
    slug: String,
    name: String,
    path: String,
    created_at: chrono::DateTime<chrono::Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    production: Option<bool>,
}

/// `reeve create`
pub(super) async fn run(client: &Client, output: Output, command: CreateCommand) -> Result<Exit, Failure> {
    let answer: CreatedAnswer = match command {
        CreateCommand::Organization(args) => {
            let slug = args.slug.as_str();
            let input = json!({ "slug": slug, "name": args.name.as_deref().unwrap_or(slug) });
            client.mutate(CREATE_ORGANIZATION, input).await?
        }
        CreateCommand::Project(args) => {
            let slug = args.path.project.as_str();
            let id = parent(client, ORGANIZATION_ID, args.path.organization.as_str()).await?;
            let input = json!({ "organizationId": id, "slug": slug, "name": args.name.as_deref().unwrap_or(slug) });
            client.mutate(CREATE_PROJECT, input).await?
        }
        CreateCommand::Environment(args) => {
            let slug = args.path.environment.as_str();
            let project = format!("{}/{}", args.path.organization, args.path.project);
            let input = json!({
                "projectId": parent(client, PROJECT_ID, &project).await?,
                "slug": slug,
                "name": args.name.as_deref().unwrap_or(slug),
                "production": args.production,
            });
            client.mutate(CREATE_ENVIRONMENT, input).await?
        }
    };
    let created = answer.created;
    let mut words = Words::default();
    let (kind, thing) = match &created {
        Created::Organization(thing) => ("organization", thing),
        Created::Project(thing) => ("project", thing),
        Created::Environment(thing) => ("environment", thing),
    };
    words.say(kind, &thing.path);
    words.say("id", &thing.id);
    if let Some(url) = &thing.url {
        words.say("link", url);
    }
    output.result(&created, &words.text())?;
    Ok(Exit::Ok)
}

async fn parent(client: &Client, document: &str, path: &str) -> Result<String, Failure> {
    client.query::<ParentAnswer>(document, json!({ "path": path })).await.map(|answer| answer.parent.id)
}
