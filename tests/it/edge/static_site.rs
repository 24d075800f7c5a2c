//! Static sites: only what is in the map, with validators and ranges.

use reeve::edge::{EdgeConfig, static_site::SiteOptions};

use super::support::{Rig, site};

async fn rig(dir: &std::path::Path, options: SiteOptions) -> Rig {
    let rig = Rig::new(EdgeConfig::default()).await;
    let big: Vec<u8> = (0..700_000_u32).map(|number| b'a' + u8::try_from(number % 26).unwrap()).collect();
    std::fs::write(dir.join("secret"), "secret").unwrap();
    let files: [(&str, &[u8]); 6] = [
        ("index.html", b"<h1>home</h1>"),
        ("docs/index.html", b"docs"),
        ("app.js", b"0123456789"),
        ("with space.txt", b"space"),
        ("404.html", b"custom"),
        ("big.bin", &big),
    ];
    rig.route("site.apps.test", "d0", site(dir, &files, options)).await;
    rig
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn files_are_served_with_types_and_validators() {
    let dir = tempfile::tempdir().unwrap();
    let rig = rig(dir.path(), SiteOptions::default()).await;
    let home = rig.get("site.apps.test", "/", "").await;
    for expected in [
        "HTTP/1.1 200",
        "content-type: text/html; charset=utf-8\r\n",
        "cache-control: public, max-age=0, must-revalidate\r\n",
        "x-content-type-options: nosniff\r\n",
        "content-length: 13\r\n",
        "etag: \"00000000000d\"\r\n",
        "<h1>home</h1>",
    ] {
        assert!(home.contains(expected), "no {expected} in {home}");
    }
    assert!(rig.get("site.apps.test", "/with%20space.txt", "").await.ends_with("space"));
    assert!(rig.get("site.apps.test", "/docs/", "").await.ends_with("docs"));
    let redirect = rig.get("site.apps.test", "/docs?a=1", "").await;
    assert!(status(&redirect) == "307" && redirect.contains("location: /docs/?a=1\r\n"), "{redirect}");
    assert_eq!(status(&rig.get("site.apps.test", "//evil.example/docs", "").await), "404");
    for tag in ["\"00000000000d\"", "W/\"00000000000d\"", "\"x\", \"00000000000d\"", "*"] {
        let answer = rig.get("site.apps.test", "/", &format!("If-None-Match: {tag}\r\n")).await;
        assert!(status(&answer) == "304" && answer.ends_with("\r\n\r\n"), "{answer}");
    }
    assert_eq!(status(&rig.get("site.apps.test", "/", "If-None-Match: \"x\"\r\n").await), "200");
    assert_eq!(status(&rig.get("site.apps.test", "/", "If-Match: \"x\"\r\n").await), "412");
    let head = rig.raw("HEAD /big.bin HTTP/1.1\r\nHost: site.apps.test\r\nConnection: close\r\n\r\n").await;
    assert!(head.contains("content-length: 700000\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let post =
        rig.raw("POST / HTTP/1.1\r\nHost: site.apps.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    assert!(status(&post) == "405" && post.contains("allow: GET, HEAD\r\n"), "{post}");
}

#[tokio::test]
async fn one_range_is_served_small_and_large() {
    let dir = tempfile::tempdir().unwrap();
    let rig = rig(dir.path(), SiteOptions::default()).await;
    let range = async |path: &str, range: &str| rig.get("site.apps.test", path, &format!("Range: {range}\r\n")).await;
    for (asked, content, body) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=-99", "bytes 0-9/10", "0123456789"),
        ("bytes=5-99", "bytes 5-9/10", "56789"),
    ] {
        let answer = range("/app.js", asked).await;
        assert!(status(&answer) == "206" && answer.contains(&format!("content-range: {content}\r\n")), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
    for asked in ["bytes=10-", "bytes=-0", "bytes=99-100"] {
        let answer = range("/app.js", asked).await;
        assert!(status(&answer) == "416" && answer.contains("content-range: bytes */10\r\n"), "{answer}");
    }
    for asked in ["bytes=0-1,3-4", "lines=1-2", "bytes=4-2", "bytes=a-", "bytes=99999999999999999999-"] {
        assert_eq!(status(&range("/app.js", asked).await), "200", "{asked}");
    }
    let stale = rig.get("site.apps.test", "/app.js", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").await;
    assert_eq!(status(&stale), "200");
    let part = range("/big.bin", "bytes=260-600027").await;
    let body = part.split_once("\r\n\r\n").unwrap().1;
    assert!(status(&part) == "206" && body.len() == 599_768 && body.starts_with("abc") && body.ends_with("xyz"));
    let whole = rig.get("site.apps.test", "/big.bin", "").await;
    assert_eq!(whole.split_once("\r\n\r\n").unwrap().1.len(), 700_000);
}

#[tokio::test]
async fn no_path_leads_outside_the_site() {
    let dir = tempfile::tempdir().unwrap();
    let rig = rig(dir.path(), SiteOptions { not_found: None, fallback: Some("index.html".to_owned()) }).await;
    for path in [
        "/../secret",
        "/..",
        "/docs/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/docs%2findex.html",
        "/%00",
        "/secret%00.html",
        "/..%5csecret",
        "/%5c..%5csecret",
        "/%2",
        "/%zz",
        "/%ff",
        "/./secret",
        "/%0d%0aX: y",
    ] {
        let path = path.replace(' ', "%20");
        let answer = rig.get("site.apps.test", &path, "").await;
        assert_eq!(status(&answer), "400", "{path}: {answer}");
    }
    // Decoded once: this names a file called `%2e%2e`, which does not exist.
    let twice = rig.get("site.apps.test", "/%252e%252e/x.txt", "").await;
    assert_eq!(status(&twice), "404", "{twice}");
    assert_eq!(status(&rig.get("site.apps.test", "/secret.txt", "").await), "404");
}

#[tokio::test]
async fn missing_paths_get_the_sites_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let spa = rig(
        dir.path(),
        SiteOptions { not_found: Some("404.html".to_owned()), fallback: Some("index.html".to_owned()) },
    )
    .await;
    let route = spa.get("site.apps.test", "/users/7", "").await;
    assert!(status(&route) == "200" && route.ends_with("home</h1>"), "{route}");
    let asset = spa.get("site.apps.test", "/assets/lost.js", "Range: bytes=0-1\r\n").await;
    assert!(status(&asset) == "404" && asset.ends_with("custom") && !asset.contains("etag"), "{asset}");
    let plain = rig(dir.path(), SiteOptions::default()).await;
    let lost = plain.get("site.apps.test", "/lost", "Accept: text/html\r\n").await;
    assert!(status(&lost) == "404" && lost.contains("Page not found"), "{lost}");
}

#[tokio::test]
async fn a_lost_blob_is_an_error_page() {
    let dir = tempfile::tempdir().unwrap();
    let rig = rig(dir.path(), SiteOptions::default()).await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for path in ["/", "/big.bin"] {
        let answer = rig.get("site.apps.test", path, "").await;
        assert!(status(&answer) == "500" && !answer.contains(dir.path().to_str().unwrap()), "{answer}");
    }
}
