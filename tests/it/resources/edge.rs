//! What visitors see: whom they reach by which name, and that nothing is dropped when that changes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::header::{ETAG, IF_NONE_MATCH};

use crate::harness::{Page, TestServer, host, raw, visit};

#[tokio::test]
async fn a_name_that_leads_nowhere_is_said_to_lead_nowhere() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let empty = server.get(&environment.url, "/").await;
    assert!([404, 503].contains(&empty.status.as_u16()), "an environment without a deployment: {empty:?}");
    let names = [
        "production--site.nobody.localhost",
        "1--production--site.acme.localhost",
        "acme.localhost",
        "localhost",
        "example.com",
        "127.0.0.1",
        "production--site.acme.localhost.evil.example",
    ];
    for name in names {
        let page = server.get(name, "/").await;
        assert_eq!(page.status, 404, "{name}: {page:?}");
    }
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    for name in [
        &environment.url,
        "PRODUCTION--SITE.ACME.LOCALHOST",
        "production--site.acme.localhost.",
        "production--site.acme.localhost:1",
    ] {
        assert_eq!(server.get(name, "/").await.body, "hello", "{name}");
    }
    for name in names.into_iter().filter(|name| !name.starts_with("1--")) {
        assert_eq!(server.get(name, "/").await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn files_are_served_as_what_they_are_and_nothing_else_is() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let files: &[(&str, &[u8])] =
        &[("index.html", b"<p>hi"), ("app.js", b"1"), ("docs/index.html", b"docs"), ("a b/ü.txt", b"odd")];
    ada.deploy_static(&environment, files).await;
    let page = server.get(&environment.url, "/").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{page:?}");
    assert!(page.headers["x-request-id"].len() > 8);
    let script = server.get(&environment.url, "/app.js").await;
    assert!(script.headers["content-type"].to_str().unwrap().contains("javascript"), "{script:?}");
    assert_eq!(server.get(&environment.url, "/docs/").await.body, "docs");
    assert_eq!(server.get(&environment.url, "/a%20b/%C3%BC.txt").await.body, "odd");
    let unchanged = visit(server.edge_address(), &environment.url, "/").header(IF_NONE_MATCH, &page.headers[ETAG]);
    assert_eq!(Page::of(unchanged).await.status, 304);
    for path in [
        "/missing",
        "/index.html/",
        "/docs/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/index.html%00.txt",
    ] {
        let page = server.get(&environment.url, path).await;
        assert!([301, 308, 400, 404].contains(&page.status.as_u16()), "{path}: {page:?}");
        assert!(!page.body.contains("root:"), "{path}");
    }
}

#[tokio::test]
async fn requests_that_two_servers_could_read_differently_are_refused() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let host = host(&environment.url);
    let ask = async |request: String| raw(server.edge_address(), request.as_bytes()).await;
    let fine = ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
    assert!(fine.starts_with("HTTP/1.1 200") && fine.ends_with("hello"), "{fine}");
    let bad = [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: example.com\r\nConnection: close\r\n\r\n"),
        format!("GET http://example.com/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("GET /../../../../etc/passwd HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        format!("GET / HTTP/1.1\r\nHost : {host}\r\nConnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "a".repeat(2_000_000)),
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1} nonsense\r\n\r\n".to_owned(),
    ];
    for request in bad {
        let answer = ask(request.clone()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(answer.is_empty() || status.starts_with('4'), "{request:.80}: {answer}");
        assert!(!answer.contains("hello"), "{request:.80}: {answer}");
    }
    assert_eq!(server.get(&environment.url, "/").await.body, "hello");
}

#[tokio::test]
async fn no_request_is_dropped_while_versions_change() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let first = ada.deploy_static(&environment, &[("index.html", b"version one")]).await;
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let visitor = async || {
        while !over.load(Ordering::Relaxed) {
            let page = server.get(&environment.url, "/").await;
            assert!(page.status == 200 && page.body.starts_with("version "), "{page:?}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    let change = async {
        for round in 0..3 {
            let content = format!("version {round}").into_bytes();
            ada.deploy_static(&environment, &[("index.html", &content)]).await;
            assert_eq!(server.get(&environment.url, "/").await.body.as_bytes(), content);
            ada.rollback(&first, "back and forth").await;
            assert_eq!(server.get(&environment.url, "/").await.body, "version one");
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(visitor(), visitor(), visitor(), visitor(), change);
    let answered = answered.into_inner();
    assert!(answered > 50, "hardly anybody came: {answered}");
}
