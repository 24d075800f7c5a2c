//! Input that means harm. Each test first shows that the honest form of the same request works, and last that the server
//! still serves.

use std::time::{Duration, Instant};

use reeve::domain::manifest::MAX_FILE_BYTES;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::harness::{CREATE_DEPLOYMENT, Client, TestServer, digest, draft_input, entry};

const VIEWER: &str = "{ viewer { id } }";

/// Longer than any honest document takes, and far shorter than one that grows with every level.
const SOON: Duration = Duration::from_secs(2);

async fn refused(client: &Client, document: &str, what: &str) {
    let began = Instant::now();
    let refusal = client.refusal(document, json!({})).await;
    assert!(["TOO_COMPLEX", "INVALID_INPUT"].contains(&refusal.code.as_str()), "{what}: {refusal:?}");
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
}

#[tokio::test]
async fn documents_that_ask_for_too_much_are_refused_before_they_cost() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    ada.ok("{ a: viewer { id } b: viewer { ...f } } fragment f on User { name }", json!({})).await;

    let shallow = "{ organizations { nodes { projects { nodes { organization { id } } } } } }";
    ada.ok(shallow, json!({})).await;
    let circle = "project { environments { nodes { ".repeat(20);
    let circle = format!("{{ environment(path: \"acme/site/production\") {{ {circle} id {} }} }}", "} } } ".repeat(20));
    refused(&ada, &circle, "sixty levels").await;
    let aliases: String = (0..2000).map(|number| format!("a{number}: viewer {{ id }} ")).collect();
    refused(&ada, &format!("{{ {aliases} }}"), "aliases").await;
    refused(&ada, &format!("{{ {} }}", "viewer { id } ".repeat(50_000)), "repetition").await;
    refused(&ada, &format!("{{ viewer {{ id {} }} }}", "@include(if: true) ".repeat(20_000)), "directives").await;
    let introspection = format!(
        "{{ __schema {{ types {{ fields {{ type {{ {}name{} }} }} }} }} }}",
        "ofType { ".repeat(60),
        " }".repeat(60)
    );
    refused(&ada, &introspection, "deep introspection").await;
    ada.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn lists_within_lists_are_counted_by_what_they_can_give() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    ada.ok("{ organizations { nodes { projects { nodes { environments { nodes { id } } } } } } }", json!({})).await;
    let rows = ["organizations", "projects", "environments", "deployments"];
    let open: String = rows.iter().map(|list| format!("{list}(first: 100) {{ nodes {{ ")).collect();
    refused(&ada, &format!("{{ {open} id {} }}", "} } ".repeat(rows.len())), "a hundred million rows").await;
    let circle = "projects(first: 100) { nodes { organization { ".repeat(4);
    let circle = format!("{{ organization(path: \"acme\") {{ {circle} id {} }} }}", "} } } ".repeat(4));
    refused(&ada, &circle, "the same hundred projects, a hundred million times").await;
    ada.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn fragments_that_multiply_are_refused_before_they_cost() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let bomb = |levels: usize| {
        let fragments: String =
            (0..levels).map(|at| format!("fragment f{at} on User {{ ...f{0} ...f{0} }} ", at + 1)).collect();
        format!("{{ viewer {{ ...f0 }} }} {fragments} fragment f{levels} on User {{ id }}")
    };
    ada.ok(&bomb(1), json!({})).await;
    refused(&ada, &bomb(30), "doubling fragments").await;
    let inline = format!("{{ viewer {{ {}id{} }} }}", "... on User { id ".repeat(100), " }".repeat(100));
    refused(&ada, &inline, "inline fragments").await;
    refused(&ada, "{ viewer { ...a } } fragment a on User { ...b } fragment b on User { ...a }", "a circle").await;
    refused(&ada, "{ viewer { ...a } } fragment a on User { ...a }", "a fragment in itself").await;
    let unused: String = (0..3000).map(|at| format!("fragment u{at} on User {{ id }} ")).collect();
    refused(&ada, &format!("{{ viewer {{ id }} }} {unused}"), "fragments that nobody uses").await;
    ada.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn nesting_does_not_overflow_the_stack() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    // The most that fits into what is read as a document at all.
    for levels in [100, 1_000, 15_000] {
        let fields = format!("{}{}", "{a".repeat(levels), "}".repeat(levels));
        refused(&ada, &fields, "fields").await;
        let list = format!("{{a(b:{}{})}}", "[".repeat(levels), "]".repeat(levels));
        refused(&ada, &list, "a list").await;
        let object = format!("{{a(b:{}1{})}}", "{a:".repeat(levels), "}".repeat(levels));
        refused(&ada, &object, "an object").await;
        let kind = format!("query($a: {}Int{}) {{ viewer {{ id }} }}", "[".repeat(levels), "]".repeat(levels));
        refused(&ada, &kind, "a type").await;
        let body = format!(
            "{{\"query\":\"{{viewer{{id}}}}\",\"variables\":{{\"a\":{}{}}}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        );
        let status = post(&ada, "application/json", body.into()).await.0;
        assert!(status == 200 || status == 400 || status == 413, "variables: {status}");
    }
    ada.ok(VIEWER, json!({})).await;
}

/// Sends a body as it is; the status and what came back.
async fn post(client: &Client, content_type: &str, body: Vec<u8>) -> (u16, String) {
    let request = client.http.post(format!("{}/graphql", client.base)).header(CONTENT_TYPE, content_type).body(body);
    let response = request.bearer_auth(client.token.as_deref().unwrap_or_default()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_mutation_comes_by_post_as_json_and_no_other_way() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let mutation = "mutation { createOrganization(input: { name: \"Evil\", slug: \"evil\" }) { organization { id } } }";
    let get = async |document: &str| {
        let url = format!("{}/graphql", ada.base);
        let request = ada.http.get(url).query(&[("query", document)]).header("accept", "application/json");
        request.bearer_auth(ada.token.as_deref().unwrap()).send().await.unwrap()
    };
    let refused = get(mutation).await;
    assert!(refused.status().is_client_error(), "{refused:?}");
    let hidden = get(&format!("query a {{ viewer {{ id }} }} {mutation}")).await;
    assert!(hidden.status().is_client_error(), "{hidden:?}");
    let body = json!({ "query": mutation }).to_string();
    // What a page of another origin can send without being asked about it.
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let (status, text) = post(&ada, content_type, body.clone().into_bytes()).await;
        assert!((400..500).contains(&status), "{content_type}: {status} {text}");
    }
    let batch = format!("[{body},{body}]");
    let (status, text) = post(&ada, "application/json", batch.into_bytes()).await;
    assert!((400..500).contains(&status), "a batch: {status} {text}");
    let list = ada.ok("{ organizations { nodes { slug } } }", json!({})).await;
    assert_eq!(list["organizations"]["nodes"], json!([]), "nothing was made");
    ada.ok(mutation, json!({})).await;
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{\"query\": 1}".to_vec(),
        b"{\"query\": \"\"}".to_vec(),
        b"{\"query\": \"{ viewer { id }\"}".to_vec(),
        b"{\"query\": \"\xff\xfe\"}".to_vec(),
        b"{\"query\": \"query a { viewer { id } } query b { viewer { id } }\"}".to_vec(),
        b"{\"query\": \"{ viewer { password } }\"}".to_vec(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let (status, text) = post(&ada, "application/json", body).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{shown}: not JSON: {text}"));
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT", "{shown}: {status} {text}");
        assert!(status < 500 && answer["data"].is_null(), "{shown}: {status} {text}");
        for inside in ["src/", "panicked", "serde", "sqlx", "sea_orm", "/root/"] {
            assert!(!text.contains(inside), "{shown}: {text}");
        }
    }
    let huge = json!({ "query": VIEWER, "variables": { "a": "x".repeat(30_000_000) } }).to_string().into_bytes();
    let sent =
        ada.http.post(format!("{}/graphql", ada.base)).header(CONTENT_TYPE, "application/json").body(huge).send();
    // The server may close as soon as it has seen enough.
    if let Ok(response) = sent.await {
        assert_eq!(response.status(), 413);
    }
    ada.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn every_answer_names_its_request_and_says_by_its_status_whether_it_knows_who_asks() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let (first, second) = (ada.query(VIEWER, json!({})).await, ada.query(VIEWER, json!({})).await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert!(first.request_id.len() > 15 && first.request_id != second.request_id);
    let forged = ada.with_token("forged").with_header("x-request-id", "mine").query(VIEWER, json!({})).await;
    assert_eq!(forged.status, 401);
    assert!(!forged.request_id.contains("mine"));
}

#[tokio::test]
async fn a_manifest_cannot_leave_its_folder() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let index = entry("index.html", b"hello");
    let draft = |entries: Vec<Value>| draft_input(&environment, &entries, None);
    ada.ok(CREATE_DEPLOYMENT, draft(vec![index.clone(), entry("a/b.txt", b"b")])).await;
    let long = "a".repeat(2000);
    let paths = [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "..\\x",
        "C:\\x",
        "c:x",
        "a\u{0}b",
        "a\nb",
        ".",
        "..",
        &long,
    ];
    for path in paths {
        let refusal = ada.refusal(CREATE_DEPLOYMENT, draft(vec![index.clone(), entry(path, b"x")])).await;
        assert_eq!(refusal.code, "INVALID_INPUT", "{path:?}");
        assert!(refusal.extensions.to_string().contains("1.path"), "{path:?}: {refusal:?}");
    }
    let with = |key: &str, value: Value| {
        let mut other = entry("x", b"x");
        other[key] = value;
        draft(vec![index.clone(), other])
    };
    for wrong in ["", "x", &"g".repeat(64), &digest(b"x").to_uppercase(), &digest(b"x")[..63], "../../../../etc/passwd"]
    {
        assert_eq!(ada.code(CREATE_DEPLOYMENT, with("digest", json!(wrong))).await, "INVALID_INPUT", "{wrong}");
    }
    for size in [json!(-1), json!(MAX_FILE_BYTES + 1), json!(9_007_199_254_740_993_i64), json!(1.5), json!("1")] {
        assert_eq!(ada.code(CREATE_DEPLOYMENT, with("sizeBytes", size.clone())).await, "INVALID_INPUT", "{size}");
    }
    for collision in ["index.html", "index.html/x", "INDEX.HTML/../x"] {
        let both = draft(vec![index.clone(), entry(collision, b"x")]);
        assert_eq!(ada.code(CREATE_DEPLOYMENT, both).await, "INVALID_INPUT", "{collision}");
    }
    assert_eq!(ada.code(CREATE_DEPLOYMENT, draft(Vec::new())).await, "INVALID_INPUT");
    let drafts = "query($id: ID!) { environment(id: $id) { deployments { nodes { number } } } }";
    let drafts = ada.ok(drafts, json!({ "id": environment.id })).await;
    assert_eq!(drafts["environment"]["deployments"]["nodes"], json!([{ "number": 1 }]), "nothing refused was kept");
}

#[tokio::test]
async fn uploads_cannot_leave_their_place() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let draft = ada.draft(&environment, &[("index.html", b"hello")], None).await;
    let base = draft.missing[0].1.replace(&digest(b"hello"), "");
    for name in
        ["", "..%2f..%2fmaster.key", "%2e%2e/master.key", "x", &digest(b"hello").to_uppercase(), &"0".repeat(10_000)]
    {
        let put = ada.put_blob(&format!("{base}{name}"), Some(&draft.token), b"hello".to_vec()).await;
        assert!(put.status.is_client_error(), "{name:.40}: {put:?}");
    }
    let get = ada.http.get(&draft.missing[0].1).bearer_auth(&draft.token).send().await.unwrap();
    assert!(get.status().is_client_error(), "what was sent is not read back here: {get:?}");
    assert_eq!(ada.put_blob(&draft.missing[0].1, Some(&draft.token), b"hello".to_vec()).await.status, 204);
}

#[tokio::test]
async fn ids_of_another_kind_and_of_no_kind_find_nothing() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let project = ada.ok("{ project(path: \"acme/site\") { id } }", json!({})).await["project"]["id"].clone();
    let swapped = environment.id.replace("env_", "prj_");
    let read = "query($id: ID!) { node(id: $id) { __typename id } }";
    assert_eq!(ada.ok(read, json!({ "id": project })).await["node"]["__typename"], "Project");
    for id in [
        swapped.as_str(),
        "",
        "env_",
        "env_zzz",
        "x",
        "ses_00000000000000000000000000",
        "1",
        "env_%00",
        &"a".repeat(50_000),
    ] {
        let response = ada.query(read, json!({ "id": id })).await;
        let nothing = response.errors.is_empty() && response.data["node"].is_null();
        assert!(nothing || response.clone().refusal().code == "INVALID_INPUT", "{id:.40}: {response:?}");
    }
    let environments = "query($id: ID!) { environment(id: $id) { id } }";
    for id in [project.as_str().unwrap(), "", "env_zzz", "' OR '1'='1"] {
        let code = ada.code(environments, json!({ "id": id })).await;
        assert!(["INVALID_INPUT", "NOT_FOUND"].contains(&code.as_str()), "{id}: {code}");
    }
    let many: Vec<String> = (0..5000).map(|_| environment.id.clone()).collect();
    let nodes = ada.query("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": many })).await;
    assert!(["TOO_COMPLEX", "INVALID_INPUT"].contains(&nodes.refusal().code.as_str()));
}
