//! World M: organizations with projects and environments, people in teams, and what is bound to them. Rows as a database
//! would have them; it must not know what they imply, nor who is measured on them.

use reeve::authz::{Binding, Capability, EnvironmentKind, Level, Packs, RoleIndex, Scope, ScopeFact, Subject};

use crate::random::Random;

pub(crate) const ORGANIZATIONS: usize = 100;
pub(crate) const PROJECTS: usize = 2_000;
pub(crate) const ENVIRONMENTS: usize = 8_000;
pub(crate) const USERS: usize = 5_000;
pub(crate) const TEAMS: usize = 500;
pub(crate) const BINDINGS: usize = 20_000;
/// Users with many bindings of their own, the last ones.
pub(crate) const HEAVY_USERS: usize = 20;
/// How many a heavy user has.
pub(crate) const HEAVY_BINDINGS: usize = 100;

const DAY: i64 = 86_400_000;

/// A user: whether it is suspended, and the teams that it is in.
pub(crate) struct User {
    pub(crate) suspended: bool,
    pub(crate) teams: Vec<usize>,
    /// Organizations in which it works, where most of what is bound to it sits.
    homes: Vec<usize>,
}

/// Everything there is. Objects are known by their number within their kind.
pub(crate) struct World {
    /// The moment of every question, in Unix milliseconds.
    pub(crate) now: i64,
    pub(crate) packs: Packs,
    pub(crate) users: Vec<User>,
    pub(crate) bindings: Vec<Binding>,
    /// Places in `bindings`, by the number of the user.
    pub(crate) of_user: Vec<Vec<usize>>,
    /// Places in `bindings`, by the number of the team.
    pub(crate) of_team: Vec<Vec<usize>>,
    /// By the number of the organization: the team that manages it, and whether it is suspended.
    organizations: Vec<(usize, bool)>,
    /// By the number of the environment: its kind, and whether it is frozen.
    environments: Vec<(EnvironmentKind, bool)>,
}

/// The database key of an object: its low half tells the kind and the number, the rest is spread as keys are.
const fn key(kind: u64, number: usize) -> u128 {
    let low = kind << 32 | number as u64;
    (Random::spread(low) as u128) << 64 | low as u128
}

/// The number of the object with this key.
pub(crate) fn number(key: u128) -> usize {
    key as u32 as usize
}

/// The key of a user.
pub(crate) fn user(number: usize) -> u128 {
    key(1, number)
}

/// The key of a team.
pub(crate) fn team(number: usize) -> u128 {
    key(2, number)
}

/// The organization with this number.
pub(crate) fn organization(number: usize) -> Scope {
    Scope::Organization(key(3, number))
}

/// The project with this number.
pub(crate) fn project(number: usize) -> Scope {
    Scope::Project(key(4, number))
}

/// The environment with this number.
pub(crate) fn environment(number: usize) -> Scope {
    Scope::Environment(key(5, number))
}

/// A short name of a scope for engines that know things by text; a database key as text would cost them more.
pub(crate) fn name(scope: Scope) -> String {
    match scope {
        Scope::Console => "c".to_owned(),
        Scope::Team(id) => format!("t{}", number(id)),
        Scope::Organization(id) => format!("o{}", number(id)),
        Scope::Project(id) => format!("p{}", number(id)),
        Scope::Environment(id) => format!("e{}", number(id)),
    }
}

/// Every scope.
pub(crate) fn scopes() -> impl Iterator<Item = Scope> {
    let teams = (0..TEAMS).map(|each| Scope::Team(team(each)));
    let organizations = (0..ORGANIZATIONS).map(organization);
    let below = (0..PROJECTS).map(project).chain((0..ENVIRONMENTS).map(environment));
    std::iter::once(Scope::Console).chain(teams).chain(organizations).chain(below)
}

/// The roles that have rows for each kind of scope.
struct Roles {
    at: [Vec<RoleIndex>; 5],
}

impl Roles {
    fn of(packs: &Packs) -> Self {
        let fitting = |level: Level| {
            let fits = |role: RoleIndex| packs.rows(role).iter().any(|row| row.bound_at == level);
            packs.roles().map(|(role, _)| role).filter(|&role| fits(role)).collect()
        };
        Self { at: Level::ALL.map(fitting) }
    }
}

impl World {
    /// The world of this seed at this moment, in Unix milliseconds.
    pub(crate) fn new(packs: Packs, now: i64, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let organizations = (0..ORGANIZATIONS).map(|_| (random.below(TEAMS), random.percent(3))).collect();
        let environment = |number: usize, random: &mut Random| {
            let production = number.is_multiple_of(ENVIRONMENTS / PROJECTS);
            let kind = if production { EnvironmentKind::Production } else { EnvironmentKind::Nonproduction };
            (kind, random.percent(5))
        };
        let environments = (0..ENVIRONMENTS).map(|number| environment(number, random)).collect();
        let mut users: Vec<_> = (0..USERS).map(|_| User::new(random)).collect();
        for user in &mut users[USERS - HEAVY_USERS..] {
            user.teams.clear();
        }
        let (of_user, of_team) = (vec![Vec::new(); USERS], vec![Vec::new(); TEAMS]);
        let bindings = Vec::new();
        let mut world = Self { packs, now, users, bindings, of_user, of_team, organizations, environments };
        world.bind(random);
        world
    }

    /// What the database knows of a scope; nothing of the console.
    pub(crate) fn fact(&self, scope: Scope) -> Option<ScopeFact> {
        match scope {
            Scope::Console => None,
            Scope::Team(_) => Some(ScopeFact::team()),
            Scope::Organization(key) => {
                let (managing, suspended) = self.organizations[number(key)];
                Some(ScopeFact::organization(Some(team(managing)), suspended))
            }
            Scope::Project(key) => {
                let above = organization(number(key) / (PROJECTS / ORGANIZATIONS));
                Some(ScopeFact { parent: Some(above), ..ScopeFact::project(0) })
            }
            Scope::Environment(key) => {
                let (kind, frozen) = self.environments[number(key)];
                let above = project(number(key) / (ENVIRONMENTS / PROJECTS));
                Some(ScopeFact { parent: Some(above), ..ScopeFact::environment(0, kind, frozen) })
            }
        }
    }

    /// The scope and everything above it.
    pub(crate) fn lineage(&self, scope: Scope) -> impl Iterator<Item = Scope> {
        std::iter::successors(Some(scope), |&scope| self.fact(scope)?.parent)
    }

    /// The organizations that a team manages.
    pub(crate) fn managed_by(&self, team: usize) -> impl Iterator<Item = Scope> {
        let all = self.organizations.iter().enumerate();
        all.filter(move |(_, (managing, _))| *managing == team).map(|(number, _)| organization(number))
    }

    /// Some scope of an organization, of the wanted kind.
    pub(crate) fn within(home: usize, level: Level, random: &mut Random) -> Scope {
        let (projects, environments) = (PROJECTS / ORGANIZATIONS, ENVIRONMENTS / ORGANIZATIONS);
        match level {
            Level::Console => Scope::Console,
            Level::Team => Scope::Team(team(random.below(TEAMS))),
            Level::Organization => organization(home),
            Level::Project => project(home * projects + random.below(projects)),
            Level::Environment => environment(home * environments + random.below(environments)),
        }
    }

    /// Heavy users have theirs, teams a fifth of the rest, everybody else shares what is left.
    fn bind(&mut self, random: &mut Random) {
        let roles = Roles::of(&self.packs);
        let ordinary = USERS - HEAVY_USERS;
        for place in 0..BINDINGS {
            let heavy = place / HEAVY_BINDINGS;
            let (subject, homes) = if heavy < HEAVY_USERS {
                (Subject::User(user(ordinary + heavy)), vec![random.below(ORGANIZATIONS)])
            } else if random.percent(20) {
                let number = random.below(TEAMS);
                (Subject::Team(team(number)), vec![number % ORGANIZATIONS, (number + 1) % ORGANIZATIONS])
            } else {
                let number = random.below(ordinary);
                (Subject::User(user(number)), self.users[number].homes.clone())
            };
            let home = if random.percent(90) { random.pick(&homes) } else { random.below(ORGANIZATIONS) };
            let mut binding = self.binding(place, subject, home, &roles, random);
            if random.percent(8) {
                self.qualify(&mut binding, &roles, random);
            }
            match subject {
                Subject::User(user) => self.of_user[number(user)].push(place),
                Subject::Team(team) => self.of_team[number(team)].push(place),
            }
            self.bindings.push(binding);
        }
    }

    fn binding(&self, place: usize, subject: Subject, home: usize, roles: &Roles, random: &mut Random) -> Binding {
        let level = match random.below(1_000) {
            0..2 => Level::Console,
            2..50 => Level::Team,
            50..280 => Level::Organization,
            280..720 => Level::Project,
            _ => Level::Environment,
        };
        let mut scope = Self::within(home, level, random);
        let own_teams = self.teams_of(subject);
        if level == Level::Team && !own_teams.is_empty() {
            scope = Scope::Team(team(random.pick(own_teams)));
        }
        let alone = random.percent(4);
        let capability = random.pick(Capability::ALL);
        let grant = if alone { capability.into() } else { random.pick(&roles.at[level as usize]).into() };
        let (not_before, not_after) = match random.below(100) {
            0..5 => (None, Some(self.now - DAY)),
            5..7 => (Some(self.now + DAY), None),
            7..12 => (Some(self.now - DAY), Some(self.now + DAY)),
            _ => (None, None),
        };
        Binding { id: key(6, place), subject, grant, scope, on_behalf_of: None, not_before, not_after }
    }

    /// Makes it a binding on behalf of a team: in an organization that a team of the user manages, or else in one whose
    /// managing team the user may not be in.
    fn qualify(&self, binding: &mut Binding, roles: &Roles, random: &mut Random) {
        let managed =
            self.teams_of(binding.subject).iter().find_map(|&team| Some((team, self.managed_by(team).next()?)));
        if let Some((managing, organization)) = managed {
            binding.scope = organization;
            binding.grant = random.pick(&roles.at[Level::Organization as usize]).into();
            binding.on_behalf_of = Some(team(managing));
        } else {
            let organization = self.lineage(binding.scope).find(|above| above.level() == Level::Organization);
            binding.on_behalf_of = organization.and_then(|above| self.fact(above)?.managing_team);
        }
    }

    fn teams_of(&self, subject: Subject) -> &[usize] {
        match subject {
            Subject::User(user) => &self.users[number(user)].teams,
            Subject::Team(_) => &[],
        }
    }
}

impl User {
    fn new(random: &mut Random) -> Self {
        let teams = match random.below(10) {
            0..3 => vec![],
            3..8 => vec![random.below(TEAMS)],
            _ => {
                let first = random.below(TEAMS);
                vec![first, (first + 1 + random.below(TEAMS - 1)) % TEAMS]
            }
        };
        let mut homes = vec![random.below(ORGANIZATIONS), random.below(ORGANIZATIONS)];
        homes.extend(teams.first().map(|team| team % ORGANIZATIONS));
        Self { suspended: random.percent(1), teams, homes }
    }
}
