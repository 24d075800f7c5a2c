//! Deploying from repositories: branches, tags and commits, and what is refused of addresses, refs and contents.

use serde_json::{Value, json};

use crate::harness::{
    Client, Environment, Page, RealServer, Repository, TestServer, dump, eventually, holds, text, visit,
};

pub(super) const CONNECT: &str = "mutation($input: ConnectRepositoryInput!) {
    connectRepository(input: $input) { gitConnection { id url hasCredential webhookUrl problem } webhookSecret } }";
const DISCONNECT: &str =
    "mutation($input: DisconnectRepositoryInput!) { disconnectRepository(input: $input) { projectId } }";
const REPAIR: &str = "mutation($input: RepairGitConnectionInput!) {
    repairGitConnection(input: $input) { gitConnection { id problem } webhookSecret } }";
const DEPLOY: &str =
    "mutation($input: DeployFromGitInput!) { deployFromGit(input: $input) { gitDeploy { id state } } }";
const DEPLOYS: &str = "query($id: ID!) { environment(id: $id) { gitDeploys(first: 50) { nodes {
    id refKind refName origin state failure commit actsAs { id } deployment { id number state message url } } } } }";

/// A server that reads repositories of this machine.
pub(super) async fn server() -> TestServer {
    TestServer::start_with(|config| {
        config.git.protocols = ["file", "http"].map(str::to_owned).to_vec();
        config.git.private_addresses = true;
    })
    .await
}

/// A site with an environment; the id of its project, and the environment.
pub(super) async fn site(ada: &Client) -> (String, Environment) {
    let organization = ada.create_organization("acme").await;
    let project = ada.create_project(&organization, "site").await;
    let environment = ada.create_environment(&project, "production", true).await;
    (project, environment)
}

pub(super) async fn connect(ada: &Client, project: &str, url: &str) -> Value {
    let input = json!({ "projectId": project, "url": url });
    ada.ok(CONNECT, json!({ "input": input })).await["connectRepository"].clone()
}

pub(super) async fn deploys(client: &Client, environment: &Environment) -> Vec<Value> {
    let data = client.ok(DEPLOYS, json!({ "id": environment.id })).await;
    data["environment"]["gitDeploys"]["nodes"].as_array().unwrap().clone()
}

/// The newest request, when it has ended.
pub(super) async fn ended(client: &Client, environment: &Environment, id: &str) -> Value {
    eventually("the request has ended", async || {
        let all = deploys(client, environment).await;
        let found = all.into_iter().find(|it| it["id"] == id).unwrap();
        (found["state"] != "QUEUED" && found["state"] != "RUNNING").then_some(found)
    })
    .await
}

async fn ask(client: &Client, environment: &Environment, from: Value) -> Value {
    let input = json!({ "environmentId": environment.id, "from": from });
    let asked = client.ok(DEPLOY, json!({ "input": input })).await;
    ended(client, environment, asked["deployFromGit"]["gitDeploy"]["id"].as_str().unwrap()).await
}

/// Waits until the link answers this.
pub(super) async fn serves(edge: std::net::SocketAddr, environment: &Environment, expected: &str) {
    eventually(&format!("it serves {expected}"), async || {
        let page = Page::of(visit(edge, &environment.url, "/")).await;
        (page.body == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_branch_a_tag_and_a_commit_are_deployed_like_an_upload() {
    let server = server().await;
    let (ada, vic) = (server.sign_up("ada").await, server.sign_up("vic").await);
    let (project, environment) = site(&ada).await;
    ada.grant(&vic, "ownstak/viewer", "acme").await;
    let toml = b"[static]\nroot = \"public\"\n";
    let repository = Repository::with(&[("public/index.html", b"one"), ("reeve.toml", toml), ("a b/é.txt", b"")]);
    repository.git(&["tag", "--annotate", "v1", "--message", "The first"]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.commit("Second\n\nand more", &[("public/index.html", b"two")]);
    connect(&ada, &project, &repository.url()).await;

    let done = ask(&ada, &environment, json!({ "branch": "main" })).await;
    assert_eq!((&done["state"], &done["failure"]), (&json!("DEPLOYED"), &Value::Null), "{done:#}");
    serves(server.edge_address(), &environment, "two").await;
    let message = text(&done["deployment"]["message"]);
    assert!(message.starts_with("branch main at ") && message.ends_with(": Second"), "{message}");
    assert_eq!(done["commit"], repository.git(&["rev-parse", "HEAD"]));
    assert_eq!((&done["origin"], &done["actsAs"]["id"]), (&json!("REQUEST"), &json!(ada.account.id)));
    let done = ask(&ada, &environment, json!({ "tag": "v1" })).await;
    assert_eq!((&done["commit"], &done["deployment"]["number"]), (&json!(first), &json!(2)), "{done:#}");
    serves(server.edge_address(), &environment, "one").await;
    repository.commit("Third", &[("public/index.html", b"three")]);
    let done = ask(&ada, &environment, json!({ "commit": first })).await;
    assert_eq!(done["state"], "DEPLOYED", "one that no branch ends in: {done:#}");
    // Who may look sees what was asked, and may ask for nothing.
    assert_eq!(deploys(&vic, &environment).await.len(), 3);
    let input = json!({ "input": { "environmentId": environment.id, "from": { "branch": "main" } } });
    assert_eq!(vic.code(DEPLOY, input.clone()).await, "FORBIDDEN");
    ada.ok(DISCONNECT, json!({ "input": { "projectId": project } })).await;
    assert_eq!(ada.code(DISCONNECT, json!({ "input": { "projectId": project } })).await, "NOT_FOUND");
    let refusal = ada.refusal(DEPLOY, input).await;
    assert_eq!(refusal.extensions["reason"], "NO_REPOSITORY");
}

#[tokio::test]
async fn what_cannot_be_deployed_is_told_and_leaves_nothing() {
    let server = server().await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let repository = Repository::with(&[("index.html", b"one")]);
    connect(&ada, &project, &repository.url()).await;
    let failed = async |from: Value, word: &str| {
        let done = ask(&ada, &environment, from).await;
        let failure = done["failure"].as_str().unwrap_or_default();
        assert!(done["state"] == "FAILED" && failure.contains(word), "{word}: {done:#}");
    };
    failed(json!({ "branch": "missing" }), "missing").await;
    failed(json!({ "commit": "a".repeat(40) }), "").await;
    for (branch, link) in [("link", "/etc/passwd"), ("outside", "../../x")] {
        repository.git(&["checkout", "--quiet", "-b", branch]);
        std::os::unix::fs::symlink(link, repository.path().join("link")).unwrap();
        repository.commit("Linked", &[]);
        failed(json!({ "branch": branch }), "symbolic link").await;
        repository.git(&["checkout", "--quiet", "main"]);
    }
    // A path that no checkout would write is in a tree all the same.
    let blob = repository.git(&["hash-object", "-w", "index.html"]);
    for path in ["..", ".git", "a\\b"] {
        let tree = plumb(&repository, &["mktree"], &format!("100644 blob {blob}\t{path}\n"));
        let commit = repository.git(&["commit-tree", &tree, "-m", "Bad"]);
        repository.git(&["update-ref", "refs/heads/bad", &commit]);
        let done = ask(&ada, &environment, json!({ "branch": "bad" })).await;
        assert!(done["state"] == "FAILED" || path == ".git" || path == "a\\b", "{path}: {done:#}");
    }
    repository.git(&["checkout", "--quiet", "--orphan", "empty"]);
    repository.git(&["rm", "-rfq", "--cached", "."]);
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "Empty"]);
    failed(json!({ "branch": "empty" }), "no files").await;
    // A submodule is left as an empty folder; its address, which might be anything, is not looked at.
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "b".repeat(40))]);
    repository.git(&["add", "index.html"]);
    repository.git(&["commit", "--quiet", "-m", "Sub"]);
    assert_eq!(ask(&ada, &environment, json!({ "branch": "empty" })).await["state"], "DEPLOYED");
    for from in [json!({ "branch": "--upload-pack=id" }), json!({ "tag": "a..b" }), json!({ "commit": "HEAD" })] {
        let input = json!({ "input": { "environmentId": environment.id, "from": from } });
        assert_eq!(ada.code(DEPLOY, input).await, "INVALID_INPUT");
    }
    eventually("nothing is left of what was fetched", async || {
        let folder = server.data_folder().join("fetch");
        std::fs::read_dir(folder).unwrap().next().is_none().then_some(())
    })
    .await;
}

fn plumb(repository: &Repository, arguments: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut command = std::process::Command::new("git");
    command.args(arguments).current_dir(repository.path());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn an_address_is_read_as_one_and_leads_outside_only() {
    let strict = TestServer::start().await;
    let ada = strict.sign_up("ada").await;
    let (project, _) = site(&ada).await;
    let input = |url: &str| json!({ "input": { "projectId": project, "url": url } });
    for url in [
        "ext::sh -c 'touch /tmp/hacked'",
        "--upload-pack=touch /tmp/hacked",
        "file:///etc",
        "/etc",
        "http://example.com/x",
        "ssh://example.com/x",
        "git@example.com:x",
        "https://user:token@example.com/x",
        "https://-oProxyCommand=id/x",
        "",
    ] {
        assert_eq!(ada.code(CONNECT, input(url)).await, "INVALID_INPUT", "{url}");
    }
    for url in ["https://127.0.0.1/x", "https://localhost:1/x", "https://[::1]/x", "https://169.254.169.254/latest"] {
        let refusal = ada.refusal(CONNECT, input(url)).await;
        assert_eq!(refusal.extensions["reason"], "REPOSITORY_UNREADABLE", "{url}");
        assert!(refusal.message.contains("own network"), "{refusal:?}");
    }
    let vic = strict.sign_up("vic").await;
    ada.grant(&vic, "ownstak/viewer", "acme").await;
    assert_eq!(vic.code(CONNECT, input("https://127.0.0.1/x")).await, "FORBIDDEN", "who may not is told no more");
}

#[tokio::test]
async fn a_credential_opens_what_not_everybody_may_read_and_stays_secret() {
    let server = server().await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let repository = Repository::with(&[("index.html", b"private")]);
    let (token, later) = ("a-token-for-the-forge", "another-token-for-it");
    let served = repository.serve(&format!("robot:{token}"));
    let input = |path: &str, token: &str| {
        let credential = json!({ "username": "robot", "token": token });
        json!({ "input": { "projectId": project, "url": served.url(path), "credential": credential } })
    };
    for (path, token) in [("/site.git", "wrong"), ("/elsewhere", token), ("/none.git", token)] {
        let refusal = ada.refusal(CONNECT, input(path, token)).await;
        assert_eq!(refusal.extensions["reason"], "REPOSITORY_UNREADABLE", "{path}");
        assert!(!format!("{refusal:?}").contains(token), "{refusal:?}");
    }
    let connected = ada.ok(CONNECT, input("/site.git", token)).await["connectRepository"].clone();
    assert_eq!(connected["gitConnection"]["hasCredential"], true);
    let done = ask(&ada, &environment, json!({ "branch": "main" })).await;
    assert_eq!(done["state"], "DEPLOYED", "{done:#}");
    serves(server.edge_address(), &environment, "private").await;
    // The forge has another token now: what fails says so, until it is repaired.
    drop(served);
    let served = repository.serve(&format!("robot:{later}"));
    let input = json!({ "projectId": project, "url": served.url("/site.git"),
        "credential": { "username": "robot", "token": later } });
    connect_as(&ada, &input).await;
    let repair = |token: &str, rotate: bool| {
        json!({ "input": { "projectId": project, "rotateWebhookSecret": rotate,
            "credential": { "username": "robot", "token": token } } })
    };
    assert_eq!(ada.code(REPAIR, repair(token, false)).await, "FAILED_PRECONDITION");
    let shown = "query($id: ID!) { project(id: $id) { gitConnection { problem } } }";
    let problem = ada.ok(shown, json!({ "id": project })).await["project"]["gitConnection"]["problem"].clone();
    assert!(problem.is_string(), "{problem}");
    let repaired = ada.ok(REPAIR, repair(later, true)).await["repairGitConnection"].clone();
    assert!(repaired["webhookSecret"].is_string() && repaired["gitConnection"]["problem"].is_null(), "{repaired}");
    let done = ask(&ada, &environment, json!({ "branch": "main" })).await;
    assert_eq!(done["state"], "DEPLOYED", "{done:#}");
    let all = dump(&server.database_url()).await;
    for secret in [token, later, &text(&connected["webhookSecret"]), &text(&repaired["webhookSecret"])] {
        assert!(!holds(&all, secret), "a copy of the database gives {secret} away");
    }
}

async fn connect_as(ada: &Client, input: &Value) {
    ada.ok(CONNECT, json!({ "input": input })).await;
}

#[tokio::test]
async fn a_request_survives_a_kill_and_is_deployed_once() {
    for point in ["git.drafted", "git.deployed"] {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("reeve-server.toml"), "[git]\nprotocols = [\"file\"]\n").unwrap();
        let mut server = RealServer::start(data.path()).await;
        let ada = server.client().sign_up("ada").await;
        let (project, environment) = site(&ada).await;
        let repository = Repository::with(&[("index.html", b"one")]);
        connect(&ada, &project, &repository.url()).await;
        server.kill().await;
        server.start_again_with(&[("REEVE_CRASH_AT", point)]).await;
        let input = json!({ "environmentId": environment.id, "from": { "branch": "main" } });
        let asked = ada.ok(DEPLOY, json!({ "input": input })).await;
        server.ended().await;
        server.start_again().await;
        let id = text(&asked["deployFromGit"]["gitDeploy"]["id"]);
        let done = ended(&ada, &environment, &id).await;
        assert_eq!(done["state"], "DEPLOYED", "{point}: {done:#}");
        serves(server.edge_address(), &environment, "one").await;
        let states = "query($id: ID!) { environment(id: $id) { deployments { nodes { state } } } }";
        let states = ada.ok(states, json!({ "id": environment.id })).await.to_string();
        assert_eq!(states.matches("DRAFT").count() + states.matches("ACTIVE").count(), states.matches("state").count());
        assert_eq!(states.matches("ACTIVE").count(), 1, "{point}: {states}");
    }
}
