//! `reeve serve --demo`: an organization with people of different roles, a site and a process, all made through the API like
//! anybody's. Started again over the same data it finds what it made.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::say;
use crate::error::{Error, Result};
use crate::service::blocking;
use crate::sys::random;

const PAGE: &str = include_str!("../../samples/site/index.html");
const STYLE: &str = include_str!("../../samples/site/style.css");
const PROCESS: &str =
    "kind = \"process\"\n[process]\ncommand = [\"./reeve\", \"sample\"]\n[health]\npath = \"/health\"\n";
/// How long a sample may take to become active.
const PATIENCE: Duration = Duration::from_secs(60);

/// Address, name, and roles with their scopes.
type Person = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Who there is, and what they hold where.
const PEOPLE: [Person; 4] = [
    ("ada@example.com", "Ada", &[]),
    ("edgar@example.com", "Edgar", &[("ownstak/editor", "acme")]),
    (
        "nora@example.com",
        "Nora",
        &[("mia-console/developer", "acme/site"), ("mia-console/maintainer", "acme/site/staging")],
    ),
    ("vera@example.com", "Vera", &[("ownstak/viewer", "acme/site")]),
];

/// Makes the demo at `server` and says where it is; the passwords are kept in `data`.
pub(super) async fn run(server: &str, data: &Path) -> Result<()> {
    let passwords = passwords(data)?;
    let mut people = Vec::new();
    for (email, name, _) in PEOPLE {
        let password = passwords.get(email).ok_or_else(|| defect("a password is missing"))?;
        people.push(Client::of(server, email, name, password).await?);
    }
    let ada = people.first().ok_or_else(|| defect("nobody"))?;
    if ada.ask("query { organization(path: \"acme\") { id } }", json!({})).await.is_err() {
        say("making the demo…");
        make(ada).await?;
    }
    let links = ada.ask(LINKS, json!({})).await?;
    say("\nsign-ins (reeve login EMAIL):");
    for (email, _, roles) in PEOPLE {
        let roles: Vec<String> = roles.iter().map(|(role, scope)| format!("{role} on {scope}")).collect();
        let roles =
            if roles.is_empty() { "made the organization: ownstak/admin on acme".to_owned() } else { roles.join(", ") };
        let password = passwords.get(email).map_or("", String::as_str);
        say(&format!("  {email:<18} {password}  {roles}"));
    }
    say("\nlinks:");
    for field in ["production", "staging", "api"] {
        say(&format!("  {}", links[field]["url"].as_str().unwrap_or_default()));
    }
    say(&format!("  {}  (version 1 on its own link)", links["first"]["url"].as_str().unwrap_or_default()));
    say("\nready; stop with Ctrl-C");
    Ok(())
}

const LINKS: &str = r#"query {
    production: environment(path: "acme/site/production") { url }
    staging: environment(path: "acme/site/staging") { url }
    api: environment(path: "acme/api/production") { url }
    first: deployment(path: "acme/site/production", number: 1) { url }
}"#;

async fn make(ada: &Client) -> Result<()> {
    let organization = ada
        .ask("mutation { createOrganization(input: { name: \"Acme\" }) { organization { id } } }", json!({}))
        .await?["createOrganization"]["organization"]["id"]
        .clone();
    let site = project(ada, &organization, "Site").await?;
    let api = project(ada, &organization, "API").await?;
    let production = environment(ada, &site, "Production", true).await?;
    let staging = environment(ada, &site, "Staging", false).await?;
    let service = environment(ada, &api, "Production", true).await?;
    for (email, _, roles) in PEOPLE {
        for (role, scope) in roles {
            let input = json!({ "subject": email, "role": role, "scope": scope });
            ada.ask(
                "mutation($input: GrantRoleInput!) { grantRole(input: $input) { binding { id } } }",
                json!({ "input": input }),
            )
            .await?;
        }
    }
    for (place, version) in [(&production, "1"), (&production, "2"), (&staging, "3")] {
        let page = PAGE.replace("{version}", version).into_bytes();
        let files = vec![("index.html", page, false), ("style.css", STYLE.as_bytes().to_vec(), false)];
        deploy(ada, place, files, None, &format!("version {version}")).await?;
    }
    let program = blocking(|| std::env::current_exe().and_then(std::fs::read)).await?;
    let program = program.map_err(|e| Error::Unavailable(format!("this program cannot read itself ({e})")))?;
    deploy(ada, &service, vec![("reeve", program, true)], Some(PROCESS), "the sample process").await
}

async fn project(ada: &Client, organization: &Value, name: &str) -> Result<Value> {
    let input = json!({ "organizationId": organization, "name": name });
    let made = ada
        .ask(
            "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }",
            json!({ "input": input }),
        )
        .await?;
    Ok(made["createProject"]["project"]["id"].clone())
}

async fn environment(ada: &Client, project: &Value, name: &str, production: bool) -> Result<Value> {
    let input = json!({ "projectId": project, "name": name, "production": production });
    let made = ada
        .ask(
            "mutation($input: CreateEnvironmentInput!) { createEnvironment(input: $input) { environment { id } } }",
            json!({ "input": input }),
        )
        .await?;
    Ok(made["createEnvironment"]["environment"]["id"].clone())
}

type Files<'a> = Vec<(&'a str, Vec<u8>, bool)>;

async fn deploy(ada: &Client, environment: &Value, files: Files<'_>, toml: Option<&str>, message: &str) -> Result<()> {
    let entries = files.iter().map(|(path, content, executable)| {
        let digest = blake3::hash(content).to_hex().to_string();
        json!({ "path": path, "digest": digest, "sizeBytes": content.len(), "executable": executable })
    });
    let input = json!({
        "environmentId": environment, "files": entries.collect::<Vec<_>>(), "projectFile": toml, "message": message,
    });
    let draft = ada
        .ask(
            "mutation($input: CreateDeploymentInput!) { createDeployment(input: $input) {
                deployment { id } uploadToken missingFiles { digest uploadUrl } } }",
            json!({ "input": input }),
        )
        .await?["createDeployment"]
        .clone();
    for missing in draft["missingFiles"].as_array().into_iter().flatten() {
        let wanted = missing["digest"].as_str().unwrap_or_default();
        let content = files.iter().find(|(_, content, _)| blake3::hash(content).to_hex().as_str() == wanted);
        let (_, content, _) = content.ok_or_else(|| defect("a file was asked for that is not in the manifest"))?;
        ada.put(&missing["uploadUrl"], &draft["uploadToken"], content.clone()).await?;
    }
    let id = &draft["deployment"]["id"];
    ada.ask("mutation($id: ID!) { deploy(input: { id: $id }) { deployment { id } } }", json!({ "id": id })).await?;
    let deadline = crate::sys::clock::instant() + PATIENCE;
    loop {
        let state = ada.ask("query($id: ID!) { deployment(id: $id) { state failure } }", json!({ "id": id })).await?;
        match state["deployment"]["state"].as_str() {
            Some("ACTIVE") => return Ok(()),
            Some("FAILED") => return Err(defect(state["deployment"]["failure"].as_str().unwrap_or_default())),
            _ if crate::sys::clock::instant() > deadline => return Err(defect("it did not become active")),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Somebody signed in.
struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Client {
    /// Signs in, or up for the first time.
    async fn of(server: &str, email: &str, name: &str, password: &str) -> Result<Self> {
        let nobody = Self { http: reqwest::Client::new(), server: server.to_owned(), token: String::new() };
        let input = json!({ "email": email, "password": password });
        let document = "mutation($input: SignInInput!) { session: signIn(input: $input) { accessToken } }";
        let session = match nobody.ask(document, json!({ "input": input })).await {
            Ok(session) => session,
            Err(_) => {
                let input = json!({ "email": email, "name": name, "password": password });
                let document = "mutation($input: SignUpInput!) { session: signUp(input: $input) { accessToken } }";
                nobody.ask(document, json!({ "input": input })).await?
            }
        };
        let token = session["session"]["accessToken"].as_str().unwrap_or_default().to_owned();
        Ok(Self { token, ..nobody })
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value> {
        let mut request = self.http.post(format!("{}/graphql", self.server));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.json(&json!({ "query": query, "variables": variables })).send().await.map_err(lost)?;
        let answer: Value = answer.json().await.map_err(lost)?;
        match answer["errors"][0]["message"].as_str() {
            Some(message) => Err(defect(message)),
            None => Ok(answer["data"].clone()),
        }
    }

    async fn put(&self, url: &Value, token: &Value, content: Vec<u8>) -> Result<()> {
        let request = self.http.put(url.as_str().unwrap_or_default()).bearer_auth(token.as_str().unwrap_or_default());
        let answer = request.body(content).send().await.map_err(lost)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(defect(&format!("an upload answered {}", answer.status())))
        }
    }
}

fn lost(error: reqwest::Error) -> Error {
    Error::Unavailable(format!("the demo lost its server ({error})"))
}

fn defect(text: &str) -> Error {
    Error::Unavailable(format!("the demo could not be made: {text}"))
}

/// Passwords of the demo's people, made once and readable by the owner alone.
fn passwords(data: &Path) -> Result<BTreeMap<String, String>> {
    let file = data.join("demo.json");
    let failed = |e: std::io::Error| Error::Unavailable(format!("`{}` cannot be used ({e})", file.display()));
    if let Ok(text) = std::fs::read_to_string(&file) {
        return serde_json::from_str(&text).map_err(|e| failed(e.into()));
    }
    let passwords: BTreeMap<String, String> =
        PEOPLE.iter().map(|(email, ..)| ((*email).to_owned(), random::token().chars().take(16).collect())).collect();
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).map_err(failed)?;
    serde_json::to_writer(open, &passwords).map_err(|e| failed(e.into()))?;
    Ok(passwords)
}
