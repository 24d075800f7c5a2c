//! Which part of the program may know which: DESIGN's arrows, read from the sources. An arrow that is not drawn here is
//! refused, and so is one that nobody uses any more.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, below, refuse};

/// A part (a folder of `src`, or a file of it) and the parts that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("domain", &[]),
    ("authz", &[]),
    ("error", &["authz", "domain"]),
    ("authn", &["domain", "sys"]),
    ("audit", &["authz"]),
    ("store", &["audit", "authz", "domain", "error", "sys"]),
    ("op", &["audit", "authz", "error", "store"]),
    ("acme", &["error"]),
    ("dns", &["domain", "error"]),
    ("mail", &["domain", "error"]),
    ("post", &["domain"]),
    ("config", &["acme", "authz", "domain", "error", "store"]),
    ("reach", &[]),
    ("runtime", &["domain", "reach", "sys"]),
    ("edge", &["authn", "domain", "reach", "sys"]),
    (
        "service",
        &[
            "acme", "audit", "authn", "authz", "config", "dns", "domain", "error", "mail", "op", "post", "reach",
            "runtime", "store", "sys",
        ],
    ),
    ("tasks", &["acme", "domain", "edge", "error", "runtime", "service", "store", "sys", "workflow"]),
    ("workflow", &["audit", "domain", "edge", "error", "runtime", "service", "store", "sys", "tasks"]),
    ("graphql", &["authz", "domain", "error", "op", "runtime", "service", "store", "sys"]),
    ("http", &["domain", "error", "graphql", "op", "service", "store", "sys"]),
    (
        "server",
        &[
            "authn", "authz", "config", "dns", "edge", "error", "http", "mail", "runtime", "service", "store", "sys",
            "tasks", "workflow",
        ],
    ),
    ("cli", &["domain", "sys"]),
    ("command", &["audit", "cli", "config", "domain", "edge", "error", "graphql", "server", "service", "store", "sys"]),
];

/// Parts without which nothing could be wired together: they may name everything.
const COMPOSITION: &[&str] = &["lib", "main"];

/// A crate and the only places that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("sea_orm", &["src/store/"]),
    ("migrations", &["src/store/"]),
    ("async_graphql", &["src/graphql/", "src/http/"]),
    ("async_graphql_poem", &["src/http/graphql.rs"]),
    ("poem", &["src/http/"]),
    ("reeve_sandbox", &["src/edge/wire.rs", "src/reach.rs", "src/runtime/"]),
    ("crepe", &["src/authz/program/"]),
    ("argon2", &["src/authn/"]),
    ("jsonwebtoken", &["src/authn/"]),
    ("ed25519_dalek", &["src/authn/"]),
    ("chacha20poly1305", &["src/authn/"]),
    ("instant_acme", &["src/acme.rs"]),
    ("x509_parser", &["src/acme.rs"]),
    ("rustls", &["src/acme.rs", "src/edge/tls.rs"]),
    ("hickory_resolver", &["src/dns.rs"]),
    ("hyper", &["src/edge/", "src/runtime/", "src/command/sample.rs"]),
    ("reqwest", &["src/cli/", "src/command/demo.rs", "src/post.rs"]),
    ("lettre", &["src/mail.rs"]),
    ("tokio_tungstenite", &["src/cli/"]),
    ("clap", &["src/cli/"]),
];

/// The part that a file belongs to: `src/store/write.rs` and `src/store.rs` both to `store`.
fn part(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split(['/', '.']).next().unwrap_or_default()
}

/// The parts that a file names by `crate::…`, also within braces.
fn named(source: &Source) -> BTreeSet<String> {
    let code = source.code();
    let mut found = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend([word(rest)]),
        }
    }
    // `crate::Error` and the like would be a re-export of the root, which has none.
    found.retain(|name| !name.is_empty() && name != part(&source.path));
    found
}

/// The first words of a group's members: `{domain::x, sys::{a, b}}` gives `domain` and `sys`.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads) = (0, vec![word(group)]);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

#[test]
fn no_arrow_runs_back() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut unused: BTreeSet<(&str, &str)> =
        ARROWS.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, *to))).collect();
    let mut findings = Vec::new();
    for source in below(&["src"]) {
        let from = part(&source.path);
        if COMPOSITION.contains(&from) {
            continue;
        }
        let Some(to) = allowed.get(from) else {
            findings.push(format!("{}: `{from}` is no part that the table knows", source.path));
            continue;
        };
        for name in named(&source) {
            unused.retain(|arrow| *arrow != (from, name.as_str()));
            if !to.contains(&name.as_str()) {
                findings.push(format!("{}: {from} → {name}", source.path));
            }
        }
    }
    findings.extend(unused.into_iter().map(|(from, to)| format!("nobody needs {from} → {to} any more: erase it")));
    refuse("an arrow that DESIGN does not draw (see `ARROWS`)", findings);
}

#[test]
fn every_library_stays_where_it_belongs() {
    let sources = below(&["src"]);
    let mut findings = Vec::new();
    for (library, places) in CRATES {
        let (at_home, astray): (Vec<_>, Vec<_>) = sources
            .iter()
            .filter(|source| source.names(library))
            .partition(|source| places.iter().any(|place| source.path.starts_with(place)));
        findings.extend(astray.iter().map(|source| format!("{}: {library}", source.path)));
        for place in places.iter().filter(|place| !at_home.iter().any(|source| source.path.starts_with(**place))) {
            findings.push(format!("{library} is not used in {place} any more: erase it"));
        }
    }
    refuse("a library outside its place (see `CRATES`)", findings);
}

#[test]
fn arrows_are_read_in_every_spelling() {
    let source = |text: &str| Source { path: "src/edge/x.rs".to_owned(), text: text.to_owned() };
    let read = |text: &str| named(&source(text)).into_iter().collect::<Vec<_>>();
    assert_eq!(read("use crate::store::Store;\n// crate::cli"), ["store"]);
    assert_eq!(read("use crate::{domain::{a, b}, sys::{c,\n d}, store};"), ["domain", "store", "sys"]);
    assert_eq!(read("fn f() -> crate::error::Result<()> { crate::edge::g() }"), ["error"]);
    assert_eq!(read("#[cfg(test)]\nmod tests { use crate::store; }"), Vec::<String>::new());
    assert!(source("use poem::Route;").names("poem") && source("-> poem::Result<()>").names("poem"));
    assert!(!source("use super::poem::Route; my_poem::x").names("poem"));
}
