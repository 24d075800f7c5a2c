//! What the edge does for an environment beside serving it, as its people set it and its visitors see it.

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH, RANGE};
use serde_json::{Value, json};

use crate::harness::{Client, Environment, Page, TestServer, eventually, visit};

const UPDATE: &str = "mutation($input: UpdateEdgeSettingsInput!) { updateEdgeSettings(input: $input) { settings {
    redirects { from to permanent } passwordProtected errorPages { status html } requestsPerMinute compression version } } }";
const READ: &str = "query($id: ID!) { environment(id: $id) { edgeSettings {
    redirects { from to permanent } passwordProtected errorPages { status html } requestsPerMinute compression version } } }";
const PASSWORD: &str = "a battery of staples";

struct Story {
    server: TestServer,
    ada: Client,
    environment: Environment,
    own_link: String,
}

impl Story {
    async fn begin(files: &[(&str, &[u8])]) -> Self {
        let server = TestServer::start().await;
        let ada = server.sign_up("ada").await;
        let environment = ada.create_site().await;
        let own_link = ada.deploy_static(&environment, files).await.url;
        Self { server, ada, environment, own_link }
    }

    fn input(&self, version: i32, mut change: Value) -> Value {
        change["environmentId"] = json!(self.environment.id);
        change["expectedVersion"] = json!(version);
        json!({ "input": change })
    }

    async fn set(&self, version: i32, change: Value) -> Value {
        let data = self.ada.ok(UPDATE, self.input(version, change)).await;
        data["updateEdgeSettings"]["settings"].clone()
    }

    fn ask(&self, path: &str) -> reqwest::RequestBuilder {
        visit(self.server.edge_address(), &self.environment.url, path)
    }

    async fn with(&self, password: &str) -> StatusCode {
        Page::of(self.ask("/").basic_auth("anybody", Some(password))).await.status
    }

    async fn answers(&self, path: &str, status: u16) -> Page {
        eventually(&format!("{path} is answered by {status}"), async || {
            let page = Page::of(self.ask(path)).await;
            (page.status == status).then_some(page)
        })
        .await
    }
}

#[tokio::test]
async fn a_password_stands_before_every_link_of_an_environment() {
    let story = Story::begin(&[("index.html", b"secret")]).await;
    let set = story.set(0, json!({ "password": PASSWORD })).await;
    assert_eq!(set["passwordProtected"], true);
    assert!(!set.to_string().contains("argon2"), "{set}");
    let locked = story.answers("/", 401).await;
    assert_eq!(locked.headers["www-authenticate"], "Basic realm=\"site\", charset=\"UTF-8\"");
    assert!(!locked.body.contains("secret"));
    let own = Page::of(visit(story.server.edge_address(), &story.own_link, "/")).await;
    assert_eq!(own.status, 401, "a deployment's own link is no way around");
    assert_eq!(story.with(PASSWORD).await, 200);
    assert_eq!(story.with("a battery of stapleS").await, 401);
    assert_eq!(story.with("").await, 401);
    assert_eq!(Page::of(story.ask("/").header("authorization", "Basic !!!")).await.status, 401);
    assert_eq!(Page::of(story.ask("/").bearer_auth(PASSWORD)).await.status, 401);

    story.set(1, json!({ "password": "another battery of staples" })).await;
    eventually("the old password is no good", async || (story.with(PASSWORD).await == 401).then_some(())).await;
    assert_eq!(story.with("another battery of staples").await, 200);
    story.set(2, json!({ "password": null })).await;
    assert_eq!(story.answers("/", 200).await.body, "secret");
}

#[tokio::test]
async fn passwords_cannot_be_tried_without_end() {
    let story = Story::begin(&[("index.html", b"secret")]).await;
    story.set(0, json!({ "password": PASSWORD })).await;
    story.answers("/", 401).await;
    assert_eq!(story.with(PASSWORD).await, 200);
    let mut refused = 0;
    for number in 0..20 {
        let status = story.with(&format!("guess number {number}")).await;
        assert!(status == 401 || status == 429, "{status}");
        refused += usize::from(status == 429);
    }
    assert!(refused >= 10, "only {refused} of 20 guesses were too many");
    assert_eq!(story.with(PASSWORD).await, 200, "who is known is not kept out by the guesses");
}

#[tokio::test]
async fn redirects_lead_elsewhere_and_keep_the_query() {
    let story = Story::begin(&[("index.html", b"home"), ("old", b"hidden by a redirect")]).await;
    let redirects = json!([
        { "from": "/old", "to": "/", "permanent": true },
        { "from": "/blog/*", "to": "https://blog.example.com/*" },
    ]);
    story.set(0, json!({ "redirects": redirects })).await;
    let page = story.answers("/old?a=1", 308).await;
    assert_eq!(page.headers["location"], "/?a=1");
    let page = story.answers("/blog/2026/first", 307).await;
    assert_eq!(page.headers["location"], "https://blog.example.com/2026/first");
    assert_eq!(story.answers("/", 200).await.body, "home");
    let bad = json!({ "redirects": [{ "from": "/a", "to": "//evil.example" }, { "from": "b", "to": "/c" }] });
    let refusal = story.ada.refusal(UPDATE, story.input(1, bad)).await;
    assert_eq!(refusal.code, "INVALID_INPUT");
    let fields: Vec<&Value> =
        refusal.extensions["problems"].as_array().unwrap().iter().map(|problem| &problem["field"]).collect();
    assert_eq!(fields, ["redirects.0.to", "redirects.1.from"], "all problems at once");
}

#[tokio::test]
async fn own_pages_are_for_browsers() {
    let story = Story::begin(&[("index.html", b"home")]).await;
    story.set(0, json!({ "errorPages": [{ "status": 404, "html": "<h1>lost at sea" }] })).await;
    let page = eventually("the own page is there", async || {
        let page = Page::of(story.ask("/missing").header(ACCEPT, "text/html")).await;
        page.body.contains("lost at sea").then_some(page)
    })
    .await;
    assert_eq!(page.status, 404);
    assert_eq!(page.body, "<h1>lost at sea");
    let json = Page::of(story.ask("/missing").header(ACCEPT, "application/json")).await;
    assert!(json.body.contains("not_found"), "{json:?}");
    let bad = json!({ "errorPages": [{ "status": 200, "html": "" }] });
    assert_eq!(story.ada.code(UPDATE, story.input(1, bad)).await, "INVALID_INPUT");
}

#[tokio::test]
async fn one_client_comes_only_so_often() {
    let story = Story::begin(&[("index.html", b"home")]).await;
    story.set(0, json!({ "requestsPerMinute": 5 })).await;
    let page = story.answers("/", 429).await;
    let wait: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{page:?}");
    // What is published again does not begin to count anew.
    let project = story.ada.create_project(&story.ada.create_organization("other").await, "x").await;
    let other = story.ada.create_environment(&project, "y", false).await;
    story.ada.deploy_static(&other, &[("index.html", b"other")]).await;
    assert_eq!(Page::of(story.ask("/")).await.status, 429);
    assert_eq!(story.server.get(&other.url, "/").await.status, 200, "each environment counts for itself");
    story.set(1, json!({ "requestsPerMinute": null })).await;
    story.answers("/", 200).await;
    for bad in [0, -1, 5_000_000_000_i64] {
        let change = story.input(2, json!({ "requestsPerMinute": bad }));
        assert_eq!(story.ada.code(UPDATE, change).await, "INVALID_INPUT", "{bad}");
    }
}

#[tokio::test]
async fn files_are_smaller_for_who_takes_them_so() {
    let text = "the same again and again; ".repeat(400);
    let story =
        Story::begin(&[("index.html", text.as_bytes()), ("photo.png", text.as_bytes()), ("s.css", b"a{}")]).await;
    let ask = async |path: &str, coding: &str| story.ask(path).header(ACCEPT_ENCODING, coding).send().await.unwrap();
    let plain = ask("/", "identity").await;
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    let strong = plain.headers()["etag"].clone();
    for coding in ["br", "gzip"] {
        let response = ask("/", coding).await;
        assert_eq!(response.headers()["content-encoding"], coding);
        assert_eq!(response.headers()["etag"], format!("W/{}", strong.to_str().unwrap()).as_str());
        let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len(), length);
        assert!(length < text.len() / 10, "{length}");
        if coding == "gzip" {
            let mut read = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut read).unwrap();
            assert_eq!(read, text);
        }
    }
    let weak = format!("W/{}", strong.to_str().unwrap());
    let unchanged = story.ask("/").header(ACCEPT_ENCODING, "br").header(IF_NONE_MATCH, weak);
    assert_eq!(Page::of(unchanged).await.status, 304);
    let part = Page::of(story.ask("/").header(ACCEPT_ENCODING, "br").header(RANGE, "bytes=0-2")).await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "the"), "a part is one of the file itself");
    for (path, why) in [("/photo.png", "an image is small already"), ("/s.css", "too small to gain")] {
        assert!(!ask(path, "br, gzip").await.headers().contains_key("content-encoding"), "{why}");
    }
    story.set(0, json!({ "compression": false })).await;
    eventually("nothing is made smaller", async || {
        (!ask("/", "br").await.headers().contains_key("content-encoding")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_somebody_else_has_changed_are_not_overwritten() {
    let story = Story::begin(&[("index.html", b"home")]).await;
    let read = story.ada.ok(READ, json!({ "id": story.environment.id })).await;
    let nothing = json!({ "redirects": [], "passwordProtected": false, "errorPages": [], "requestsPerMinute": null,
        "compression": true, "version": 0 });
    assert_eq!(read["environment"]["edgeSettings"], nothing);
    let set = story.set(0, json!({ "compression": false, "requestsPerMinute": 100 })).await;
    assert_eq!(
        (&set["compression"], &set["requestsPerMinute"], &set["version"]),
        (&json!(false), &json!(100), &json!(1))
    );
    for stale in [0, 2] {
        let change = story.input(stale, json!({ "compression": true }));
        assert_eq!(story.ada.code(UPDATE, change).await, "CONFLICT", "{stale}");
    }
    let set = story.set(1, json!({ "compression": true })).await;
    assert_eq!((&set["requestsPerMinute"], &set["version"]), (&json!(100), &json!(2)), "what is left out stays");
}
