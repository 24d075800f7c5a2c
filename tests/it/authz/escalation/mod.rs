//! Nobody gets more than somebody who was entitled to gave them, whatever they call: people who work together, none of
//! whom administers anything, call every mutation that changes access with random input, plausible or hostile. It must
//! not trust the program with what they hold: that is judged by the rules written out.

mod bound;
mod calls;
mod draw;
mod people;

use std::collections::{BTreeMap, HashMap};

use entities::{eligible_role, invitation, policy_test, transfer};
use reeve::authz::{Capability, Scope, Subject};
use serde_json::Value;

use super::estate::{Bound, Dice, Estate, Given, Person, Sizes, Tables};
use crate::harness::{Client, TestServer};
use bound::Limit;
use calls::Call;

const WORLDS: u64 = 8;
const CALLS: usize = 1_250;

const SIZES: Sizes = Sizes { people: 12, teams: 4, organizations: 3, projects: 4, environments: 8, bindings: 25 };

/// Those who work together, by their places among the people. The first person administers the console, the others are
/// innocent.
const GROUP: std::ops::Range<usize> = 1..8;

/// Calls and how many of them were accepted, by mutation.
type Tally = BTreeMap<&'static str, (usize, usize)>;

struct Plot {
    server: TestServer,
    tables: Tables,
    estate: Estate,
    /// As it was at the beginning.
    first: Estate,
    clients: Vec<Client>,
    /// Who calls: the group, and the keys that it has come to have.
    actors: Vec<(u128, Client)>,
    /// The group, with the programs that it has keys of.
    group: Vec<u128>,
    dice: Dice,
    limit: Limit,
    eligible: Vec<eligible_role::Model>,
    tests: Vec<policy_test::Model>,
    invitations: Vec<invitation::Model>,
    transfers: Vec<transfer::Model>,
    /// Bindings that were activated.
    activations: Vec<u128>,
    /// Of environments.
    versions: HashMap<u128, i32>,
    serial: usize,
}

fn bound(id: u128, subject: Subject, given: Given, scope: Scope) -> Bound {
    Bound { id, subject, given, scope, on_behalf_of: None, not_before: None, not_after: None }
}

const DAY: i64 = 24 * 3_600_000;

/// The people as they are introduced: with little, with much in one place, with what counts no longer or not yet.
fn introduce(dice: &mut Dice, estate: &mut Estate) {
    let role = |name: &str| Given::Role(name.to_owned());
    let organizations: Vec<Scope> = estate.organizations.iter().map(|each| Scope::Organization(each.id)).collect();
    let projects: Vec<Scope> = estate.projects.iter().map(|each| Scope::Project(each.0)).collect();
    let environment = Scope::Environment(estate.environments[0].id);
    let manages = Given::Alone(Capability::AccessManage);
    let mut given = vec![
        (1, manages.clone(), organizations[0]),
        (1, role("launch/read-only"), projects[0]),
        (1, Given::Alone(Capability::OrganizationTransfer), organizations[2]),
        (1, Given::Alone(Capability::ServiceAccountManage), organizations[1]),
        (1, Given::Alone(Capability::MemberInvite), organizations[1]),
        (2, role("launch/admin"), projects[0]),
        (2, role("devops-console/project-administrator"), projects[1]),
        (3, role("ownstak/admin"), organizations[1]),
        (4, role("devops-console/project-operations-noprod"), projects[2]),
        (4, role("mia-console/maintainer"), environment),
        (5, role("ownstak/editor"), organizations[2]),
        // What is over, and what is to come.
        (6, role("mia-console/console-super-user"), Scope::Console),
        (6, role("ownstak/admin"), organizations[0]),
    ];
    for (place, &team) in estate.teams.iter().enumerate() {
        let owner = if place % 2 == 0 { "reeve/team-owner" } else { "codetainer/team-owner" };
        given.extend([
            (3 + place % 4, role(owner), Scope::Team(team)),
            (3 + place % 4, manages.clone(), Scope::Team(team)),
        ]);
    }
    for (place, given, scope) in given {
        let subject = Subject::User(estate.people[place].id);
        let mut binding = bound(dice.key(), subject, given, scope);
        if place == 6 && scope == Scope::Console {
            binding.not_after = Some(estate.now - DAY);
        }
        if place == 6 && scope == organizations[0] {
            binding.not_before = Some(estate.now + DAY);
        }
        estate.bindings.push(binding);
    }
}

/// Programs of others, which hold something: whoever gets a key of one acts as it.
fn employ(dice: &mut Dice, estate: &mut Estate) {
    let organizations: Vec<Scope> = estate.organizations.iter().map(|each| Scope::Organization(each.id)).collect();
    for (place, role) in ["ownstak/admin", "ownstak/viewer"].into_iter().enumerate() {
        let (id, scope) = (dice.key(), organizations[place]);
        estate.people.push(Person { id, suspended: false, bot: Some(scope) });
        let given = Given::Role(role.to_owned());
        estate.bindings.push(bound(dice.key(), Subject::User(id), given, scope));
    }
}

/// No colluder is bound at the console, where everything would be theirs already.
fn drop_what_is_too_much(estate: &mut Estate) {
    let group: Vec<u128> = GROUP.map(|place| estate.people[place].id).collect();
    let members = estate.members.clone();
    let theirs = |subject: Subject| match subject {
        Subject::User(id) => group.contains(&id),
        Subject::Team(team) => members.iter().any(|each| each.0 == team && group.contains(&each.1)),
    };
    estate.bindings.retain(|each| each.scope != Scope::Console || !theirs(each.subject));
    for place in GROUP {
        estate.people[place].suspended = false;
    }
}

impl Plot {
    async fn new(seed: u64) -> Self {
        let server = TestServer::start().await;
        let tables = Tables::of(&server).await;
        let mut dice = Dice::new(1_000 + seed);
        let mut estate = Estate::draw(&mut dice, SIZES, chrono::Utc::now().timestamp_millis());
        drop_what_is_too_much(&mut estate);
        introduce(&mut dice, &mut estate);
        employ(&mut dice, &mut estate);
        tables.write(&estate).await;
        let clients = tables.sign_in(&server, &estate, &mut dice).await;
        let group: Vec<u128> = GROUP.map(|place| estate.people[place].id).collect();
        let actors = GROUP.map(|place| (estate.people[place].id, clients[place].clone())).collect();
        let limit = Limit::of(&estate, &group);
        let (eligible, tests, invitations, transfers, activations) = Default::default();
        let (first, versions) = (estate.clone(), tables.versions().await);
        Self {
            server,
            tables,
            estate,
            first,
            clients,
            actors,
            group,
            dice,
            limit,
            eligible,
            tests,
            invitations,
            transfers,
            activations,
            versions,
            serial: 0,
        }
    }

    async fn run(&mut self, tally: &mut Tally) {
        for turn in 0..CALLS {
            if turn % 100 == 99 {
                self.tidy().await;
                self.check_program().await;
            }
            if turn % 25 == 0 {
                self.honest_gift(tally).await;
            }
            let who = self.dice.below(self.actors.len());
            let call = self.draw_call(who);
            let figure = tally.entry(call.name).or_default();
            figure.0 += 1;
            if let Some(data) = self.call(&self.actors[who].1, &call).await {
                figure.1 += 1;
                self.check(who, &call, &data).await;
            }
        }
        self.check_program().await;
    }

    /// What it was answered, if it was accepted.
    async fn call(&self, client: &Client, call: &Call) -> Option<Value> {
        let answer = client.query(&call.document(), call.variables()).await;
        let internal = |error: &Value| error["extensions"]["code"] == "INTERNAL";
        assert!(!answer.errors.iter().any(internal), "{call:?}: {answer:#?}");
        answer.errors.is_empty().then_some(answer.data)
    }

    /// Reads what the call has left, and compares what the group holds with what it may hold.
    async fn check(&mut self, who: usize, call: &Call, data: &Value) {
        let before = self.estate.clone();
        self.read().await;
        self.check_entitled(who, call, &before);
        self.follow(call, data);
        self.limit.holds(&self.estate, &self.group, &format!("{call:?} by {who}"));
    }
}

/// Several worlds, one after the other.
async fn play(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::new();
    for seed in seeds {
        Plot::new(seed).await.run(&mut tally).await;
    }
    tally
}

/// How many of its calls have to be accepted at least: a call that never is proves nothing. Nobody of the group may
/// suspend anybody.
const ACCEPTED: [(&str, usize); 32] = [
    ("acceptInvitation", 40),
    ("acceptTransfer", 7),
    ("activateEligibleRole", 70),
    ("addTeamMember", 30),
    ("changeAccess", 40),
    ("changeTeamMember", 8),
    ("createApiKey", 30),
    ("createEligibleRole", 30),
    ("createEnvironment", 20),
    ("createOrganization", 10),
    ("createPolicyTest", 1),
    ("createProject", 7),
    ("createRole", 30),
    ("createServiceAccount", 10),
    ("createTeam", 55),
    ("deleteEligibleRole", 6),
    ("deletePolicyTest", 1),
    ("deleteRole", 10),
    ("endActivation", 4),
    ("freezeEnvironment", 7),
    ("grantRole", 150),
    ("importBindings", 20),
    ("importRolePack", 10),
    ("inviteUsers", 75),
    ("offerTransfer", 10),
    ("removeMember", 1),
    ("removeTeamMember", 15),
    ("revokeBinding", 55),
    ("revokeInvitation", 1),
    ("thawEnvironment", 15),
    ("updateEnvironment", 35),
    ("updateRole", 45),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_people_call_they_get_no_more_than_they_were_given() {
    let halves = [(1..=WORLDS).step_by(2), (2..=WORLDS).step_by(2)].map(|seeds| tokio::spawn(play(seeds)));
    let mut tally = Tally::new();
    for half in halves {
        for (name, (calls, accepted)) in half.await.unwrap() {
            let figure = tally.entry(name).or_default();
            *figure = (figure.0 + calls, figure.1 + accepted);
        }
    }
    let (calls, accepted) = tally.values().fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
    assert!(calls >= 10_000, "{calls} calls");
    assert!(accepted * 4 >= calls, "{accepted} of {calls} calls were accepted: {tally:#?}");
    for (name, wanted) in ACCEPTED {
        let accepted = tally.get(name).map_or(0, |figure| figure.1);
        assert!(accepted >= wanted, "{accepted} calls of `{name}` were accepted: {tally:#?}");
    }
}
