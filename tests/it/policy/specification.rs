//! `policy/README.md` in a few lines, over the files of the packs as they stand: what a role gives where it is bound. It must
//! not use the program's own reader and its own rules, whose answers are checked against this.

use std::path::Path;

/// A line of a pack.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) role: String,
    bound_at: String,
    pub(super) capability: String,
    environments: String,
    reach: String,
}

/// A line of `capabilities.csv`.
#[derive(Debug)]
pub(super) struct Capability {
    pub(super) name: String,
    pub(super) on: String,
    pub(super) area: String,
}

/// Where roles are bound and capabilities judged: one of each kind of scope, both kinds of environment, and two neighbours
/// which nothing may spill over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Console,
    Team,
    Organization,
    Project,
    Production,
    Staging,
    /// Another project of the organization.
    Sibling,
    /// Somebody else's organization.
    Elsewhere,
}

use Place::{Console, Elsewhere, Organization, Production, Project, Sibling, Staging, Team};

impl Place {
    /// Where a role is bound.
    pub(super) const BOUND: [Self; 6] = [Console, Team, Organization, Project, Production, Staging];
    /// Where it is judged.
    pub(super) const JUDGED: [Self; 8] =
        [Console, Team, Organization, Project, Production, Staging, Sibling, Elsewhere];

    /// The kind of scope.
    pub(super) fn level(self) -> &'static str {
        match self {
            Console => "console",
            Team => "team",
            Organization | Elsewhere => "organization",
            Project | Sibling => "project",
            Production | Staging => "environment",
        }
    }

    /// The capability without which it does not exist for somebody.
    pub(super) fn view(self) -> String {
        format!("{}.view", self.level())
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Console => "the console",
            Team => "the team",
            Organization => "the organization",
            Project => "the project",
            Production => "the production environment",
            Staging => "the other environment",
            Sibling => "the project next to it",
            Elsewhere => "somebody else's organization",
        }
    }

    /// Itself and everything above.
    pub(super) fn lineage(self) -> &'static [Self] {
        match self {
            Console => &[Console],
            Team => &[Team, Console],
            Organization => &[Organization, Console],
            Project => &[Project, Organization, Console],
            Production => &[Production, Project, Organization, Console],
            Staging => &[Staging, Project, Organization, Console],
            Sibling => &[Sibling, Organization, Console],
            Elsewhere => &[Elsewhere, Console],
        }
    }

    /// The kinds of environment under which it is judged: its own, or both, since above an environment is held what is held
    /// on whatever lies below.
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Production => &["production"],
            Staging => &["nonproduction"],
            Console | Team | Organization | Project | Sibling | Elsewhere => &["production", "nonproduction"],
        }
    }
}

impl Row {
    fn counts(&self, bound: Place, judged: Place, kind: &str) -> bool {
        let reached = match self.reach.as_str() {
            "self" => judged.lineage().contains(&bound),
            "parent" => bound.lineage().get(1) == Some(&judged),
            // The creator's team manages the organization.
            "managed" => judged.lineage().contains(&Organization),
            other => panic!("the specification knows no reach `{other}`"),
        };
        let on_kind = match self.environments.as_str() {
            "any" => true,
            only @ ("production" | "nonproduction") => only == kind,
            other => panic!("the specification knows no environments `{other}`"),
        };
        self.bound_at == bound.level() && reached && on_kind
    }
}

/// A pack, by its name.
pub(super) struct Pack {
    pub(super) name: &'static str,
    rows: Vec<Row>,
}

impl Pack {
    /// Reads `policy/packs/<name>.csv`.
    pub(super) fn read(name: &'static str) -> Self {
        let lines = lines(&format!("policy/packs/{name}.csv"), "role,bound_at,capability,environments,reach,basis");
        let rows = lines.into_iter().map(|line| {
            let [role, bound_at, capability, environments, reach] = columns(&line);
            Row { role, bound_at, capability, environments, reach }
        });
        let rows: Vec<Row> = rows.collect();
        assert!(!rows.is_empty(), "the pack `{name}` has no row");
        Self { name, rows }
    }

    /// Every role at every place: alone where it gives something, and what is left over as one.
    pub(super) fn holdings(&self) -> Vec<Holding> {
        let mut roles: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !roles.contains(&row.role.as_str()) {
                roles.push(&row.role);
            }
        }
        let all = roles.into_iter().flat_map(|role| Place::BOUND.map(|bound| (role.to_owned(), bound)));
        let (live, idle): (Vec<_>, Vec<_>) = all.partition(|(role, bound)| self.rows_at(role, *bound).next().is_some());
        let live = live.into_iter().map(|held| Holding { roles: vec![held] });
        live.chain([Holding { roles: idle }]).collect()
    }

    /// The rows of a role that count when it is bound there.
    pub(super) fn rows_at<'a>(&'a self, role: &'a str, bound: Place) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.role == role && row.bound_at == bound.level())
    }

    /// Whether what somebody holds gives a capability at a place.
    pub(super) fn gives(&self, holding: &Holding, capability: &str, judged: Place) -> bool {
        judged.kinds().iter().all(|kind| {
            holding.roles.iter().any(|(role, bound)| {
                let mut rows = self.rows_at(role, *bound).filter(|row| row.capability == capability);
                rows.any(|row| row.counts(*bound, judged, kind))
            })
        })
    }
}

/// Roles that one person holds, each where it is bound. Grants only add up (rule 1), so all that should give nothing can be held
/// by one.
pub(super) struct Holding {
    pub(super) roles: Vec<(String, Place)>,
}

impl Holding {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self.roles.as_slice() {
            [(role, bound)] => format!("`{role}` on {}", bound.words()),
            roles => format!("all {} roles that have no row where they are bound", roles.len()),
        }
    }
}

/// Every capability, in the order of the file.
pub(super) fn capabilities() -> Vec<Capability> {
    let lines = lines("policy/capabilities.csv", "capability,on,area,allows,aliases");
    let all: Vec<Capability> = lines
        .into_iter()
        .map(|line| {
            let [name, on, area] = columns(&line);
            Capability { name, on, area }
        })
        .collect();
    assert_eq!(all.len(), 75, "a capability was added or taken away: look at the golden files");
    all
}

fn lines(path: &str, heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(heading), "{path}");
    lines.collect()
}

/// The first columns of a line; those that may be quoted come later.
fn columns<const N: usize>(line: &str) -> [String; N] {
    let columns: Vec<String> = line.split(',').take(N).map(str::to_owned).collect();
    assert!(columns.iter().all(|column| !column.is_empty() && !column.contains('"')), "{line}");
    columns.try_into().unwrap()
}
