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

/// The moment of every question, in Unix milliseconds.
pub(crate) const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

/// A user: whether it is suspended, and the teams that it is in.
pub(crate) struct User {
    pub(crate) suspended: bool,
    pub(crate) teams: Vec<usize>,
    /// Organizations in which it works, where most of what is bound to it sits.
    homes: Vec<usize>,
}

/// Everything there is. Objects are known by their number within their kind; [`id`] makes the database key.
pub(crate) struct World {
    pub(crate) packs: Packs,
    pub(crate) users: Vec<User>,
    pub(crate) bindings: Vec<Binding>,
    /// Places in `bindings`, by the number of the user.
    pub(crate) of_user: Vec<Vec<usize>>,
    /// Places in `bindings`, by the number of the team.
    pub(crate) of_team: Vec<Vec<usize>>,
    /// By the number of the organization: the team that manages it, and whether it is suspended.
    organizations: Vec<(Option<usize>, bool)>,
    /// By the number of the environment: its kind, and whether it is frozen.
    environments: Vec<(EnvironmentKind, bool)>,
}

/// The database key of the object with this number: its low half is the number, the rest is spread as keys are.
pub(crate) fn id(number: usize) -> u128 {
    u128::from(Random::new(number as u64).next()) << 64 | number as u128
}

/// The number of the object with this key.
pub(crate) fn number(id: u128) -> usize {
    id as u64 as usize
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
    let teams = (0..TEAMS).map(|each| Scope::Team(id(each)));
    let organizations = (0..ORGANIZATIONS).map(|each| Scope::Organization(id(each)));
    let projects = (0..PROJECTS).map(|each| Scope::Project(id(each)));
    let environments = (0..ENVIRONMENTS).map(|each| Scope::Environment(id(each)));
    std::iter::once(Scope::Console).chain(teams).chain(organizations).chain(projects).chain(environments)
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
    /// The world of this seed.
    pub(crate) fn new(packs: Packs, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let organization = |random: &mut Random| {
            let managing = random.percent(80).then(|| random.below(TEAMS));
            (managing, random.percent(3))
        };
        let organizations: Vec<_> = (0..ORGANIZATIONS).map(|_| organization(random)).collect();
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
        let of_user = vec![Vec::new(); USERS];
        let of_team = vec![Vec::new(); TEAMS];
        let mut world = Self { packs, users, bindings: Vec::new(), of_user, of_team, organizations, environments };
        world.bind(random);
        world
    }

    /// What the database knows of a scope; nothing of the console.
    pub(crate) fn fact(&self, scope: Scope) -> Option<ScopeFact> {
        match scope {
            Scope::Console => None,
            Scope::Team(_) => Some(ScopeFact::team()),
            Scope::Organization(organization) => {
                let (managing, suspended) = self.organizations[number(organization)];
                Some(ScopeFact::organization(managing.map(id), suspended))
            }
            Scope::Project(project) => Some(ScopeFact::project(id(number(project) / (PROJECTS / ORGANIZATIONS)))),
            Scope::Environment(environment) => {
                let (kind, frozen) = self.environments[number(environment)];
                let project = number(environment) / (ENVIRONMENTS / PROJECTS);
                Some(ScopeFact::environment(id(project), kind, frozen))
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
        all.filter(move |(_, organization)| organization.0 == Some(team))
            .map(|(number, _)| Scope::Organization(id(number)))
    }

    /// Some scope of an organization, of the wanted kind.
    pub(crate) fn within(organization: usize, level: Level, random: &mut Random) -> Scope {
        let (projects, environments) = (PROJECTS / ORGANIZATIONS, ENVIRONMENTS / ORGANIZATIONS);
        match level {
            Level::Console => Scope::Console,
            Level::Team => Scope::Team(id(random.below(TEAMS))),
            Level::Organization => Scope::Organization(id(organization)),
            Level::Project => Scope::Project(id(organization * projects + random.below(projects))),
            Level::Environment => Scope::Environment(id(organization * environments + random.below(environments))),
        }
    }

    /// Heavy users have theirs, teams a fifth of the rest, everybody else shares what is left.
    fn bind(&mut self, random: &mut Random) {
        let roles = Roles::of(&self.packs);
        let ordinary = USERS - HEAVY_USERS;
        for place in 0..BINDINGS {
            let heavy = place / HEAVY_BINDINGS;
            let (subject, homes) = if heavy < HEAVY_USERS {
                (Subject::User(id(ordinary + heavy)), vec![random.below(ORGANIZATIONS)])
            } else if random.percent(20) {
                let team = random.below(TEAMS);
                (Subject::Team(id(team)), vec![team % ORGANIZATIONS, (team + 1) % ORGANIZATIONS])
            } else {
                let user = random.below(ordinary);
                (Subject::User(id(user)), self.users[user].homes.clone())
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
            scope = Scope::Team(id(random.pick(own_teams)));
        }
        let alone = random.percent(4);
        let capability = random.pick(Capability::ALL);
        let grant = if alone { capability.into() } else { random.pick(&roles.at[level as usize]).into() };
        let (not_before, not_after) = match random.below(100) {
            0..5 => (None, Some(NOW - DAY)),
            5..7 => (Some(NOW + DAY), None),
            7..12 => (Some(NOW - DAY), Some(NOW + DAY)),
            _ => (None, None),
        };
        Binding { id: id(place), subject, grant, scope, on_behalf_of: None, not_before, not_after }
    }

    /// Makes it a binding on behalf of a team: in an organization that a team of the user manages, or else in one whose
    /// managing team the user may not be in.
    fn qualify(&self, binding: &mut Binding, roles: &Roles, random: &mut Random) {
        let managed =
            self.teams_of(binding.subject).iter().find_map(|&team| Some((team, self.managed_by(team).next()?)));
        if let Some((team, organization)) = managed {
            binding.scope = organization;
            binding.grant = random.pick(&roles.at[Level::Organization as usize]).into();
            binding.on_behalf_of = Some(id(team));
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
