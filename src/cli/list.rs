//! What there is: organizations, projects, environments, deployments and their logs. Everything that the viewer may see,
//! and nothing is filtered here.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    arguments::{self, ProjectPath},
    client::Client,
    deployment::{self, Deployment, Numbered, Target, Window},
    exit::Exit,
    failure::Failure,
    follow::{self, Whose},
    measure::age,
    output::{Output, table},
};
use crate::{
    domain::{name::OrganizationSlug, path::EnvironmentPath},
    sys::clock,
};

const ORGANIZATIONS: &str = "query Organizations($after: String) {
  organizations(first: 100, after: $after) {
    nodes { id slug name path createdAt } pageInfo { hasNextPage endCursor }
  }
}";

const PROJECTS: &str = "query Projects($after: String) {
  viewer { projects(first: 100, after: $after) {
    nodes { id slug name path createdAt } pageInfo { hasNextPage endCursor }
  } }
}";

const PROJECTS_OF: &str = "query ProjectsOf($path: String!, $after: String) {
  organization(path: $path) { projects(first: 100, after: $after) {
    nodes { id slug name path createdAt } pageInfo { hasNextPage endCursor }
  } }
}";

const ENVIRONMENTS: &str = "query Environments($path: String!, $after: String) {
  project(path: $path) { environments(first: 100, after: $after) {
    nodes { id slug name path url production frozen pinned createdAt activeDeployment { id number } }
    pageInfo { hasNextPage endCursor }
  } }
}";

const DEPLOYMENTS: &str = "query Deployments($path: String!, $last: Int!) {
  environment(path: $path) {
    id path url activeDeployment { id number }
    deployments(first: $last) { nodes { ...deploymentFields } }
  }
}";

const ACTIVE: &str = "query Active($path: String!) {
  environment(path: $path) { id path url activeDeployment { id number } }
}";

const NEWEST: &str = "query Newest($path: String!) {
  environment(path: $path) { deployments(first: 1) { nodes { id number } } }
}";

const NUMBERED: &str = "query Numbered($path: String!, $number: Int!) {
  deployment(path: $path, number: $number) { id number }
}";

/// Arguments of `reeve projects`.
#[derive(Args, Debug)]
pub struct ProjectsArgs {
    /// Only those of this organization
    #[arg(value_name = "ORG", value_parser = arguments::organization)]
    organization: Option<OrganizationSlug>,
}

/// Arguments of `reeve environments`.
#[derive(Args, Debug)]
pub struct EnvironmentsArgs {
    /// The project
    #[arg(value_name = "ORG/PROJECT", value_parser = arguments::project)]
    project: ProjectPath,
}

/// Arguments of `reeve deployments`.
#[derive(Args, Debug)]
pub struct DeploymentsArgs {
    /// The environment, as organization/project/environment
    #[arg(value_name = "ENVPATH", value_parser = arguments::environment)]
    environment: EnvironmentPath,
    /// How many, newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    last: u32,
}

/// Arguments of `reeve log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// The environment, as organization/project/environment
    #[arg(value_name = "ENVPATH", value_parser = arguments::environment)]
    environment: EnvironmentPath,
    /// Which deployment [default: the active one, or the newest if none is]
    number: Option<u32>,
    /// How many lines
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: u32,
    /// What the build printed, not the program
    #[arg(long)]
    build: bool,
    /// Begin behind the line with this cursor, as `--json` shows it
    #[arg(long, value_name = "CURSOR", conflicts_with = "since")]
    after: Option<String>,
    /// Begin with what was printed from then on: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 15m
    #[arg(long, value_name = "WHEN", value_parser = arguments::moment)]
    since: Option<chrono::DateTime<chrono::Utc>>,
    /// Go on with each line that comes; without a number, of whichever deployment is the active one
    #[arg(long, short)]
    follow: bool,
}

/// An organization or a project.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: String,
    slug: String,
    name: String,
    path: String,
    created_at: chrono::DateTime<chrono::Utc>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    #[serde(flatten)]
    named: Named,
    url: Option<String>,
    production: bool,
    frozen: bool,
    pinned: bool,
    active_deployment: Option<Numbered>,
}

#[derive(Deserialize)]
struct Found<T> {
    environment: T,
}

#[derive(Deserialize)]
struct WithDeployments<T> {
    deployments: Nodes<T>,
}

#[derive(Deserialize)]
struct ListedIn {
    #[serde(flatten)]
    target: Target,
    deployments: Nodes<Deployment>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
struct NumberedAnswer {
    deployment: Numbered,
}

/// `reeve organizations`
pub(super) async fn organizations(client: &Client, output: Output) -> Result<Exit, Failure> {
    let found = client.list(ORGANIZATIONS, json!({}), "/organizations").await?;
    named(output, "organizations", &found)
}

/// `reeve projects`
pub(super) async fn projects(client: &Client, output: Output, args: ProjectsArgs) -> Result<Exit, Failure> {
    let found = match args.organization {
        Some(organization) => {
            let variables = json!({ "path": organization.as_str() });
            client.list(PROJECTS_OF, variables, "/organization/projects").await?
        }
        None => client.list(PROJECTS, json!({}), "/viewer/projects").await?,
    };
    named(output, "projects", &found)
}

fn named(output: Output, kind: &'static str, found: &[Named]) -> Result<Exit, Failure> {
    let now = clock::now();
    let rows = found.iter().map(|it| [it.path.clone(), it.name.clone(), age(it.created_at, now), it.id.clone()]);
    list(output, kind, json!({ kind: found }), &table(["PATH", "NAME", "CREATED", "ID"], rows), found.len())
}

/// `reeve environments`
pub(super) async fn environments(client: &Client, output: Output, args: EnvironmentsArgs) -> Result<Exit, Failure> {
    let variables = json!({ "path": args.project.to_string() });
    let found: Vec<Environment> = client.list(ENVIRONMENTS, variables, "/project/environments").await?;
    let rows = found.iter().map(|it| {
        let marks = [(it.production, "production"), (it.frozen, "frozen"), (it.pinned, "pinned")];
        let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect::<Vec<_>>().join(", ");
        let active = it.active_deployment.as_ref().map_or_else(|| "-".to_owned(), |active| active.number.to_string());
        [it.named.path.clone(), marks, active, it.url.clone().unwrap_or_default()]
    });
    let text = table(["PATH", "IS", "ACTIVE", "LINK"], rows);
    list(output, "environments", json!({ "environments": found }), &text, found.len())
}

/// `reeve deployments`
pub(super) async fn deployments(client: &Client, output: Output, args: DeploymentsArgs) -> Result<Exit, Failure> {
    let variables = json!({ "path": args.environment.to_string(), "last": args.last });
    let Found { environment }: Found<ListedIn> =
        client.query(&[DEPLOYMENTS, deployment::FIELDS].concat(), variables).await?;
    let ListedIn { target, deployments: Nodes { nodes: found } } = environment;
    let active = target.active_deployment.as_ref().map(|active| active.id.as_str());
    let now = clock::now();
    let rows = found.iter().map(|it| {
        let mark = if active == Some(it.id.as_str()) { "*" } else { "" };
        [
            mark.to_owned(),
            it.number.to_string(),
            it.state.clone(),
            it.kind.to_lowercase(),
            age(it.created_at, now),
            it.created_by.as_ref().map(|maker| maker.name.clone()).unwrap_or_default(),
            it.message.as_deref().map(subject).unwrap_or_default(),
            it.url.clone().unwrap_or_default(),
        ]
    });
    let text = table(["", "NUMBER", "STATE", "KIND", "AGE", "WHO", "MESSAGE", "LINK"], rows);
    list(output, "deployments", json!({ "environment": target, "deployments": found }), &text, found.len())
}

/// The first line of a message, cut so that the link beside it stays in sight.
fn subject(message: &str) -> String {
    const WIDTH: usize = 48;
    let line = message.trim().lines().next().unwrap_or_default();
    let cut = line.chars().nth(WIDTH).is_some();
    if cut { line.chars().take(WIDTH - 1).chain(['…']).collect() } else { line.to_owned() }
}

/// `reeve log`
pub(super) async fn log(client: &Client, output: Output, args: LogArgs) -> Result<Exit, Failure> {
    let path = args.environment.to_string();
    let kind = if args.build { "BUILD" } else { "RUNTIME" };
    let window = Window { last: args.last, after: args.after, since: args.since };
    let which = match args.number {
        Some(number) => {
            let variables = json!({ "path": path, "number": number });
            client.query::<NumberedAnswer>(NUMBERED, variables).await?.deployment
        }
        // The newest one is being built, or was last.
        None if args.build => newest(client, &path).await?,
        None if args.follow => {
            let found: Found<Target> = client.query(ACTIVE, json!({ "path": path })).await?;
            return follow::follow(client, output, Whose::Environment(found.environment.id), window).await;
        }
        None => active_or_newest(client, &path).await?,
    };
    if args.follow {
        return follow::follow(client, output, Whose::Deployment(which.id, kind), window).await;
    }
    let lines = deployment::log(client, &which.id, kind, &window).await?;
    let text = lines.iter().map(deployment::LogLine::text).collect::<Vec<_>>().join("\n");
    if lines.is_empty() {
        output.note(&format!("deployment {} has no log", which.number));
    }
    output.result(&json!({ "deployment": which, "log": lines }), &text)?;
    Ok(Exit::Ok)
}

async fn active_or_newest(client: &Client, path: &str) -> Result<Numbered, Failure> {
    let Found { environment }: Found<Target> = client.query(ACTIVE, json!({ "path": path })).await?;
    match environment.active_deployment {
        Some(active) => Ok(active),
        None => newest(client, path).await,
    }
}

async fn newest(client: &Client, path: &str) -> Result<Numbered, Failure> {
    let found: Found<WithDeployments<Numbered>> = client.query(NEWEST, json!({ "path": path })).await?;
    let Found { environment } = found;
    let newest = environment.deployments.nodes.into_iter().next();
    newest.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("{path} has no deployment yet, make one with `reeve deploy`"))
    })
}

fn list(output: Output, kind: &str, document: Value, text: &str, length: usize) -> Result<Exit, Failure> {
    if length == 0 {
        output.note(&format!("there are no {kind} that you may view"));
    }
    output.result(&document, if length == 0 { "" } else { text })?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_by_its_first_line() {
        assert_eq!(subject("\nfix: the thing\n\nlong story"), "fix: the thing");
        assert_eq!(subject(&"x".repeat(60)).chars().count(), 48);
    }
}
