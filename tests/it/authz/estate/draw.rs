//! Installations drawn at random: crowded, so that what is rare in life meets often.

use entities::ids::RoleId;
use reeve::authz::{Capability, EnvironmentKind, Scope, Subject};

use super::{Bound, Dice, Environment, Estate, Given, Line, Made, Organization, PACK_ROLES, Person};

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub(in crate::authz) struct Sizes {
    pub(in crate::authz) people: usize,
    pub(in crate::authz) teams: usize,
    pub(in crate::authz) organizations: usize,
    pub(in crate::authz) projects: usize,
    pub(in crate::authz) environments: usize,
    pub(in crate::authz) bindings: usize,
}

const HOUR: i64 = 3_600_000;

/// Some of the lines of a role, so that smaller ones come about which may be given more often.
pub(in crate::authz) fn some_lines(dice: &mut Dice, from: &[Line], most: usize) -> Vec<Line> {
    let wanted = 1 + dice.below(most);
    (0..wanted).map(|_| dice.pick(from)).collect()
}

impl Estate {
    /// An installation of these sizes at this moment. Its first person administers the console.
    pub(in crate::authz) fn draw(dice: &mut Dice, sizes: Sizes, now: i64) -> Self {
        let mut estate = Self { now, ..Self::default() };
        estate.draw_places(dice, sizes);
        estate.draw_roles(dice);
        let admin = Bound {
            id: dice.key(),
            subject: Subject::User(estate.people[0].id),
            given: Given::Role("mia-console/console-super-user".to_owned()),
            scope: Scope::Console,
            on_behalf_of: None,
            not_before: None,
            not_after: None,
        };
        estate.bindings.push(admin);
        for _ in 0..sizes.bindings {
            let binding = estate.draw_binding(dice);
            estate.bindings.push(binding);
        }
        // What was bound on behalf of a team that managed an organization then may be dead now.
        if dice.chance(50) {
            let place = dice.below(sizes.organizations);
            estate.organizations[place].team = dice.pick(&estate.teams);
        }
        estate
    }

    fn draw_places(&mut self, dice: &mut Dice, sizes: Sizes) {
        for place in 0..sizes.people {
            let suspended = place > 0 && dice.chance(10);
            self.people.push(Person { id: dice.key(), suspended, bot: None });
        }
        self.teams = (0..sizes.teams).map(|_| dice.key()).collect();
        for &team in &self.teams {
            let joins = self.people.iter().skip(1).filter(|_| dice.chance(30)).map(|person| (team, person.id));
            self.members.extend(joins.collect::<Vec<_>>());
            // Rule 10: a team always has an owner.
            let place = 1 + dice.below(sizes.people - 1);
            self.members.insert((team, self.people[place].id));
        }
        for _ in 0..sizes.organizations {
            let (id, team) = (dice.key(), dice.pick(&self.teams));
            self.organizations.push(Organization { id, team, suspended: dice.chance(15) });
        }
        for _ in 0..sizes.projects {
            let (id, organization) = (dice.key(), dice.pick(&self.organizations).id);
            self.projects.push((id, organization));
        }
        for _ in 0..sizes.environments {
            let (id, project) = (dice.key(), dice.pick(&self.projects).0);
            let kind = dice.pick(&EnvironmentKind::BOTH);
            // The last bit tells it from its deployment.
            self.environments.push(Environment { id: id & !1, project, kind, frozen: dice.chance(20) });
        }
    }

    /// Odd roles at the console and at the organizations, to reach what the packs do not.
    fn draw_roles(&mut self, dice: &mut Dice) {
        let organizations = self.organizations.iter().map(|each| Scope::Organization(each.id));
        let owners: Vec<Scope> = [Scope::Console, Scope::Console].into_iter().chain(organizations).collect();
        for (place, owner) in owners.into_iter().enumerate() {
            let lines = match place {
                0 => PACK_ROLES["odd/odd"].clone(),
                1 => PACK_ROLES["odd/giver"].clone(),
                _ => {
                    let (_, from) = dice.pick(&PACK_ROLES.iter().collect::<Vec<_>>());
                    some_lines(dice, from, 12)
                }
            };
            let id = dice.key();
            let made = Made { id, owner, pack: "custom".to_owned(), name: format!("r{place}"), lines, version: 1 };
            self.made.insert(RoleId::from(id).to_string(), made);
        }
    }

    /// A role or capability and a scope, mostly one on which some line of it counts.
    pub(in crate::authz) fn draw_gift(&self, dice: &mut Dice) -> (Given, Scope) {
        let level = dice.pick(&[
            "console",
            "team",
            "team",
            "organization",
            "organization",
            "organization",
            "project",
            "project",
            "project",
            "project",
            "environment",
            "environment",
        ]);
        let scopes: Vec<Scope> = self.scopes().into_iter().filter(|scope| scope.level().name() == level).collect();
        let scope = dice.pick(&scopes);
        if dice.chance(12) {
            return (Given::Alone(dice.pick(Capability::ALL)), scope);
        }
        let counts = |lines: &[Line]| lines.iter().any(|line| line.bound_at == level);
        let lineage = self.lineage(scope);
        let made = self.made.iter().filter(|(_, made)| lineage.contains(&made.owner));
        let made: Vec<&String> = made.filter(|(_, made)| counts(&made.lines)).map(|(key, _)| key).collect();
        if !made.is_empty() && dice.chance(20) {
            return (Given::Role(dice.pick(&made).clone()), scope);
        }
        let anything = dice.chance(10);
        let packs = PACK_ROLES.iter().filter(|(name, lines)| !name.starts_with("odd/") && (anything || counts(lines)));
        let names: Vec<&String> = packs.map(|(name, _)| name).collect();
        if names.is_empty() {
            return (Given::Alone(dice.pick(Capability::ALL)), scope);
        }
        (Given::Role(dice.pick(&names).clone()), scope)
    }

    /// A binding of somebody but the first person.
    pub(in crate::authz) fn draw_binding(&self, dice: &mut Dice) -> Bound {
        let (given, scope) = self.draw_gift(dice);
        let user = 1 + dice.below(self.people.len() - 1);
        let (mut subject, mut on_behalf_of) = (Subject::User(self.people[user].id), None);
        if dice.chance(35) {
            subject = Subject::Team(dice.pick(&self.teams));
        } else if dice.chance(20) {
            // Mostly the team that manages the organization, which may change.
            let organization = self.organization_of(scope);
            let managing = self.organizations.iter().find(|each| Some(each.id) == organization);
            let team = managing.filter(|_| dice.chance(80)).map(|each| each.team);
            on_behalf_of = Some(team.unwrap_or_else(|| dice.pick(&self.teams)));
        }
        let mut moment = |percent| dice.chance(percent).then(|| self.now + dice.pick(&[-30, -2, -1, 1, 2, 50]) * HOUR);
        let (not_before, not_after) = (moment(12), moment(12));
        Bound { id: dice.key(), subject, given, scope, on_behalf_of, not_before, not_after }
    }
}
