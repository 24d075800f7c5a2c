//! The text of a pack: rows in words, read strictly and written back. A line that is not understood is refused, never
//! skipped. It must not know which roles there are.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::capability::{Capability, Level};
use super::csv;
use super::facts::EnvironmentKind;
use super::mask::Masks;
use super::packs::{Reach, Row};

pub(super) const HEADING: &str = "role,bound_at,capability,environments,reach,basis";

/// A row in the words of the files, as roles that are made while the program runs keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowWords {
    /// The kind of scope on which a binding must sit.
    pub bound_at: String,
    /// The capability, or an alias of it.
    pub capability: String,
    /// `any`, `production` or `nonproduction`.
    pub environments: String,
    /// `self`, `parent` or `managed`.
    pub reach: String,
}

/// A line of a pack that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The name of the pack.
    pub pack: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Why it is refused, for whoever wrote it.
    pub reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pack `{}`, line {}: {}", self.pack, self.line, self.reason)
    }
}

/// Reads the text of one pack into roles with their rows, in the order of the file.
///
/// # Errors
/// Every line that is refused.
pub fn read_pack(pack: &str, text: &str) -> Result<Vec<(String, Vec<RowWords>)>, Vec<BadLine>> {
    let bad_line = |line, reason| BadLine { pack: pack.to_owned(), line, reason };
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, heading)| heading.trim_end() != HEADING) {
        return Err(vec![bad_line(1, format!("the heading must be `{HEADING}`"))]);
    }
    let mut roles: Vec<(String, Vec<RowWords>)> = Vec::new();
    let mut bad = Vec::new();
    for (line, text) in lines {
        let read = parse_line(text.trim_end()).and_then(|(role, words)| words.parse().map(|_| (role, words)));
        match read {
            Err(reason) => bad.push(bad_line(line, reason)),
            Ok((role, words)) => match roles.iter_mut().find(|(name, _)| *name == role) {
                Some((_, rows)) => rows.push(words),
                None => roles.push((role, vec![words])),
            },
        }
    }
    if bad.is_empty() { Ok(roles) } else { Err(bad) }
}

/// The text of a pack with these roles: what [`read_pack`] reads.
#[must_use]
pub fn write_pack(roles: &[(String, Vec<RowWords>)]) -> String {
    let mut text = format!("{HEADING}\n");
    for (role, rows) in roles {
        for RowWords { bound_at, capability, environments, reach } in rows {
            text += &format!("{role},{bound_at},{capability},{environments},{reach},exported\n");
        }
    }
    text
}

/// The name of a role or pack: small letters, digits and `-`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl RowWords {
    /// What the words mean.
    ///
    /// # Errors
    /// What is not understood, for whoever wrote it.
    pub fn parse(&self) -> Result<Row, String> {
        let Self { bound_at, capability, environments, reach } = self;
        let bound_at = Level::parse(bound_at).ok_or_else(|| format!("there is no kind of scope `{bound_at}`"))?;
        let capability =
            Capability::parse(capability).ok_or_else(|| format!("there is no capability `{capability}`"))?;
        let masks = parse_environments(environments, capability)?;
        let reach = parse_reach(reach, bound_at)?;
        Ok(Row { bound_at, reach, masks })
    }

    /// The same with the capability's own name in place of an alias.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let capability = Capability::parse(&self.capability).map(|capability| capability.name().to_owned());
        Self { capability: capability.unwrap_or_else(|| self.capability.clone()), ..self.clone() }
    }
}

fn parse_line(line: &str) -> Result<(String, RowWords), String> {
    let [role, bound_at, capability, environments, reach, basis] =
        csv::fields(line).ok_or("a row has six fields, and one with a comma stands in double quotes")?;
    if !is_name(&role) {
        return Err(format!("`{role}` is no role name: use small letters, digits and `-`"));
    }
    if basis.is_empty() {
        return Err("the basis is missing: say where the row comes from".to_owned());
    }
    Ok((role, RowWords { bound_at, capability, environments, reach }))
}

fn parse_environments(environments: &str, capability: Capability) -> Result<Masks, String> {
    let only = match environments {
        "any" => return Ok(Masks::both(capability.mask())),
        "production" => EnvironmentKind::Production,
        "nonproduction" => EnvironmentKind::Nonproduction,
        other => {
            return Err(format!("`{other}` is not one of `any`, `production`, `nonproduction`"));
        }
    };
    if capability.level() != Level::Environment {
        let name = capability.name();
        return Err(format!("`{name}` is not judged on an environment: its environments must be `any`"));
    }
    let (mask, none) = (capability.mask(), Masks::default());
    Ok(match only {
        EnvironmentKind::Production => Masks { production: mask, ..none },
        EnvironmentKind::Nonproduction => Masks { nonproduction: mask, ..none },
    })
}

fn parse_reach(reach: &str, bound_at: Level) -> Result<Reach, String> {
    match (reach, bound_at) {
        ("self", _) => Ok(Reach::Itself),
        ("parent", Level::Console) => Err("the console has no parent to reach".to_owned()),
        ("parent", _) => Ok(Reach::Parent),
        ("managed", Level::Team) => Ok(Reach::Managed),
        ("managed", _) => Err("only a role bound at a team reaches `managed` organizations".to_owned()),
        (other, _) => Err(format!("`{other}` is not one of `self`, `parent`, `managed`")),
    }
}
