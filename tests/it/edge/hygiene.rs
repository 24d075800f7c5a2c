//! What passes the edge between a client and a program, and what the edge answers itself.

use std::net::SocketAddr;

use reeve::edge::{EdgeConfig, Timeouts, routes::TargetSpec};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};

use super::support::{Program, Rig, read_until};

/// A program that answers its first connection with these bytes and gives the request's head.
async fn canned(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        head.to_ascii_lowercase()
    });
    (address, task)
}

#[tokio::test]
async fn headers_of_one_connection_stay_on_it() {
    let rig = Rig::new(EdgeConfig { https: true, ..EdgeConfig::default() }).await;
    let (address, head) = canned(
        "HTTP/1.1 200 OK\r\nServer: theirs\r\nConnection: X-Secret-Hop\r\nX-Secret-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    rig.route("app.apps.test", "d0", TargetSpec::Process(address.into())).await;
    let answer = rig
        .raw(
            "GET /a%2Fb?q=1 HTTP/1.1\r\nHost: App.apps.test:8080\r\nConnection: close, X-Drop, Host\r\nX-Drop: 1\r\n\
             Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n\
             Upgrade: h2c\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Host: evil\r\n\
             X-Forwarded-Proto: gopher\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: bad id\r\n\
             Cookie: a=b\r\n\r\n",
        )
        .await;
    let head = head.await.unwrap();
    assert!(head.starts_with("get /a%2fb?q=1 http/1.1\r\n"), "{head}");
    for expected in [
        "host: app.apps.test:8080\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-host: app.apps.test:8080\r\n",
        "x-forwarded-proto: https\r\n",
        "cookie: a=b\r\n",
    ] {
        assert!(head.contains(expected), "no {expected} in {head}");
    }
    for unwanted in [
        "x-drop",
        "keep-alive",
        "te:",
        "proxy-",
        "upgrade",
        "6.6.6.6",
        "7.7.7.7",
        "evil",
        "gopher",
        "real-ip",
        "bad id",
    ] {
        assert!(!head.contains(unwanted), "{unwanted} in {head}");
    }
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n") && answer.ends_with("ok"), "{answer}");
    assert!(answer.contains("server: theirs\r\n"));
    for unwanted in ["secret-hop", "keep-alive", "proxy-authenticate"] {
        assert!(!answer.contains(unwanted), "{unwanted} in {answer}");
    }
    let id = |text: &str| text.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    assert_eq!(id(&head), id(&answer));
    assert_eq!(id(&head).len(), 32);
}

#[tokio::test]
async fn a_reasonable_request_id_is_kept() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let answer = rig.get("nobody.apps.test", "/", "X-Request-Id: trace-1.a_b\r\n").await;
    assert!(answer.contains("x-request-id: trace-1.a_b\r\n"), "{answer}");
}

#[tokio::test]
async fn requests_without_a_clear_host_are_refused() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let program = Program::new("app").await;
    rig.route("app.apps.test", "d0", program.target()).await;
    let close = "Connection: close\r\n\r\n";
    for bad in [
        "GET / HTTP/1.1\r\n".to_owned(),
        "GET / HTTP/1.0\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost:\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: app.apps.test\r\nHost: other\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: app.apps.test/x\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: app.apps.test:80a\r\n".to_owned(),
        "GET http://other.apps.test/ HTTP/1.1\r\nHost: app.apps.test\r\n".to_owned(),
        "GET http://user@app.apps.test/ HTTP/1.1\r\nHost: app.apps.test\r\n".to_owned(),
        "CONNECT app.apps.test:80 HTTP/1.1\r\nHost: app.apps.test:80\r\n".to_owned(),
    ] {
        let answer = rig.raw(&format!("{bad}{close}")).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{bad}: {answer}");
    }
    for good in [
        "GET / HTTP/1.1\r\nHost: APP.apps.test.\r\n",
        "GET / HTTP/1.1\r\nHost: app.apps.test:9999\r\n",
        "GET / HTTP/1.0\r\nHost: app.apps.test\r\n",
        "GET http://app.apps.test/ HTTP/1.1\r\nHost: app.apps.test\r\n",
    ] {
        let answer = rig.raw(&format!("{good}{close}")).await;
        assert!(answer.contains(" 200 OK\r\n") && answer.ends_with("app"), "{good}: {answer}");
    }
}

#[tokio::test]
async fn pages_say_what_to_do_and_escape_what_they_show() {
    let rig = Rig::new(EdgeConfig::default()).await;
    rig.route("starting.apps.test", "d0", TargetSpec::Starting).await;
    rig.route("failed.apps.test", "d1", TargetSpec::Failed { message: "exited <1> {host}".to_owned() }).await;
    rig.route("stopped.apps.test", "d2", TargetSpec::Stopped { message: "Retired.".to_owned() }).await;
    let html = "Accept: text/html,*/*;q=0.8\r\n";
    let starting = rig.get("starting.apps.test", "/", html).await;
    assert!(starting.starts_with("HTTP/1.1 503") && starting.contains("retry-after: 2\r\n"), "{starting}");
    assert!(starting.contains("http-equiv=\"refresh\"") && starting.contains("<dd>starting.apps.test</dd>"));
    let failed = rig.get("failed.apps.test", "/", html).await;
    assert!(failed.starts_with("HTTP/1.1 503") && failed.contains("exited &lt;1&gt; {host}"), "{failed}");
    assert!(!failed.contains("http-equiv=\"refresh\"") && failed.contains(":root { color-scheme"));
    let stopped = rig.get("stopped.apps.test", "/", "").await;
    assert!(stopped.contains("text/plain") && stopped.contains("Retired.") && !stopped.contains('<'), "{stopped}");
    let unknown = rig.get("gone.apps.test", "/", "Accept: application/json\r\n").await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains(r#""code":"unknown_host""#), "{unknown}");
    assert!(unknown.contains(r#""host":"gone.apps.test""#));
    let foreign = rig.get("shop.example", "/", "").await;
    assert!(foreign.starts_with("HTTP/1.1 404") && foreign.contains("domain"), "{foreign}");
    let trick = rig.get("notapps.test", "/", "").await;
    assert!(trick.contains("domain"), "{trick}");
}

#[tokio::test]
async fn programs_that_do_not_answer_become_pages() {
    let timeouts = Timeouts { response_header: std::time::Duration::from_millis(50), ..Timeouts::default() };
    let rig = Rig::new(EdgeConfig { timeouts, ..EdgeConfig::default() }).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    rig.route("refused.apps.test", "d0", TargetSpec::Process(free.into())).await;
    let refused = rig.get("refused.apps.test", "/", "").await;
    assert!(refused.starts_with("HTTP/1.1 502") && !refused.contains(&free.port().to_string()), "{refused}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("silent.apps.test", "d1", TargetSpec::Process(silent.local_addr().unwrap().into())).await;
    let answer = rig.get("silent.apps.test", "/", "").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    let (broken, _head) = canned("nonsense\r\n\r\n").await;
    rig.route("broken.apps.test", "d2", TargetSpec::Process(broken.into())).await;
    let answer =
        rig.raw("POST / HTTP/1.1\r\nHost: broken.apps.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    for deployment in ["d0", "d1", "d2"] {
        assert_eq!(rig.edge.in_flight(deployment), 0);
    }
}

#[tokio::test]
async fn a_request_that_broke_off_is_repeated_only_if_that_does_no_harm() {
    let rig = Rig::new(EdgeConfig::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    rig.route("app.apps.test", "d0", TargetSpec::Process(listener.local_addr().unwrap().into())).await;
    // Reads every first request and closes; answers every second.
    let program = tokio::spawn(async move {
        for answers in [false, true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_until(&mut stream, "\r\n\r\n").await;
            if answers {
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nagain";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    assert!(rig.get("app.apps.test", "/", "").await.ends_with("again"));
    let post = "POST / HTTP/1.1\r\nHost: app.apps.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert!(rig.raw(post).await.starts_with("HTTP/1.1 502"));
    program.await.unwrap();
}
