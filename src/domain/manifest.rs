//! What a deployment consists of: its files by path, digest and size, checked so that writing them below a folder can
//! never leave it; it must not know where the files are kept.

use std::{cmp::Ordering, collections::HashMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    digest::Digest,
    invalid::{Invalid, quote},
};

/// Files in one deployment. A large single-page application has some thousands.
pub const MAX_FILES: usize = 20_000;
/// Bytes in one file, 256 MiB: what one request uploads without being resumed.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Bytes of all files together, 1 GiB: a fifth of the smallest tier's storage.
pub const MAX_TOTAL_BYTES: u64 = 1 << 30;
/// Bytes of a whole path, and of one part of it (`NAME_MAX` of Linux file systems).
const MAX_PATH: usize = 1024;
const MAX_SEGMENT: usize = 255;
/// Problems reported at once; a list that is wrong in every line is told by its first ones.
const MAX_PROBLEMS: usize = 20;

/// A path below a deployment's folder: relative, with `/` between its parts, and the same on every system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FilePath(String);

impl FilePath {
    /// No empty, `.` or `..` part, no backslash, no control character, no drive, and no more than a file system takes.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let problem = |constraint, reason: &str| Err(Invalid::new(constraint, format!("{} {reason}", quote(text))));
        if text.is_empty() {
            return Err(Invalid::new("path", "the path is empty, name a file"));
        }
        if text.len() > MAX_PATH || text.split('/').any(|segment| segment.len() > MAX_SEGMENT) {
            return problem("too_long", "is too long, use 1024 bytes at most and 255 between slashes");
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return problem("characters", "holds a backslash or control characters, rename the file");
        }
        if text.starts_with('/') || matches!(text.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic()) {
            return problem("path", "is absolute, name the file relative to the deployment's folder");
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return problem("path", "has an empty, `.` or `..` part, write it without");
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file as somebody claims it to be.
#[derive(Clone, Debug, Deserialize)]
pub struct RawEntry {
    /// Relative, with `/` between its parts.
    pub path: String,
    /// BLAKE3, 64 lower-case hexadecimal digits.
    pub digest: String,
    /// The file's length.
    pub size_bytes: u64,
    /// Whether it may be run as a program.
    pub executable: bool,
}

/// One file of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where it goes.
    pub path: FilePath,
    /// What is in it.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// Whether it may be run as a program.
    pub executable: bool,
}

impl Entry {
    fn parse(raw: &RawEntry) -> Result<Self, Vec<Invalid>> {
        let path = FilePath::parse(&raw.path).map_err(|problem| problem.within("path"));
        let digest = Digest::parse(&raw.digest).map_err(|problem| problem.within("digest"));
        let size = if raw.size_bytes <= MAX_FILE_BYTES {
            Ok(raw.size_bytes)
        } else {
            let message = format!("{} is too large, a file may have 100 MiB at most", quote(&raw.path));
            Err(Invalid::new("too_large", message).within("sizeBytes"))
        };
        match (path, digest, size) {
            (Ok(path), Ok(digest), Ok(size_bytes)) => Ok(Self { path, digest, size_bytes, executable: raw.executable }),
            (path, digest, size) => Err([path.err(), digest.err(), size.err()].into_iter().flatten().collect()),
        }
    }
}

/// The files of one deployment, in tree order: a folder's files stand together, directly behind the folder's own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Manifest(Vec<Entry>);

impl Manifest {
    /// Checks every file, and all of them together.
    ///
    /// # Errors
    /// The first 20 problems; a field is the file's place in the list and what is wrong there, such as `3.path`.
    pub fn parse(entries: Vec<RawEntry>) -> Result<Self, Vec<Invalid>> {
        if entries.is_empty() {
            return Err(vec![Invalid::new("too_few", "there are no files, name at least one")]);
        }
        if entries.len() > MAX_FILES {
            let message = format!("there are {} files, a deployment may have 20000 at most", entries.len());
            return Err(vec![Invalid::new("too_many", message)]);
        }
        let mut problems = Vec::new();
        let mut parsed = Vec::with_capacity(entries.len());
        for (place, raw) in entries.iter().enumerate() {
            match Entry::parse(raw) {
                Ok(entry) => parsed.push((place, entry)),
                Err(wrong) => problems.extend(wrong.into_iter().map(|problem| problem.within(&place.to_string()))),
            }
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
        }
        parsed.sort_by(|(_, a), (_, b)| tree_order(a.path.as_str(), b.path.as_str()));
        problems.extend(collisions(&parsed));
        problems.extend(contradictions(&parsed));
        let total = parsed.iter().fold(0_u64, |sum, (_, entry)| sum.saturating_add(entry.size_bytes));
        if total > MAX_TOTAL_BYTES {
            let message = format!("the files have {total} bytes together, a deployment may have 1 GiB at most");
            problems.push(Invalid::new("too_large", message));
        }
        problems.truncate(MAX_PROBLEMS);
        if problems.is_empty() { Ok(Self(parsed.into_iter().map(|(_, entry)| entry).collect())) } else { Err(problems) }
    }

    /// All files in tree order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The file at this path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        let found = self.0.binary_search_by(|entry| tree_order(entry.path.as_str(), path)).ok()?;
        self.0.get(found)
    }

    /// Every content once, with its size, however many files share it.
    pub fn blobs(&self) -> impl Iterator<Item = (Digest, u64)> {
        let sizes: HashMap<Digest, u64> = self.0.iter().map(|entry| (entry.digest, entry.size_bytes)).collect();
        sizes.into_iter()
    }

    /// Bytes of all files together; contents that are shared count once for each file.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.0.iter().map(|entry| entry.size_bytes).sum()
    }

    /// The name of the whole: equal if and only if all paths, contents and permissions are. Lengths stand in front of
    /// paths, so no two manifests can feed the hash the same bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"reeve manifest 1\n");
        for entry in &self.0 {
            let path = entry.path.as_str();
            hasher.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes());
            hasher.update(entry.digest.as_bytes()).update(&entry.size_bytes.to_le_bytes());
            hasher.update(&[u8::from(entry.executable)]);
        }
        hasher.finalize().into()
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Vec::deserialize(deserializer)?).map_err(|problems| {
            D::Error::custom(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
        })
    }
}

/// Bytewise, with the separator below every other byte: whatever lies in `a/` follows `a` directly.
fn tree_order(a: &str, b: &str) -> Ordering {
    let key = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(key).cmp(b.bytes().map(key))
}

/// Files named twice, and files that would have to be folders as well. Tree order puts both next to each other.
fn collisions(sorted: &[(usize, Entry)]) -> impl Iterator<Item = Invalid> {
    sorted.iter().zip(sorted.iter().skip(1)).filter_map(|((_, first), (place, second))| {
        let below = second.path.as_str().strip_prefix(first.path.as_str())?;
        let problem = if below.is_empty() {
            Invalid::new("duplicate", format!("{} is named twice, name it once", quote(second.path.as_str())))
        } else if below.starts_with('/') {
            let message = format!("{} cannot be a file and a folder, rename one", quote(first.path.as_str()));
            Invalid::new("file_and_folder", message)
        } else {
            return None;
        };
        Some(problem.within("path").within(&place.to_string()))
    })
}

/// One digest with two sizes: at least one of them is a lie, and an upload could satisfy only one.
fn contradictions(entries: &[(usize, Entry)]) -> impl Iterator<Item = Invalid> {
    let mut sizes = HashMap::with_capacity(entries.len());
    entries.iter().filter_map(move |(place, entry)| {
        let known = *sizes.entry(entry.digest).or_insert(entry.size_bytes);
        (known != entry.size_bytes).then(|| {
            let message = format!("{} has a digest that stands beside another size too", quote(entry.path.as_str()));
            Invalid::new("contradiction", message).within("sizeBytes").within(&place.to_string())
        })
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(path: &str) -> RawEntry {
        let digest = Digest::of(path.as_bytes()).to_string();
        RawEntry { path: path.to_owned(), digest, size_bytes: 7, executable: false }
    }

    fn problems(paths: &[&str]) -> Vec<(String, &'static str)> {
        let parsed = Manifest::parse(paths.iter().map(|path| raw(path)).collect());
        parsed.map_or_else(|all| all.into_iter().map(|it| (it.field, it.constraint)).collect(), |_| Vec::new())
    }

    #[test]
    fn usual_paths_pass() {
        let long = "s".repeat(255);
        for good in
            ["index.html", "a/b/c.js", ".well-known/x", "a..b", "...", "a b", "\u{e9}/\u{5c71}", "-", "c/d:e", &long]
        {
            assert!(FilePath::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        let (segment, whole) = ("s".repeat(256), "s/".repeat(513));
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "//x",
            "a//b",
            "a/",
            ".",
            "..",
            "./a",
            "../a",
            "a/../b",
            "a/..",
            "a/./b",
            "a\\b",
            "..\\a",
            "C:/x",
            "c:x",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            &segment,
            whole.trim_end_matches('/'),
        ] {
            assert!(FilePath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files_that_cannot_lie_beside_each_other_are_refused() {
        assert!(problems(&["a", "a-b", "a.b", "A", "b/a", "b/a.b/c"]).is_empty());
        assert_eq!(problems(&["x", "b", "x"]), [("2.path".to_owned(), "duplicate")]);
        assert_eq!(problems(&["a/b/c", "a-b", "a"]), [("0.path".to_owned(), "file_and_folder")]);
        assert_eq!(problems(&["a/b", "a/b!", "a/b/c/d"]), [("2.path".to_owned(), "file_and_folder")]);
    }

    #[test]
    fn every_problem_is_reported_up_to_a_bound() {
        let mut entry = raw("../a");
        entry.digest.clear();
        entry.size_bytes = MAX_FILE_BYTES + 1;
        let all = Manifest::parse(vec![raw("ok"), entry]).unwrap_err();
        let fields: Vec<_> = all.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["1.path", "1.digest", "1.sizeBytes"]);
        assert_eq!(problems(&["/"; 500]).len(), 20);
        assert_eq!(problems(&["a"; 500]).len(), 20);
    }

    #[test]
    fn limits_hold_for_the_whole() {
        assert_eq!(problems(&[]), [(String::new(), "too_few")]);
        assert_eq!(problems(&vec!["a"; MAX_FILES + 1]), [(String::new(), "too_many")]);
        let large = |number: u32| RawEntry { size_bytes: MAX_FILE_BYTES, ..raw(&number.to_string()) };
        assert!(Manifest::parse((0..4).map(large).collect()).is_ok());
        assert_eq!(Manifest::parse((0..5).map(large).collect()).unwrap_err()[0].constraint, "too_large");
        let lie = RawEntry { path: "b".to_owned(), size_bytes: 8, ..raw("a") };
        assert_eq!(Manifest::parse(vec![raw("a"), lie]).unwrap_err()[0].constraint, "contradiction");
    }

    #[test]
    fn the_digest_ignores_the_order_given_and_nothing_else() {
        let digest = |entries: &[RawEntry]| Manifest::parse(entries.to_vec()).unwrap().digest();
        let (a, b) = (raw("a"), raw("b/c"));
        let whole = digest(&[a.clone(), b.clone()]);
        assert_eq!(whole, digest(&[b.clone(), a.clone()]));
        assert_ne!(whole, digest(&[a.clone(), RawEntry { executable: true, ..b.clone() }]));
        assert_ne!(whole, digest(&[a.clone(), RawEntry { size_bytes: 8, ..b.clone() }]));
        assert_ne!(whole, digest(&[a, RawEntry { path: "b/d".to_owned(), ..b }]));
    }

    #[test]
    fn shared_contents_are_one_blob_and_storage_gives_the_same_back() {
        let manifest =
            Manifest::parse(vec![raw("b/x"), raw("a"), RawEntry { path: "c".to_owned(), ..raw("a") }]).unwrap();
        assert_eq!(manifest.blobs().count(), 2);
        assert_eq!(manifest.total_bytes(), 21);
        assert!(manifest.get("b/x").is_some() && manifest.get("b").is_none());
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        assert!(serde_json::from_str::<Manifest>(&json.replace("b/x", "../x")).is_err());
    }

    proptest! {
        #[test]
        fn a_path_that_parses_stays_below_its_folder(text in "[a./\\\\:]{0,12}|\\PC{0,20}") {
            if let Ok(path) = FilePath::parse(&text) {
                let plain = std::path::Path::new(path.as_str()).components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(plain);
            }
        }

        #[test]
        fn no_file_of_a_manifest_is_a_folder_of_another(paths in prop::collection::vec("[ab.-]{1,2}(/[ab.-]{1,2}){0,2}", 1..12)) {
            if let Ok(manifest) = Manifest::parse(paths.iter().map(|path| raw(path)).collect()) {
                let all: Vec<_> = manifest.entries().iter().map(|entry| entry.path.as_str()).collect();
                for (place, one) in all.iter().enumerate() {
                    prop_assert!(manifest.get(one).is_some());
                    for (other_place, other) in all.iter().enumerate() {
                        let clash = *one == *other || other.starts_with(&format!("{one}/"));
                        prop_assert!(place == other_place || !clash);
                    }
                }
            }
        }
    }
}
