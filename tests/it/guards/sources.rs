//! The sources as the guards read them: without comments, and without the tests that stand in the same file.

use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    /// From the root of the repository, e.g. `src/store/write.rs`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// What runs in production: no comments, no unit tests.
    pub(crate) fn code(&self) -> String {
        if self.path.ends_with("/tests.rs") {
            return String::new();
        }
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| line.split(" // ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// Whether a crate or a module is named, as in `poem::` or `use poem;`.
    pub(crate) fn names(&self, word: &str) -> bool {
        let code = self.code();
        code.match_indices(word).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let after = &code[at + word.len()..];
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') && after.starts_with("::")
        })
    }
}

/// All Rust files below these folders of the repository.
pub(crate) fn below(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text });
            }
        }
    }
    assert!(found.len() > 10, "{folders:?} hold hardly any file: the guard looks in the wrong place");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Fails with every finding at once.
pub(crate) fn refuse(rule: &str, findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
}
