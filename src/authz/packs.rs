//! Role packs: what a role gives where it is bound, read from the files in `policy/packs`.
//!
//! The files are policy and are read strictly: a line that is not understood is refused, never skipped. It must not
//! know who has a role.

use rustc_hash::FxHashMap;

use super::capability::Level;
use super::facts::{Grant, Scope};
use super::mask::Masks;
use super::pack_file::{BadLine, read_pack};

/// The packs that are part of the program, by name: their text.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("reeve", include_str!("../../policy/packs/reeve.csv")),
    ("ownstak", include_str!("../../policy/packs/ownstak.csv")),
    ("mia-console", include_str!("../../policy/packs/mia-console.csv")),
    ("devops-console", include_str!("../../policy/packs/devops-console.csv")),
    ("launch", include_str!("../../policy/packs/launch.csv")),
    ("codetainer", include_str!("../../policy/packs/codetainer.csv")),
];

/// The place of a role in its [`Packs`]; it means nothing in others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleIndex(u32);

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

impl Reach {
    /// The word of the packs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Itself => "self",
            Self::Parent => "parent",
            Self::Managed => "managed",
        }
    }

    /// The reach that a word of the packs means.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Itself, Self::Parent, Self::Managed].into_iter().find(|reach| reach.name() == word)
    }
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
    /// What a binding names: the full name, or the id of a role that was made while the program ran.
    key: String,
    /// The full name, `pack/role`.
    name: String,
    /// Where it may be bound, when it is not everybody's: there and below.
    owner: Option<Scope>,
    rows: Vec<Row>,
}

/// Every role that can be bound.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    roles: Vec<Role>,
    by_key: FxHashMap<String, RoleIndex>,
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
            if seen.contains(&pack) {
                let reason = "there is another pack of this name, and roles would be mixed".to_owned();
                bad.push(BadLine { pack: pack.to_owned(), line: 1, reason });
                continue;
            }
            seen.push(pack);
            match read_pack(pack, text) {
                Err(lines) => bad.extend(lines),
                Ok(roles) => {
                    for (role, rows) in roles {
                        let rows = rows.iter().filter_map(|words| words.parse().ok());
                        rows.for_each(|row| parsed.add(&format!("{pack}/{role}"), row));
                    }
                }
            }
        }
        if bad.is_empty() { Ok(parsed) } else { Err(bad) }
    }

    /// Adds a role that was made while the program ran, under the key that bindings name it by; `owner` is the scope on
    /// which, and below which, it may be bound.
    pub fn add_made(&mut self, key: String, name: String, owner: Scope, rows: &[Row]) -> RoleIndex {
        let index = self.next();
        self.by_key.insert(key.clone(), index);
        self.roles.push(Role { key, name, owner: Some(owner), rows: Vec::new() });
        for row in rows {
            self.fold(index, *row);
        }
        index
    }

    /// The role that bindings name so: a full name, `pack/role`, or the id of a role that was made while the program ran.
    #[must_use]
    pub fn role(&self, key: &str) -> Option<RoleIndex> {
        self.by_key.get(key).copied()
    }

    /// Every role that somebody on these scopes may bind, by what a binding names it: everybody's, and those of the scopes.
    pub fn roles_of(&self, scopes: &[Scope]) -> impl Iterator<Item = RoleIndex> {
        let places = (0..).map(RoleIndex).zip(&self.roles);
        places.filter(|(_, role)| role.owner.is_none_or(|owner| scopes.contains(&owner))).map(|(index, _)| index)
    }

    /// What bindings name the roles by that have a row of this reach.
    #[must_use]
    pub fn roles_that_reach(&self, reach: Reach) -> Vec<&str> {
        let reaching = self.roles.iter().filter(|role| role.rows.iter().any(|row| row.reach == reach));
        reaching.map(|role| role.key.as_str()).collect()
    }

    /// Every role of the files, in their order.
    pub fn roles(&self) -> impl Iterator<Item = (RoleIndex, &str)> {
        let places = (0..).map(RoleIndex).zip(&self.roles);
        places.filter(|(_, role)| role.owner.is_none()).map(|(index, role)| (index, role.name.as_str()))
    }

    /// The rows of a role; none, when the role is not of these packs.
    #[must_use]
    pub fn rows(&self, role: RoleIndex) -> &[Row] {
        self.get(role).map_or(&[], |role| &role.rows)
    }

    /// What bindings name a role by.
    #[must_use]
    pub fn key(&self, role: RoleIndex) -> &str {
        self.get(role).map_or("", |role| &role.key)
    }

    /// The scope on which, and below which, a role may be bound; none for a role that is everybody's.
    #[must_use]
    pub fn owner(&self, role: RoleIndex) -> Option<Scope> {
        self.get(role)?.owner
    }

    /// The name of what a binding gives: the full name of a role, or the name of a capability.
    #[must_use]
    pub fn name(&self, grant: Grant) -> &str {
        match grant {
            Grant::Role(role) => self.get(role).map_or("", |role| &role.name),
            Grant::Capability(capability) => capability.name(),
        }
    }

    fn get(&self, role: RoleIndex) -> Option<&Role> {
        self.roles.get(usize::try_from(role.0).ok()?)
    }

    /// Roles are counted in 32 bits; memory ends before that.
    fn next(&self) -> RoleIndex {
        RoleIndex(u32::try_from(self.roles.len()).unwrap_or(u32::MAX))
    }

    fn add(&mut self, full_name: &str, row: Row) {
        let index = self.role(full_name).unwrap_or_else(|| {
            let index = self.next();
            let name = full_name.to_owned();
            self.by_key.insert(name.clone(), index);
            self.roles.push(Role { key: name.clone(), name, owner: None, rows: Vec::new() });
            index
        });
        self.fold(index, row);
    }

    fn fold(&mut self, role: RoleIndex, row: Row) {
        let Some(Role { rows, .. }) = usize::try_from(role.0).ok().and_then(|place| self.roles.get_mut(place)) else {
            return;
        };
        let alike = rows.iter_mut().find(|old| (old.bound_at, old.reach) == (row.bound_at, row.reach));
        match alike {
            Some(old) => old.masks |= row.masks,
            None => rows.push(row),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::capability::Capability;
    use super::super::mask::Mask;
    use super::super::pack_file::HEADING;
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
