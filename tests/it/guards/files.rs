//! House rules that a reader can check file by file.

use super::sources::{Source, below, refuse};

const EVERYWHERE: &[&str] = &["src", "entities/src", "migrations/src", "sandbox/src", "tests"];
const MAX_LINES: usize = 400;
/// What tests may do and the program may not. The linter refuses some of it too, but an exception to the linter is easier
/// to write than one to this list. `TODO` belongs into an issue.
const BANNED_IN_THE_PROGRAM: &[&str] = &[".unwrap()", "todo!", "unimplemented!", "TODO", "FIXME", "XXX"];

#[test]
fn every_file_opens_with_why_it_exists() {
    let silent = below(EVERYWHERE).into_iter().filter(|source| !source.text.starts_with("//! "));
    refuse("a file has to open with `//!`: why it exists, and what it must not know", silent.map(|it| it.path));
}

#[test]
fn no_file_is_longer_than_a_reader_holds_in_mind() {
    let long = below(EVERYWHERE).into_iter().map(|source| (source.text.lines().count(), source.path));
    let long = long.filter(|(lines, _)| *lines > MAX_LINES);
    refuse("split it by verb or by resource", long.map(|(lines, path)| format!("{path}: {lines} lines")));
}

#[test]
fn no_file_is_named_after_nothing() {
    let named = |source: &Source| ["utils", "helpers", "common", "misc"].iter().any(|name| source.path.contains(name));
    refuse("name it after what it does", below(EVERYWHERE).into_iter().filter(named).map(|source| source.path));
}

#[test]
fn the_program_holds_nothing_unfinished() {
    let findings = below(&["src", "entities/src", "migrations/src", "sandbox/src"]).into_iter().flat_map(|source| {
        let code = if source.path.ends_with("/tests.rs") { String::new() } else { source.text.clone() };
        let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        BANNED_IN_THE_PROGRAM.iter().filter_map(move |word| {
            let line = code.lines().position(|line| line.contains(word))? + 1;
            Some(format!("{}:{line}: {word}", source.path))
        })
    });
    refuse("finish it, or handle it", findings);
}

/// The master key could not be replaced around a column that is forgotten there.
#[test]
fn everything_that_is_sealed_can_be_sealed_anew() {
    let list = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sealed.rs")).unwrap();
    let mut columns = 0;
    let mut findings = Vec::new();
    for source in below(&["entities/src"]) {
        let table = source.path.trim_start_matches("entities/src/").trim_end_matches(".rs").to_owned();
        for line in source.text.lines().filter(|line| line.trim_start().starts_with("pub sealed")) {
            columns += 1;
            let field = line.trim_start().trim_start_matches("pub ").split(':').next().unwrap_or_default();
            let words = field.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
            if !list.contains(&format!("{table}::")) || !list.contains(&format!("Column::{words},")) {
                findings.push(format!("{table}.{field}"));
            }
        }
    }
    assert!(columns > 5, "hardly anything is sealed: {columns}");
    refuse("seal it anew in `src/store/sealed.rs`", findings);
}

#[test]
fn no_lint_is_switched_off_and_no_test_is_skipped() {
    // An expectation ends when its reason does; an allowance stays for ever.
    let banned = [concat!("#[", "allow("), concat!("#![", "allow("), concat!("#[", "ignore")];
    let findings = below(EVERYWHERE).into_iter().flat_map(|source| {
        let found = banned.into_iter().filter(|word| source.text.contains(word)).collect::<Vec<_>>();
        found.into_iter().map(move |word| format!("{}: {word}", source.path))
    });
    refuse("write `expect` with a reason; repair the test or delete it", findings);
}

#[test]
fn no_story_waits_by_the_clock() {
    let pause = concat!("sleep", "(");
    let findings = below(&["tests"]).into_iter().filter(|source| source.text.contains(pause));
    // Where `eventually` is, and where the slow programs are that the edge is tried with.
    let pausing = ["tests/it/harness/mod.rs", "tests/it/edge/support.rs", "tests/it/durability/crowd.rs"];
    let findings = findings.map(|source| source.path).filter(|path| !pausing.contains(&path.as_str()));
    refuse("wait for what happens, by `eventually`", findings);
}
