//! What `reeve.toml` may say, by example; it must not repeat how the file is read.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use std::time::Duration;

use super::*;
use crate::domain::{digest::Digest, manifest::RawEntry};

fn manifest(paths: &[&str]) -> Manifest {
    let digest = Digest::of(b"x").to_string();
    let entry =
        |path: &&str| RawEntry { path: (*path).to_owned(), digest: digest.clone(), size_bytes: 1, executable: false };
    Manifest::parse(paths.iter().map(entry).collect()).unwrap()
}

fn site(text: &str) -> StaticSite {
    match ProjectFile::parse(text).unwrap().configuration {
        Some(Configuration::Static(site)) => site,
        other => unreachable!("{other:?}"),
    }
}

fn problems(text: &str) -> Vec<(String, &'static str)> {
    ProjectFile::parse(text).unwrap_err().into_iter().map(|it| (it.field, it.constraint)).collect()
}

#[test]
fn a_static_site_is_read_with_its_defaults() {
    let read = site("kind = 'static'\n[static]\nroot = 'public'\nnot_found = '404.html'\nsingle_page = false");
    assert_eq!((read.root(), read.not_found(), read.single_page()), ("public", Some("404.html"), false));
    let read = site("kind = 'static'");
    assert_eq!((read.root(), read.not_found(), read.single_page()), (".", None, false));
    for (root, wanted) in [("./public/", "public"), (".", "."), ("./", "."), ("a/b", "a/b")] {
        assert_eq!(site(&format!("[static]\nroot = '{root}'")).root(), wanted);
    }
}

#[test]
fn a_process_is_read_with_its_defaults() {
    let text = "kind = 'process'\n[process]\ncommand = ['python3', 'server.py']\n[health]\npath = '/health'\ntimeout_seconds = 600";
    let Some(Configuration::Process(process)) = ProjectFile::parse(text).unwrap().configuration else { unreachable!() };
    assert_eq!(process.command(), ["python3", "server.py"]);
    assert_eq!((process.health().path(), process.health().timeout()), ("/health", Duration::from_secs(600)));
    let text = "[process]\ncommand = ['./server']";
    let Some(Configuration::Process(process)) = ProjectFile::parse(text).unwrap().configuration else { unreachable!() };
    let health = process.health();
    assert_eq!((health.path(), health.timeout().as_secs(), health.interval().as_millis()), ("/", 30, 250));
    let probe = health.probe();
    assert_eq!((probe.interval().as_secs(), probe.timeout().as_secs(), probe.threshold()), (10, 5, 3));
    assert_eq!((process.tier(), process.instances()), (Tier::Hobby, 1));
    let text = "[process]\ncommand = ['x']\ninstances = 3\n[health]\nprobe_interval_seconds = 1\nprobe_timeout_seconds = 2\nprobe_threshold = 4";
    let Some(Configuration::Process(process)) = ProjectFile::parse(text).unwrap().configuration else { unreachable!() };
    let probe = process.health().probe();
    assert_eq!((probe.interval().as_secs(), probe.timeout().as_secs(), probe.threshold()), (1, 2, 4));
    assert_eq!(process.instances(), 3);
    for tier in Tier::ALL {
        let text = format!("[process]\ncommand = ['x']\ntier = '{tier}'");
        let read = ProjectFile::parse(&text).unwrap().configuration.unwrap();
        assert!(matches!(read, Configuration::Process(process) if process.tier() == tier));
    }
    // What was stored before there were tiers.
    let stored = r#"{"kind":"process","command":["x"],"health":{"path":"/","timeout_seconds":1,"interval_ms":1}}"#;
    assert!(
        matches!(serde_json::from_str(stored), Ok(Configuration::Process(old)) if old.tier() == Tier::Hobby && old.instances() == 1)
    );
}

#[test]
fn a_file_may_name_only_where_to_deploy() {
    let file = ProjectFile::parse("environment = 'acme/site/production'").unwrap();
    assert_eq!(file.configuration, None);
    assert_eq!(file.environment.unwrap().to_string(), "acme/site/production");
    assert_eq!(problems("environment = 'Acme/site/x'"), [("environment.organization".to_owned(), "characters")]);
}

#[test]
fn every_wrong_setting_is_named() {
    let text = "kind = 'process'\nnaem = 1\n[process]\ncommand = []\nshell = true\n[health]\npath = 'health'\ntimeout_seconds = 0";
    let named: Vec<_> = problems(text).into_iter().map(|(field, _)| field).collect();
    assert_eq!(named, ["naem", "process.shell", "process.command", "health.path", "health.timeout_seconds"]);
    let message = &ProjectFile::parse("[static]\nrot = 'x'").unwrap_err()[0].message;
    assert_eq!(message, "`rot` is not known, allowed in `[static]`: `root`, `not_found`, `single_page`");
}

#[test]
fn hostile_and_contradictory_files_are_refused() {
    let long = format!("[process]\ncommand = [{}]", "'x',".repeat(65));
    let huge = format!("# {}", "x".repeat(70_000));
    for (text, wanted) in [
        ("kind = 'docker'", "choice"),
        ("kind = 3", "type"),
        ("static = 'x'", "type"),
        ("kind = 'process'", "required"),
        ("kind = 'process'\n[process]", "required"),
        ("kind = 'static'\n[process]\ncommand = ['x']", "contradiction"),
        ("kind = 'process'\n[static]\nroot = 'x'", "contradiction"),
        ("[static]\n[process]\ncommand = ['x']", "contradiction"),
        ("[health]\npath = '/'", "contradiction"),
        ("[static]\nroot = '../x'", "path"),
        ("[static]\nroot = '/'", "path"),
        ("[static]\nroot = ''", "path"),
        ("[static]\nroot = '/etc'", "path"),
        ("[static]\nnot_found = '../404.html'", "path"),
        ("[static]\nsingle_page = 'yes'", "type"),
        ("[static]\nsingle_page = true\nnot_found = '404.html'", "contradiction"),
        ("[process]\ncommand = 'npm start'", "type"),
        ("[process]\ncommand = ['x', 1]", "type"),
        ("[process]\ncommand = ['x']\ntier = 'giant'", "choice"),
        ("[process]\ncommand = ['x']\ntier = 1", "type"),
        ("[process]\ncommand = ['']", "too_short"),
        ("[process]\ncommand = [\"a\\u0000b\"]", "characters"),
        ("[process]\ncommand = ['x']\n[health]\npath = \"/a\\r\\nb\"", "path"),
        ("[process]\ncommand = ['x']\ninstances = 0", "type"),
        ("[process]\ncommand = ['x']\ninstances = 17", "type"),
        ("[process]\ncommand = ['x']\n[health]\nprobe_threshold = 0", "type"),
        ("[process]\ncommand = ['x']\n[health]\ntimeout_seconds = 601", "type"),
        ("[process]\ncommand = ['x']\n[health]\ntimeout_seconds = 1.5", "type"),
        ("kind = 'static'\nkind = 'static'", "syntax"),
        ("kind =", "syntax"),
        (&long, "too_long"),
        (&huge, "too_long"),
    ] {
        let all = problems(text);
        assert!(all.iter().any(|(_, constraint)| *constraint == wanted), "{text}: {all:?}");
    }
    assert!(ProjectFile::parse("\n\nkind =").unwrap_err()[0].message.starts_with("line 3 "));
}

#[test]
fn without_a_file_the_index_decides() {
    assert_eq!(Configuration::detect(&manifest(&["index.html", "a/b"])), Ok(Configuration::Static(site("[static]"))));
    assert!(Configuration::detect(&manifest(&["a/index.html"])).is_err());
}

#[test]
fn files_that_are_named_must_be_there() {
    let text = "[static]\nroot = 'public'\nnot_found = '404.html'";
    let configuration = Configuration::Static(site(text));
    assert_eq!(configuration.check(&manifest(&["public/index.html", "public/404.html"])), Ok(()));
    assert_eq!(configuration.check(&manifest(&["index.html", "404.html", "public2/x"])).unwrap_err().len(), 2);
    let single = Configuration::Static(site("[static]\nsingle_page = true"));
    assert!(single.check(&manifest(&["app.js"])).is_err());
}

#[test]
fn storage_gives_the_same_back() {
    for text in ["kind = 'static'", "[process]\ncommand = ['x', 'y']"] {
        let configuration = ProjectFile::parse(text).unwrap().configuration.unwrap();
        let json = serde_json::to_string(&configuration).unwrap();
        assert_eq!(serde_json::from_str::<Configuration>(&json).unwrap(), configuration);
    }
    assert!(serde_json::to_string(&site("[static]")).unwrap().contains("\"root\":\".\""));
}
