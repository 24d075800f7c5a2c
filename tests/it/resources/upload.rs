//! A folder on its way to the server: what is there already does not travel again.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::harness::{Client, TestServer};

const FILES: usize = 2_000;
/// 50 MB together.
const BYTES: usize = 25_000;

/// Deploys a folder as somebody at a terminal does; what was said.
async fn deploy(client: &Client, folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.env_clear().env("REEVE_TOKEN", client.token.as_ref().unwrap()).env("REEVE_CONFIG_DIR", "/nonexistent");
    command.args(["--server", &client.base, "deploy", "--environment", "acme/site/production"]).arg(folder);
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(ended.status.success(), "{said}");
    said
}

/// Writes a file that no other is like.
fn write(folder: &Path, number: usize, version: &str) {
    let file = folder.join(format!("{}/page-{number}.html", number % 40));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let line = format!("{version} of page {number}\n");
    std::fs::write(file, &line.repeat(BYTES.div_ceil(line.len())).as_bytes()[..BYTES]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_large_site_only_what_changed_travels_again() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "2,000 pages").unwrap();
    (1..FILES).for_each(|number| write(folder.path(), number, "version 1"));
    let said = deploy(&ada, folder.path()).await;
    assert!(said.contains("2000 of 2000 files"), "{said}");
    let changed = [1, 2, 999, 1_000, 1_999];
    changed.iter().for_each(|number| write(folder.path(), *number, "version 2"));
    let said = deploy(&ada, folder.path()).await;
    assert!(said.contains("5 of 2000 files"), "{said}");
    for (number, version) in [(1_999, "version 2"), (1_998, "version 1")] {
        let page = server.get(&environment.url, &format!("/{}/page-{number}.html", number % 40)).await;
        assert!(page.body.starts_with(&format!("{version} of page {number}\n")), "{page:?}");
    }
}
