//! Role packs: what a role gives where it is bound, read from the files in `policy/packs`.
//!
//! The files are policy and are read strictly: a line that is not understood is refused, never skipped. It must not
//! know who has a role.

use std::fmt;

use rustc_hash::FxHashMap;

use super::capability::{Capability, Level};
use super::csv;
use super::facts::{EnvironmentKind, Grant};
use super::mask::Masks;

/// The packs that are part of the program, by name: their text.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("reeve", include_str!("../../policy/packs/reeve.csv")),
    ("ownstak", include_str!("../../policy/packs/ownstak.csv")),
    ("mia-console", include_str!("../../policy/packs/mia-console.csv")),
];

const HEADING: &str = "role,bound_at,capability,environments,reach,basis";

/// The place of a role in its [`Packs`]; it means nothing in others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleIndex(u16);

/// Which scopes a row counts on, seen from the scope that the role is bound on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// `self`: the bound scope and everything below it.
    Itself,
    /// `parent`: the parent of the bound scope, and nothing below that.
    Parent,
    /// `managed`: every organization that the bound team manages, and everything below it.
    Managed,
}

/// Rows of a role that are alike in where they are bound and how far they reach, as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// The kind of scope on which a binding must sit for the row to count.
    pub bound_at: Level,
    /// Which scopes it counts on.
    pub reach: Reach,
    /// What it gives, by kind of environment.
    pub masks: Masks,
}

#[derive(Debug, Clone)]
struct Role {
    name: String,
    rows: Vec<Row>,
}

/// Every role that can be bound.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    roles: Vec<Role>,
    by_name: FxHashMap<String, RoleIndex>,
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

impl Packs {
    /// The packs that are part of the program.
    ///
    /// # Errors
    /// As [`Packs::parse`]; a test proves that the embedded files have none.
    pub fn built_in() -> Result<Self, Vec<BadLine>> {
        Self::parse(BUILT_IN)
    }

    /// Reads packs, each given by its name and its text.
    ///
    /// # Errors
    /// Every line that is refused, of all packs at once.
    pub fn parse<'a>(packs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<BadLine>> {
        let mut parsed = Self::default();
        let mut bad = Vec::new();
        let mut seen = Vec::new();
        for (pack, text) in packs {
            let mut refuse = |line, reason| {
                let pack = pack.to_owned();
                bad.push(BadLine { pack, line, reason });
            };
            if seen.contains(&pack) {
                refuse(1, "there is another pack of this name, and roles would be mixed".to_owned());
                continue;
            }
            seen.push(pack);
            let mut lines = (1..).zip(text.lines());
            if lines.next().is_none_or(|(_, heading)| heading != HEADING) {
                refuse(1, format!("the heading must be `{HEADING}`"));
                continue;
            }
            for (line, text) in lines {
                let added = parse_row(text).and_then(|(role, row)| parsed.add(&format!("{pack}/{role}"), row));
                if let Err(reason) = added {
                    refuse(line, reason);
                }
            }
        }
        if bad.is_empty() { Ok(parsed) } else { Err(bad) }
    }

    /// The role with this full name, `pack/role`.
    #[must_use]
    pub fn role(&self, full_name: &str) -> Option<RoleIndex> {
        self.by_name.get(full_name).copied()
    }

    /// Every role, in the order of the files.
    pub fn roles(&self) -> impl Iterator<Item = (RoleIndex, &str)> {
        let names = self.roles.iter().map(|role| role.name.as_str());
        (0..).map(RoleIndex).zip(names)
    }

    /// The rows of a role; none, when the role is not of these packs.
    #[must_use]
    pub fn rows(&self, role: RoleIndex) -> &[Row] {
        let role = self.roles.get(usize::from(role.0));
        role.map_or(&[], |role| &role.rows)
    }

    /// The name of what a binding gives: the full name of a role, or the name of a capability.
    #[must_use]
    pub fn name(&self, grant: Grant) -> &str {
        match grant {
            Grant::Role(role) => {
                let role = self.roles.get(usize::from(role.0));
                role.map_or("", |role| &role.name)
            }
            Grant::Capability(capability) => capability.name(),
        }
    }

    fn add(&mut self, full_name: &str, row: Row) -> Result<(), String> {
        let index = match self.role(full_name) {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.roles.len()).map(RoleIndex);
                let index = index.map_err(|_| "there are more roles than can be counted".to_owned())?;
                let name = full_name.to_owned();
                self.by_name.insert(name.clone(), index);
                self.roles.push(Role { name, rows: Vec::new() });
                index
            }
        };
        let Some(Role { rows, .. }) = self.roles.get_mut(usize::from(index.0)) else {
            return Ok(());
        };
        let alike = rows.iter_mut().find(|old| (old.bound_at, old.reach) == (row.bound_at, row.reach));
        match alike {
            Some(old) => old.masks |= row.masks,
            None => rows.push(row),
        }
        Ok(())
    }
}

fn parse_row(line: &str) -> Result<(String, Row), String> {
    let [role, bound_at, capability, environments, reach, basis] =
        csv::fields(line).ok_or("a row has six fields, and one with a comma stands in double quotes")?;
    if role.is_empty() || !role.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Err(format!("`{role}` is no role name: use small letters, digits and `-`"));
    }
    if basis.is_empty() {
        return Err("the basis is missing: say where the row comes from".to_owned());
    }
    let bound_at = Level::parse(&bound_at).ok_or_else(|| format!("there is no kind of scope `{bound_at}`"))?;
    let capability = Capability::parse(&capability).ok_or_else(|| format!("there is no capability `{capability}`"))?;
    let masks = parse_environments(&environments, capability)?;
    let reach = parse_reach(&reach, bound_at)?;
    Ok((role, Row { bound_at, reach, masks }))
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::mask::Mask;
    use super::*;

    fn refusals(rows: &str) -> Vec<(usize, String)> {
        let text = format!("{HEADING}\n{rows}");
        let bad = Packs::parse([("p", text.as_str())]).unwrap_err();
        bad.into_iter().map(|bad| (bad.line, bad.reason)).collect()
    }

    #[test]
    fn the_built_in_packs_are_whole() {
        let packs = Packs::built_in().unwrap();
        let owner = packs.role("reeve/team-owner").unwrap();
        assert_eq!(packs.name(owner.into()), "reeve/team-owner");
        assert_eq!(packs.rows(owner)[0].masks.production.iter().count(), 7);
        assert!(packs.role("ownstak/admin").is_some());
        assert!(packs.role("mia-console/maintainer").is_some());
        assert!(packs.role("maintainer").is_none());
    }

    #[test]
    fn rows_fold_by_where_they_are_bound_and_how_far_they_reach() {
        let text = format!(
            "{HEADING}\nr,project,log.view,production,self,seed\nr,project,log.view,nonproduction,self,seed\n\
             r,project,project.create,any,parent,seed\nr,project,console.project.view,any,self,\"an alias, quoted\"\n"
        );
        let packs = Packs::parse([("p", text.as_str())]).unwrap();
        let rows = packs.rows(packs.role("p/r").unwrap());
        let itself = Mask::of(&[Capability::LogView, Capability::ProjectView]);
        let row = |reach, mask| Row { bound_at: Level::Project, reach, masks: Masks::both(mask) };
        let parent = Capability::ProjectCreate.mask();
        assert_eq!(rows, [row(Reach::Itself, itself), row(Reach::Parent, parent)]);
    }

    #[test]
    fn every_bad_line_is_refused_with_its_number() {
        let refused = refusals(
            "r,project,log.view,any,self,seed\n\nr,galaxy,log.view,any,self,seed\nr,project,log.vew,any,self,seed\n\
             r,project,log.view,staging,self,seed\nr,project,project.view,production,self,seed\n\
             r,project,log.view,any,managed,seed\nr,console,log.view,any,parent,seed\nr,project,log.view,any,far,seed\n\
             R,project,log.view,any,self,seed\nr,project,log.view,any,self,\nr,project,log.view,any,self\n",
        );
        let lines: Vec<usize> = refused.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, (3..=13).collect::<Vec<_>>());
        assert_eq!(refused[2].1, "there is no capability `log.vew`");
    }

    #[test]
    fn a_pack_without_its_heading_is_refused() {
        let bad = Packs::parse([("p", "role,capability\n"), ("q", ""), ("p", HEADING)]).unwrap_err();
        assert_eq!(bad.len(), 3);
        assert_eq!(bad[1].to_string(), format!("pack `q`, line 1: the heading must be `{HEADING}`"));
    }
}
