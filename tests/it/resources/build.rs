//! Builds: what a command makes of what was uploaded is what is served, once and for all of its life; one that fails says why and
//! costs nobody anything.

use serde_json::json;

use crate::harness::{
    Client, Environment, Page, RealServer, TestServer, built_by, eventually, left_of_build, text, visit,
};

struct Ground {
    server: RealServer,
    ada: Client,
    organization: String,
    project: String,
    environment: Environment,
    data: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(settings: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("reeve-server.toml"), settings).unwrap();
        let server = RealServer::start(data.path()).await;
        let ada = server.client().sign_up("ada").await;
        let organization = ada.create_organization("acme").await;
        let project = ada.create_project(&organization, "site").await;
        let environment = ada.create_environment(&project, "staging", false).await;
        Self { server, ada, organization, project, environment, data }
    }

    async fn get(&self, link: &str, path: &str) -> Page {
        Page::of(visit(self.server.edge_address(), link, path)).await
    }

    async fn start_again(&mut self, variables: &[(&str, &str)]) {
        self.server.start_again_with(variables).await;
        self.ada.http = self.server.client().http;
    }
}

/// Counts the builds in the cache.
const COUNT: &str = "echo build >> $REEVE_CACHE/count; mkdir dist; grep -c build $REEVE_CACHE/count > dist/index.html";

#[tokio::test]
async fn what_is_built_is_what_is_served_and_is_never_built_again() {
    let ground = Ground::new().await;
    let ada = &ground.ada;
    ada.set_variable(&ground.environment.id, "GREETING", "good morning", false).await;
    ada.set_variable(&ground.environment.id, "TOKEN", "hunter2-and-more", true).await;
    let script = format!(
        "{COUNT}; echo $GREETING; echo the token is $TOKEN >&2; cat source > dist/page.html; ls >> dist/page.html"
    );
    let first = ada.built(&ground.environment, &script).await;
    assert_eq!(ground.get(&ground.environment.url, "/page.html").await.body, "of itdist\nsource\n");
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n");
    assert_eq!(ground.get(&ground.environment.url, "/source").await.status, 404, "a source was served");
    assert_eq!(ada.build_log(&first).await, ["good morning", "the token is ***"]);
    assert_eq!(left_of_build(ground.data.path(), &first), [""; 0]);
    let document = "query($id: ID!) { deployment(id: $id) { fileCount
        build { command output timeoutSeconds startedAt finishedAt exitCode fileCount sizeBytes } } }";
    let shown = ada.ok(document, json!({ "id": first.id })).await["deployment"].clone();
    let build = &shown["build"];
    assert_eq!((&build["exitCode"], &build["fileCount"], &build["output"]), (&json!(0), &json!(2), &json!("dist")));
    assert!(build["startedAt"].as_str() <= build["finishedAt"].as_str() && build["sizeBytes"] == 19, "{build}");
    // Another build of the project finds what the first has kept.
    let second = ada.built(&ground.environment, COUNT).await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "2\n");
    let redeploy = "mutation($id: ID!) { redeploy(input: { id: $id }) { deployment { id number url } } }";
    let copied = ada.ok(redeploy, json!({ "id": first.id })).await["redeploy"]["deployment"].clone();
    eventually("the copy serves", async || {
        let page = ground.get(copied["url"].as_str().unwrap(), "/").await;
        (page.status == 200).then(|| assert_eq!(page.body, "1\n"))
    })
    .await;
    ada.rollback(&first, "the second is worse").await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n");
    // Its content is its own: the others may go.
    for id in [&second.id, &text(&copied["id"])] {
        let delete = "mutation($id: ID!) { deleteDeployment(input: { id: $id }) { deployment { id } } }";
        ada.ok(delete, json!({ "id": id })).await;
        eventually("it is deleted", async || {
            let found =
                ada.ok("query($id: ID!) { deployment(id: $id) { action { kind state } } }", json!({ "id": id }));
            (found.await["deployment"]["action"] == json!({ "kind": "DELETE", "state": "SUCCEEDED" })).then_some(())
        })
        .await;
        assert!(!ground.data.path().join("instances").join(format!("{id}-build")).exists());
    }
    assert_eq!(ground.get(&ground.environment.url, "/page.html").await.body, "of itdist\nsource\n");
}

#[tokio::test]
async fn a_program_is_built_before_it_runs() {
    let ground = Ground::new().await;
    let python = crate::durability::program::interpreter();
    let server = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(__import__(\\\"os\\\").environ[\\\"PORT\\\"]), bind=\\\"127.0.0.1\\\")";
    let toml = format!(
        "[build]\ncommand = [\"sh\", \"-c\", \"echo built > page; echo '{server}' > server.py; chmod +x server.py\"]\n\
         [process]\ncommand = [{python:?}, \"server.py\"]\n"
    );
    let files: &[(&str, &[u8])] = &[("source", b"of it")];
    ground.ada.deploy_process(&ground.environment, files, &toml).await;
    assert_eq!(ground.get(&ground.environment.url, "/page").await.body, "built\n");
    assert_eq!(ground.get(&ground.environment.url, "/source").await.body, "of it", "the output is the whole folder");
}

#[tokio::test]
async fn one_that_fails_says_why_and_costs_nobody_anything() {
    let ground = Ground::new().await;
    let ada = &ground.ada;
    ada.built(&ground.environment, COUNT).await;
    let bad = ada.build(&ground.environment, "echo compiling; echo no such module >&2; exit 3").await;
    let failed = ada.failed(&bad).await;
    let why = "the build exited with code 3; the last of its log:\ncompiling\nno such module";
    assert_eq!(
        (&failed["state"], &failed["failure"], &failed["action"]["error"]),
        (&json!("FAILED"), &json!(why), &json!(why))
    );
    assert_eq!(failed["events"]["nodes"][0], json!({ "state": "FAILED", "detail": why }));
    assert!(failed["build"]["exitCode"] == 3 && failed["build"]["finishedAt"].is_string(), "{failed}");
    assert_eq!(left_of_build(ground.data.path(), &bad), [""; 0]);
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n");
    for (script, why) in [
        ("kill -9 $$", "signal 9"),
        ("mkdir dist; echo x > dist/about.html", "`index.html` is not among the files"),
        ("exec no-such-program", "code 127"),
    ] {
        let toml = built_by(script, "dist") + "[static]\nsingle_page = true\n";
        let bad = ada.deploy(&ground.environment, &[("index.html", b"a source")], Some(&toml)).await;
        let failure = text(&ada.failed(&bad).await["failure"]);
        assert!(failure.contains(why), "{script}: {failure}");
    }
    // A failed one can be tried again, and then it is built.
    let flaky = "[ -e $REEVE_CACHE/again ] || { touch $REEVE_CACHE/again; exit 1; }; mkdir dist; echo at last > dist/index.html";
    let bad = ada.build(&ground.environment, flaky).await;
    ada.failed(&bad).await;
    let redeploy = "mutation($id: ID!) { redeploy(input: { id: $id }) { deployment { id number url } } }";
    let again = ada.ok(redeploy, json!({ "id": bad.id })).await["redeploy"]["deployment"].clone();
    eventually("the second attempt serves", async || {
        let page = ground.get(again["url"].as_str().unwrap(), "/").await;
        (page.status == 200).then(|| assert_eq!(page.body, "at last\n"))
    })
    .await;
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended() {
    let ground = Ground::with("[builds]\ntimeout_seconds = 600\n").await;
    let toml = built_by("echo begun; sleep 1000", "dist") + "timeout_seconds = 1\n";
    let slow = ground.ada.deploy(&ground.environment, &[("source", b"")], Some(&toml)).await;
    let failure = text(&ground.ada.failed(&slow).await["failure"]);
    assert_eq!(failure, "the build took longer than 1 s and was ended; the last of its log:\nbegun");
    assert_eq!(left_of_build(ground.data.path(), &slow), [""; 0]);
}

#[tokio::test]
async fn what_no_deployment_can_have_is_refused_by_name() {
    let ground = Ground::with("[builds]\ndisk_mb = 1024\n").await;
    for (script, why) in [
        ("ln -s /etc/passwd dist/passwd", "`passwd` is a symbolic link"),
        ("ln -s .. dist/up", "`up` is a symbolic link"),
        ("rmdir dist; ln -s /etc dist", "the output `dist` is a symbolic link"),
        ("mkdir dist/a; mkfifo dist/a/pipe", "`a/pipe` is neither a file nor a folder"),
        ("touch \"dist/$(printf 'a\\377')\"", "is not UTF-8"),
        ("truncate -s 500G dist/giant", "`giant` is larger than"),
        ("cd dist; seq 25000 | xargs touch", "more than 20000 files"),
        ("cd dist; for n in 1 2 3 4 5; do truncate -s 250M $n; done", "more than 1024 MB"),
        ("cd dist; mkdir -p $(printf 'deep/%.0s' $(seq 300))", "too long"),
        ("rmdir dist", "the output folder `dist` is not there"),
        ("true", "has left no files"),
    ] {
        let bad = ground.ada.build(&ground.environment, &format!("mkdir dist; {script}")).await;
        let failed = ground.ada.failed(&bad).await;
        let failure = text(&failed["failure"]);
        assert!(failure.contains(why), "{script}: {failure}");
        assert_eq!(left_of_build(ground.data.path(), &bad), [""; 0], "{script}");
    }
}

#[tokio::test]
async fn a_cancel_kills_it_at_once_and_leaves_nothing() {
    let ground = Ground::new().await;
    let ada = &ground.ada;
    let slow = ada.build(&ground.environment, "(sleep 1000 &) ; echo begun; sleep 1000").await;
    ada.build_says(&slow, "begun").await;
    let cancel = "mutation($id: ID!) { cancelDeployment(input: { id: $id }) { deployment { id } } }";
    ada.ok(cancel, json!({ "id": slow.id })).await;
    ada.wait_for(&slow, "CANCELLED").await;
    let instance = ground.data.path().join("instances").join(format!("{}-build", slow.id));
    eventually("nothing is left of it", async || (!instance.exists()).then_some(())).await;
    assert_eq!(left_of_build(ground.data.path(), &slow), [""; 0]);
    // Its place is free again.
    ada.built(&ground.environment, COUNT).await;
}

#[tokio::test]
async fn a_server_that_dies_while_it_is_built_builds_it_once() {
    let mut ground = Ground::new().await;
    let points = ["begun", "started", "built", "run", "recorded"];
    for (number, point) in points.iter().enumerate() {
        ground.server.kill().await;
        ground.start_again(&[("REEVE_CRASH_AT", &format!("deploy.build.{point}"))]).await;
        let deployment = ground.ada.build(&ground.environment, &format!("sleep 0.2; {COUNT}")).await;
        ground.server.ended().await;
        ground.start_again(&[]).await;
        ground.ada.wait_for(&deployment, "ACTIVE").await;
        let served = ground.get(&ground.environment.url, "/").await.body;
        assert_eq!(served, format!("{}\n", number + 1), "died at {point}");
        assert_eq!(left_of_build(ground.data.path(), &deployment), [""; 0], "died at {point}");
    }
}

/// Kills the guardian of a build.
fn kill_guardian(ground: &Ground, deployment: &str) {
    let record = ground.data.path().join("instances").join(format!("{deployment}-build/pid.json"));
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let pid = i32::try_from(record["shim"]["pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn one_whose_guardian_dies_is_begun_anew() {
    let mut ground = Ground::new().await;
    let script = format!("{COUNT}; [ $(cat dist/index.html) -gt 2 ] || {{ echo waiting; sleep 1000; }}");
    let deployment = ground.ada.build(&ground.environment, &script).await;
    ground.ada.build_says(&deployment, "waiting").await;
    kill_guardian(&ground, &deployment.id);
    eventually("it was begun anew", async || (ground.ada.build_log(&deployment).await.len() == 2).then_some(())).await;
    // Both at once.
    ground.server.kill().await;
    kill_guardian(&ground, &deployment.id);
    ground.start_again(&[]).await;
    ground.ada.wait_for(&deployment, "ACTIVE").await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "3\n");
    assert_eq!(left_of_build(ground.data.path(), &deployment), [""; 0]);
}

#[tokio::test]
async fn the_cache_is_the_projects_and_is_emptied_when_it_is_full() {
    let ground = Ground::with("[builds]\ncache_mb = 16\n").await;
    let ada = &ground.ada;
    ada.built(&ground.environment, COUNT).await;
    let production = ada.create_environment(&ground.project, "production", true).await;
    ada.built(&production, COUNT).await;
    assert_eq!(ground.get(&production.url, "/").await.body, "2\n");
    let other = ada.create_project(&ground.organization, "other").await;
    let elsewhere = ada.create_environment(&other, "staging", false).await;
    ada.built(&elsewhere, COUNT).await;
    assert_eq!(ground.get(&elsewhere.url, "/").await.body, "1\n");
    // More than there may be: some of it is refused, or it is ended; the next one begins with an empty one.
    let fill = format!("{COUNT}; head -c 15900000 /dev/zero > $REEVE_CACHE/fill; true");
    ada.built(&ground.environment, &fill).await;
    ada.built(&ground.environment, COUNT).await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n");
}

#[tokio::test]
async fn without_walls_it_is_built_as_programs_run_there() {
    let ground = Ground::with("isolation = \"none\"\n[builds]\ndisk_mb = 32\ncache_mb = 16\n").await;
    let ada = &ground.ada;
    // What it leaves is hard to remove, and is.
    let deep = "mkdir -p $(printf 'deep/%.0s' $(seq 300)); mkdir closed; touch closed/x; chmod 0 closed";
    let first = ada.built(&ground.environment, &format!("{COUNT}; echo $GREETING; {deep}")).await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n");
    assert_eq!(left_of_build(ground.data.path(), &first), [""; 0]);
    ada.built(&ground.environment, COUNT).await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "2\n");
    let bad = ada.build(&ground.environment, "head -c 60000000 /dev/zero > fill; sleep 1000").await;
    let failure = text(&ada.failed(&bad).await["failure"]);
    assert_eq!(failure, "the build wrote more than 32 MB and was ended");
    assert_eq!(left_of_build(ground.data.path(), &bad), [""; 0]);
    ada.built(&ground.environment, &format!("{COUNT}; head -c 17000000 /dev/zero > $REEVE_CACHE/fill")).await;
    ada.built(&ground.environment, COUNT).await;
    assert_eq!(ground.get(&ground.environment.url, "/").await.body, "1\n", "what was too much is gone");
}

#[tokio::test]
async fn who_views_deployments_reads_what_was_built_and_not_what_runs() {
    let ground = Ground::new().await;
    let (bob, eve) = (ground.server.client().sign_up("bob").await, ground.server.client().sign_up("eve").await);
    let row = |capability: &str| json!({ "boundAt": "ORGANIZATION", "capability": capability, "environments": "ANY" });
    let create = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    let rows = [row("environment.view"), row("deployment.view")];
    let input = json!({ "name": "watcher", "scope": ground.organization, "rows": rows });
    let made = ground.ada.ok(create, json!({ "input": input })).await;
    ground.ada.grant(&bob, made["createRole"]["role"]["name"].as_str().unwrap(), &ground.organization).await;
    let deployment = ground.ada.built(&ground.environment, &format!("echo one; echo two; {COUNT}")).await;
    assert_eq!(bob.build_log(&deployment).await, ["one", "two"]);
    let of = |kind: &str| format!("query($id: ID!) {{ deployment(id: $id) {{ log(kind: {kind}) {{ text }} }} }}");
    let id = json!({ "id": deployment.id });
    assert_eq!(bob.code(&of("RUNTIME"), id.clone()).await, "FORBIDDEN");
    assert_eq!(eve.code(&of("BUILD"), id.clone()).await, "NOT_FOUND");
    let follow =
        |kind: &str| format!("subscription($id: ID!) {{ deploymentLog(deploymentId: $id, kind: {kind}) {{ text }} }}");
    let lines = bob.follow(&follow("BUILD"), id.clone()).await.rest().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(bob.follow(&follow("RUNTIME"), id.clone()).await.cut().await.0, "FORBIDDEN");
    assert_eq!(eve.follow(&follow("BUILD"), id).await.cut().await.0, "NOT_FOUND");
}

#[tokio::test]
async fn a_build_that_cannot_be_meant_is_refused_before_anything_is_sent() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    for (build, problem) in [
        ("command = []", "build.command"),
        ("command = [\"make\"]\noutput = \"../dist\"", "build.output"),
        ("command = [\"make\"]\noutput = \"/dist\"", "build.output"),
        ("command = [\"make\"]\ntimeout_seconds = 0", "build.timeout_seconds"),
        ("comand = [\"make\"]", "build.comand"),
    ] {
        let entries = [crate::harness::entry("source", b"")];
        let toml = format!("[build]\n{build}\n");
        let input = crate::harness::draft_input(&environment, &entries, Some(&toml));
        let refusal = ada.refusal(crate::harness::CREATE_DEPLOYMENT, input).await;
        let problems = refusal.extensions["problems"].to_string();
        assert!(refusal.code == "INVALID_INPUT" && problems.contains(problem), "{build}: {problems}");
    }
}
