//! Drafting, sending files, deploying, rolling back.

use serde_json::{Value, json};

use crate::harness::{CREATE_DEPLOYMENT, DEPLOY, DEPLOYMENT, ROLLBACK, TestServer, digest, draft_input, entry};

const ENVIRONMENT: &str = "query($id: ID!) { environment(id: $id) {
    pinned activeDeployment { id } deployments { nodes { number state } } } }";

fn rollback(id: &str, expected: Option<&str>) -> Value {
    json!({ "input": { "id": id, "reason": "checkout is broken", "expectedActiveDeploymentId": expected } })
}

#[tokio::test]
async fn a_deployment_replaces_the_one_before_and_a_rollback_brings_it_back() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let first = ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    assert_eq!(server.get(&environment.url, "/").await.body, "one");
    let second = ada.deploy_static(&environment, &[("index.html", b"two"), ("a/b.txt", b"deep")]).await;
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(server.get(&environment.url, "/").await.body, "two");
    assert_eq!(server.get(&environment.url, "/a/b.txt").await.body, "deep");
    assert_eq!(server.get(&first.url, "/").await.body, "one", "each deployment keeps its own link");
    assert_eq!(server.get(&first.url, "/a/b.txt").await.status, 404);
    let id = json!({ "id": environment.id });
    let now = ada.ok(ENVIRONMENT, id.clone()).await["environment"].clone();
    let states = json!([{ "number": 2, "state": "ACTIVE" }, { "number": 1, "state": "READY" }]);
    assert_eq!((&now["pinned"], &now["deployments"]["nodes"]), (&json!(false), &states), "the newest first");

    ada.rollback(&first, "checkout is broken").await;
    assert_eq!(server.get(&environment.url, "/").await.body, "one");
    assert_eq!(server.get(&second.url, "/").await.body, "two");
    let now = ada.ok(ENVIRONMENT, id).await["environment"].clone();
    assert_eq!((&now["pinned"], &now["activeDeployment"]["id"]), (&json!(true), &json!(first.id)));
    let action = ada.ok(DEPLOYMENT, json!({ "id": first.id })).await["deployment"]["action"].clone();
    assert_eq!((&action["kind"], &action["reason"]), (&json!("ROLLBACK"), &json!("checkout is broken")));
    let by_path = "{ deployment(path: \"acme/site/production\", number: 2) { id state } }";
    let by_path = ada.ok(by_path, json!({})).await;
    assert_eq!(by_path["deployment"], json!({ "id": second.id, "state": "READY" }));
}

#[tokio::test]
async fn a_rollback_goes_where_it_can_and_is_never_surprised() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let first = ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    let second = ada.deploy_static(&environment, &[("index.html", b"two")]).await;
    let draft = ada.draft(&environment, &[("index.html", b"three")], None).await.deployment;
    assert_eq!(ada.code(ROLLBACK, rollback(&first.id, Some(&first.id))).await, "CONFLICT", "another one is active");
    let active = ada.refusal(ROLLBACK, rollback(&second.id, None)).await;
    assert_eq!(
        (active.code.as_str(), &active.extensions["reason"]),
        ("FAILED_PRECONDITION", &json!("DEPLOYMENT_ACTIVE"))
    );
    let unready = ada.refusal(ROLLBACK, rollback(&draft.id, None)).await;
    assert_eq!(unready.extensions["reason"], "DEPLOYMENT_NOT_READY");
    for reason in ["", "   ", "a\u{0}b", &"x".repeat(100_000)] {
        let input = json!({ "input": { "id": first.id, "reason": reason } });
        assert_eq!(ada.code(ROLLBACK, input).await, "INVALID_INPUT", "{:.20}", reason);
    }
    assert_eq!(server.get(&environment.url, "/").await.body, "two");
    ada.ok(ROLLBACK, rollback(&first.id, Some(&second.id))).await;
    ada.wait_for(&first, "ACTIVE").await;
    assert_eq!(server.get(&environment.url, "/").await.body, "one");
}

#[tokio::test]
async fn files_are_sent_once_for_a_project_and_never_shared_between_projects() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let files: &[(&str, &[u8])] = &[("index.html", b"one"), ("copy.html", b"one"), ("two.html", b"two")];
    let first = ada.draft(&environment, files, None).await;
    assert_eq!(first.missing.len(), 2, "the same content is asked for once: {:?}", first.missing);
    let early = ada.refusal(DEPLOY, json!({ "input": { "id": first.deployment.id } })).await;
    assert_eq!((early.code.as_str(), &early.extensions["reason"]), ("FAILED_PRECONDITION", &json!("FILES_MISSING")));
    ada.upload(&first, files).await;
    let again = ada.draft(&environment, files, None).await;
    assert_eq!(again.missing, Vec::new(), "the project has them all");
    let organization = eve.create_organization("evil").await;
    let elsewhere = eve.create_project(&organization, "site").await;
    let elsewhere = eve.create_environment(&elsewhere, "production", true).await;
    assert_eq!(eve.draft(&elsewhere, files, None).await.missing.len(), 2, "naming a digest gives nobody the file");
    ada.ok(DEPLOY, json!({ "input": { "id": again.deployment.id } })).await;
    ada.wait_for(&again.deployment, "ACTIVE").await;
    assert_eq!(server.get(&environment.url, "/copy.html").await.body, "one");
    let twice = ada.refusal(DEPLOY, json!({ "input": { "id": again.deployment.id } })).await;
    assert_eq!(twice.extensions["reason"], "DEPLOYMENT_NOT_DRAFT");
}

#[tokio::test]
async fn what_arrives_is_what_was_announced() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let files: &[(&str, &[u8])] = &[("index.html", b"hello, world")];
    let draft = ada.draft(&environment, files, None).await;
    let (url, token) = (draft.missing[0].1.as_str(), Some(draft.token.as_str()));
    for wrong in
        [b"hello, earth".to_vec(), b"hello".to_vec(), b"hello, world!".to_vec(), Vec::new(), vec![0; 5_000_000]]
    {
        let length = wrong.len();
        let put = ada.put_blob(url, token, wrong).await;
        assert!(put.status.is_client_error(), "{length} bytes: {put:?}");
        assert_eq!(put.code.as_deref(), Some("INVALID_INPUT"), "{length} bytes");
    }
    let early = ada.code(DEPLOY, json!({ "input": { "id": draft.deployment.id } })).await;
    assert_eq!(early, "FAILED_PRECONDITION", "nothing wrong was kept");
    let elsewhere = url.replace(&digest(b"hello, world"), &digest(b"something else"));
    assert_ne!(elsewhere, url);
    let put = ada.put_blob(&elsewhere, token, b"something else".to_vec()).await;
    assert_eq!(put.code.as_deref(), Some("INVALID_INPUT"), "a file that the draft does not name: {put:?}");
    let put = ada.put_blob(url, token, b"hello, world".to_vec()).await;
    assert_eq!(put.status, 204);
    assert_eq!(ada.put_blob(url, token, b"hello, world".to_vec()).await.status, 204, "sending it again is fine");
}

#[tokio::test]
async fn files_come_from_who_made_the_draft() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let files: &[(&str, &[u8])] = &[("index.html", b"hello")];
    let draft = ada.draft(&environment, files, None).await;
    let organization = eve.create_organization("evil").await;
    let project = eve.create_project(&organization, "site").await;
    let hers = eve.create_environment(&project, "production", true).await;
    let evil = eve.draft(&hers, &[("index.html", b"evil")], None).await;
    let url = draft.missing[0].1.as_str();
    let access = ada.token.clone().unwrap();
    for token in [None, Some(""), Some("nonsense"), Some(access.as_str())] {
        let put = ada.put_blob(url, token, b"hello".to_vec()).await;
        assert_eq!((put.status.as_u16(), put.code.as_deref()), (401, Some("UNAUTHENTICATED")), "{token:?}");
    }
    let put = eve.put_blob(url, Some(&evil.token), b"hello".to_vec()).await;
    assert!(put.status.is_client_error() && put.code.is_some(), "{put:?}");
    let early = ada.code(DEPLOY, json!({ "input": { "id": draft.deployment.id } })).await;
    assert_eq!(early, "FAILED_PRECONDITION", "a stranger's upload did not count");
    ada.upload(&draft, files).await;
    ada.ok(DEPLOY, json!({ "input": { "id": draft.deployment.id } })).await;
    ada.wait_for(&draft.deployment, "ACTIVE").await;
    let late = ada.put_blob(url, Some(&draft.token), b"hello".to_vec()).await;
    assert_eq!(late.code.as_deref(), Some("FAILED_PRECONDITION"), "a deployment that is no draft takes no files");
}

#[tokio::test]
async fn a_button_that_is_shown_works_and_one_that_is_not_is_refused() {
    let server = TestServer::start().await;
    let (ada, ed, vic) = (server.sign_up("ada").await, server.sign_up("ed").await, server.sign_up("vic").await);
    let eve = server.sign_up("eve").await;
    let environment = ada.create_site().await;
    ada.grant(&ed, "ownstak/editor", "acme/site").await;
    ada.grant(&vic, "ownstak/viewer", "acme/site").await;
    let first = ed.deploy_static(&environment, &[("index.html", b"one")]).await;
    let second = ed.deploy_static(&environment, &[("index.html", b"two")]).await;
    for (who, deployment, action, shown) in [
        (&ed, &first, "ROLLBACK", true),
        (&ed, &second, "ROLLBACK", false),
        (&vic, &first, "ROLLBACK", false),
        (&ed, &first, "DEPLOY", false),
    ] {
        let read = who.ok(DEPLOYMENT, json!({ "id": deployment.id })).await["deployment"].clone();
        let actions = read["availableActions"].as_array().unwrap();
        let button = actions.iter().find(|it| it["action"] == action).unwrap_or_else(|| panic!("{action}: {read:#}"));
        assert_eq!(button["allowed"], shown, "{action}: {button}");
        assert_eq!(button["reason"].is_null(), shown, "a refusal says why: {button}");
    }
    assert_eq!(vic.code(ROLLBACK, rollback(&first.id, None)).await, "FORBIDDEN");
    assert_eq!(eve.code(ROLLBACK, rollback(&first.id, None)).await, "NOT_FOUND");
    assert_eq!(eve.code(DEPLOYMENT, json!({ "id": first.id })).await, "NOT_FOUND");
    let draft = draft_input(&environment, &[entry("index.html", b"x")], None);
    assert_eq!(vic.refusal(CREATE_DEPLOYMENT, draft.clone()).await.extensions["capability"], "deployment.create");
    assert_eq!(eve.code(CREATE_DEPLOYMENT, draft.clone()).await, "NOT_FOUND");
    assert_eq!(server.client().code(CREATE_DEPLOYMENT, draft).await, "UNAUTHENTICATED");
    ed.rollback(&first, "as the button said").await;
}
