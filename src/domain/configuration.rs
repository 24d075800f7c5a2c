//! How a deployment is served, as its `reeve.toml` says or as its files suggest; it must not know how files are served
//! nor how processes are started.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

mod build;

pub use build::Build;

use super::{
    invalid::{Invalid, quote},
    manifest::{FilePath, Manifest},
    path::EnvironmentPath,
    tier::Tier,
};

mod process;

pub use process::{HealthCheck, Probe, Process};

/// The file's length in bytes, far above any honest one.
const MAX_FILE: usize = 64 << 10;
/// A command's parts, and the bytes of them all together.
const MAX_COMMAND: usize = 64;
const MAX_COMMAND_BYTES: usize = 32 << 10;
const MAX_HEALTH_PATH: usize = 1024;
/// Seconds until a start counts as failed.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 1..=600;
const DEFAULT_TIMEOUT_SECONDS: u16 = 30;
const DEFAULT_INTERVAL_MS: u16 = 250;
/// Instances of one deployment; no plan gives more yet.
const INSTANCES: std::ops::RangeInclusive<i64> = 1..=16;
/// Seconds between two questions to a running program.
const PROBE_INTERVAL_SECONDS: std::ops::RangeInclusive<i64> = 1..=300;
/// Seconds that a running program may take for an answer.
const PROBE_TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 1..=60;
/// Failures in a row after which a running program counts as sick.
const PROBE_THRESHOLD: std::ops::RangeInclusive<i64> = 1..=20;

/// How a deployment is served. It is read back from storage without a second check, so what a user sends must come
/// through `ProjectFile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Configuration {
    /// Its files as they are.
    Static(StaticSite),
    /// By a program that listens on `$PORT`.
    Process(Process),
}

/// Which files are served, and what is answered when there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticSite {
    root: String,
    not_found: Option<String>,
    single_page: bool,
}

impl StaticSite {
    /// The folder whose files are served: `.` for the whole deployment, otherwise a relative path.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The file that goes with the answer 404, relative to the root.
    #[must_use]
    pub fn not_found(&self) -> Option<&str> {
        self.not_found.as_deref()
    }

    /// Whether `index.html` answers for every path that has no file.
    #[must_use]
    pub fn single_page(&self) -> bool {
        self.single_page
    }

    /// Where a file of the root lies in the manifest.
    fn file(&self, name: &str) -> String {
        if self.root == "." { name.to_owned() } else { format!("{}/{name}", self.root) }
    }
}

impl Configuration {
    /// What the files suggest when no `reeve.toml` says it: a static site, if there is an `index.html`.
    ///
    /// # Errors
    /// When there is none.
    pub fn detect(manifest: &Manifest) -> Result<Self, Invalid> {
        if manifest.get("index.html").is_some() {
            return Ok(Self::Static(StaticSite { root: ".".to_owned(), not_found: None, single_page: false }));
        }
        let message = "there is neither a `reeve.toml` nor an `index.html`, add one to say what is served";
        Err(Invalid::new("configuration", message))
    }

    /// Whether the files that it names are there.
    ///
    /// # Errors
    /// One problem for each that is missing.
    pub fn check(&self, manifest: &Manifest) -> Result<(), Vec<Invalid>> {
        let Self::Static(site) = self else { return Ok(()) };
        let missing = |field: &str, file: String| {
            let message = format!("{} is not among the files, add it or change the setting", quote(&file));
            Invalid::new("missing_file", message).within(field)
        };
        let below = site.file("");
        let mut problems = Vec::new();
        if site.root != "." && !manifest.entries().iter().any(|entry| entry.path.as_str().starts_with(&below)) {
            problems.push(missing("static.root", site.root.clone()));
        }
        let not_found = site.not_found.iter().map(|name| ("static.not_found", site.file(name)));
        let index = site.single_page.then(|| ("static.single_page", site.file("index.html")));
        for (field, file) in not_found.chain(index) {
            if manifest.get(&file).is_none() {
                problems.push(missing(field, file));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// What a `reeve.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFile {
    /// How it is served; `None` when the file does not say, and the files decide.
    pub configuration: Option<Configuration>,
    /// How its files are made; `None` when they are served as they are uploaded.
    pub build: Option<Build>,
    /// Where the command line deploys to when it is not told.
    pub environment: Option<EnvironmentPath>,
}

impl ProjectFile {
    /// Reads the file strictly: what is not known is refused, not ignored.
    ///
    /// # Errors
    /// Every problem; a field is the setting's full name, such as `health.path`.
    pub fn parse(text: &str) -> Result<Self, Vec<Invalid>> {
        if text.len() > MAX_FILE {
            return Err(vec![Invalid::new("too_long", "the file is too long, use 64 KiB at most")]);
        }
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            vec![Invalid::new("syntax", format!("line {line} is not valid toml: {}", error.message()))]
        })?;
        let mut reader = Reader { problems: Vec::new() };
        let file = reader.file(&table);
        if reader.problems.is_empty() { Ok(file) } else { Err(reader.problems) }
    }
}

/// Reads settings and collects what is wrong; a wrong setting reads as if it were absent.
struct Reader {
    problems: Vec<Invalid>,
}

impl Reader {
    fn refuse(&mut self, field: &str, constraint: &'static str, message: String) {
        self.problems.push(Invalid::new(constraint, message).within(field));
    }

    fn file(&mut self, table: &Table) -> ProjectFile {
        self.known(table, "", &["kind", "environment", "build", "static", "process", "health"]);
        let environment = self.text(table, "", "environment").and_then(|text| {
            let parsed = EnvironmentPath::parse(&text);
            parsed.map_err(|all| self.problems.extend(all.into_iter().map(|it| it.within("environment")))).ok()
        });
        let kind = self.text(table, "", "kind");
        let build = self.section(table, "build").map(|build| self.build(build));
        let site = self.section(table, "static");
        let process = self.section(table, "process");
        let health = self.section(table, "health");
        let configuration = match (kind.as_deref(), site, process, health) {
            (Some("static") | None, Some(site), None, None) => Some(self.site(site)),
            (Some("static"), None, None, None) => Some(self.site(&Table::new())),
            (Some("process") | None, None, Some(process), health) => Some(self.process(process, health)),
            // What a build leaves cannot be looked at before.
            (None, None, None, None) => build.as_ref().map(|_| self.site(&Table::new())),
            (Some("process"), None, None, _) => {
                let message = "a process needs a `[process]` section with its `command`".to_owned();
                self.refuse("process", "required", message);
                None
            }
            (Some("static" | "process") | None, _, _, _) => {
                let message = "set `kind` to `static` with `[static]`, or to `process` with `[process]` and `[health]`; \
                               the file mixes them";
                self.refuse("kind", "contradiction", message.to_owned());
                None
            }
            (Some(other), _, _, _) => {
                self.refuse("kind", "choice", format!("{} is no kind, use `static` or `process`", quote(other)));
                None
            }
        };
        ProjectFile { configuration, build, environment }
    }

    fn site(&mut self, table: &Table) -> Configuration {
        self.known(table, "static", &["root", "not_found", "single_page"]);
        let root = self.folder(table, "static", "root");
        let not_found =
            self.text(table, "static", "not_found").and_then(|file| self.file_path("static.not_found", &file));
        let single_page = match table.get("single_page") {
            None => false,
            Some(Value::Boolean(yes)) => *yes,
            Some(other) => {
                self.wrong_type("static.single_page", other, "`true` or `false`");
                false
            }
        };
        if single_page && not_found.is_some() {
            let message = "a single-page site answers every path with its index, remove `not_found` or `single_page`";
            self.refuse("static.not_found", "contradiction", message.to_owned());
        }
        Configuration::Static(StaticSite { root: root.unwrap_or_else(|| ".".to_owned()), not_found, single_page })
    }

    fn process(&mut self, table: &Table, health: Option<&Table>) -> Configuration {
        self.known(table, "process", &["command", "tier", "instances"]);
        let command = self.command("process.command", table.get("command"));
        let tier = self.text(table, "process", "tier").map_or(Ok(Tier::default()), |name| {
            let names = Tier::ALL.map(|tier| format!("`{tier}`")).join(", ");
            name.parse().map_err(|()| format!("{} is no tier, use one of {names}", quote(&name)))
        });
        let tier = tier.unwrap_or_else(|message| {
            self.refuse("process.tier", "choice", message);
            Tier::default()
        });
        let instances = self.number(table, "process", "instances", &INSTANCES, process::one());
        let health = self.health(health.unwrap_or(&Table::new()));
        Configuration::Process(Process { command, health, tier, instances })
    }

    fn health(&mut self, table: &Table) -> HealthCheck {
        let known = ["path", "timeout_seconds", "probe_interval_seconds", "probe_timeout_seconds", "probe_threshold"];
        self.known(table, "health", &known);
        let path = self.text(table, "health", "path").unwrap_or_else(|| "/".to_owned());
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !path.starts_with('/') || !plain || path.len() > MAX_HEALTH_PATH {
            let message = format!("{} is no path to ask for, start it with `/` and use no spaces", quote(&path));
            self.refuse("health.path", "path", message);
        }
        let mut number = |key, range, default| self.number(table, "health", key, range, default);
        let usual = Probe::default();
        HealthCheck {
            path,
            timeout_seconds: number("timeout_seconds", &TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS),
            interval_ms: DEFAULT_INTERVAL_MS,
            probe: Probe {
                interval_seconds: number("probe_interval_seconds", &PROBE_INTERVAL_SECONDS, usual.interval_seconds),
                timeout_seconds: number("probe_timeout_seconds", &PROBE_TIMEOUT_SECONDS, usual.timeout_seconds),
                threshold: number("probe_threshold", &PROBE_THRESHOLD, usual.threshold),
            },
        }
    }

    /// A whole number within a range that fits.
    fn number(
        &mut self,
        table: &Table,
        section: &str,
        key: &str,
        range: &std::ops::RangeInclusive<i64>,
        default: u16,
    ) -> u16 {
        match table.get(key) {
            None => default,
            Some(Value::Integer(number)) if range.contains(number) => u16::try_from(*number).unwrap_or(default),
            Some(other) => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                self.wrong_type(&full(section, key), other, &expected);
                default
            }
        }
    }

    fn command(&mut self, field: &str, value: Option<&Value>) -> Vec<String> {
        const EXPECTED: &str = "a list of texts such as `[\"node\", \"server.js\"]`";
        let parts: Option<Vec<String>> = match value {
            Some(Value::Array(parts)) => parts.iter().map(|part| part.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Some(parts) = parts else {
            match value {
                Some(value) => self.wrong_type(field, value, EXPECTED),
                None => self.refuse(field, "required", format!("the command is missing, write {EXPECTED}")),
            }
            return Vec::new();
        };
        if parts.first().is_none_or(String::is_empty) {
            self.refuse(field, "too_short", "the command is empty, name a program".to_owned());
        }
        if parts.iter().any(|part| part.contains('\0')) {
            self.refuse(field, "characters", "the command holds a NUL character, remove it".to_owned());
        }
        if parts.len() > MAX_COMMAND || parts.iter().map(String::len).sum::<usize>() > MAX_COMMAND_BYTES {
            self.refuse(field, "too_long", "the command is too long, use 64 parts and 32 KiB at most".to_owned());
        }
        parts
    }

    fn known(&mut self, table: &Table, section: &str, allowed: &[&str]) {
        for key in table.keys().filter(|key| !allowed.contains(&key.as_str())) {
            let place = if section.is_empty() { "there".to_owned() } else { format!("in `[{section}]`") };
            let allowed = allowed.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            self.refuse(
                &full(section, key),
                "unknown",
                format!("{} is not known, allowed {place}: {allowed}", quote(key)),
            );
        }
    }

    fn section<'t>(&mut self, table: &'t Table, key: &str) -> Option<&'t Table> {
        match table.get(key)? {
            Value::Table(section) => Some(section),
            other => {
                self.wrong_type(key, other, &format!("a section `[{key}]`"));
                None
            }
        }
    }

    fn text(&mut self, table: &Table, section: &str, key: &str) -> Option<String> {
        match table.get(key)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.wrong_type(&full(section, key), other, "a text in quotes");
                None
            }
        }
    }

    /// A folder below the files; none for all of them.
    fn folder(&mut self, table: &Table, section: &str, key: &str) -> Option<String> {
        let text = self.text(table, section, key)?;
        let plain = text.strip_prefix("./").unwrap_or(&text);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        if matches!(plain, "" | ".") && !text.starts_with('/') && !text.is_empty() {
            return None;
        }
        self.file_path(&full(section, key), plain)
    }

    fn file_path(&mut self, field: &str, text: &str) -> Option<String> {
        let parsed = FilePath::parse(text).map(|path| path.as_str().to_owned());
        parsed.map_err(|problem| self.problems.push(problem.within(field))).ok()
    }

    fn wrong_type(&mut self, field: &str, value: &Value, expected: &str) {
        self.refuse(field, "type", format!("{} does not fit, write {expected}", quote(&value.to_string())));
    }
}

fn full(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

#[cfg(test)]
mod tests;
