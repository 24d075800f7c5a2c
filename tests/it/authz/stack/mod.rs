//! The whole stack against the rules written out: installations with many people are written into a database, and whatever a
//! running server says about access is compared with what follows from the rules. Every answer, no sample of them where it can
//! be had.

mod changes;
mod lists;
mod previews;
mod questions;

use std::collections::BTreeMap;

use entities::ids::{BindingId, EnvironmentId, OrganizationId, ProjectId, TeamId, UserId};
use reeve::authz::Scope;

use super::estate::{Bits, Dice, Estate, Sizes, Tables};
use crate::harness::{Client, TestServer};

const WORLDS: u64 = 6;

/// Crowded ones, where everything meets, and others in which most people hold nothing in most places.
fn sizes(seed: u64) -> Sizes {
    let bindings = if seed.is_multiple_of(2) { 60 } else { 22 };
    Sizes { people: 13, teams: 4, organizations: 3, projects: 6, environments: 12, bindings }
}

/// How much was compared of each kind, and how much of it was allowed.
#[derive(Debug, Default)]
struct Figures(BTreeMap<&'static str, (usize, usize)>);

impl Figures {
    fn add(&mut self, what: &'static str, allowed: bool) {
        self.add_all(what, 1, usize::from(allowed));
    }

    fn add_all(&mut self, what: &'static str, compared: usize, allowed: usize) {
        let figure = self.0.entry(what).or_default();
        *figure = (figure.0 + compared, figure.1 + allowed);
    }

    /// A world in which nobody may anything would agree on everything.
    fn is_at_least(&self, what: &str, compared: usize, allowed: usize) {
        let (all, yes) = self.0.get(what).copied().unwrap_or_default();
        assert!(all >= compared && yes >= allowed, "{all} {what}, {yes} of them allowed, in {self:#?}");
        assert!(yes < all, "all {what} are allowed, in {self:#?}");
    }
}

/// One installation, the server that runs it, and everybody in it.
struct Stage {
    server: TestServer,
    tables: Tables,
    estate: Estate,
    clients: Vec<Client>,
    dice: Dice,
    figures: Figures,
}

impl Stage {
    async fn new(seed: u64, figures: Figures) -> Self {
        let server = TestServer::start().await;
        let tables = Tables::of(&server).await;
        let mut dice = Dice::new(seed);
        let now = chrono::Utc::now().timestamp_millis();
        let estate = Estate::draw(&mut dice, sizes(seed), now);
        tables.write(&estate).await;
        let clients = tables.sign_in(&server, &estate, &mut dice).await;
        Self { server, tables, estate, clients, dice, figures }
    }

    /// The administrator of the console.
    fn admin(&self) -> Client {
        self.clients[0].clone()
    }

    fn users(&self) -> Vec<u128> {
        self.estate.people.iter().map(|person| person.id).collect()
    }

    /// Somebody who can sign in, by their place among the people.
    fn somebody(&mut self) -> usize {
        loop {
            let place = self.dice.below(self.clients.len());
            if !self.estate.people[place].suspended {
                return place;
            }
        }
    }

    fn scope(&mut self) -> Scope {
        self.dice.pick(&self.estate.scopes())
    }
}

/// The word by which the API knows a scope.
fn word(scope: Scope) -> String {
    match scope {
        Scope::Console => "console".to_owned(),
        Scope::Team(key) => TeamId::from(key).to_string(),
        Scope::Organization(key) => OrganizationId::from(key).to_string(),
        Scope::Project(key) => ProjectId::from(key).to_string(),
        Scope::Environment(key) => EnvironmentId::from(key).to_string(),
    }
}

fn user_word(user: u128) -> String {
    UserId::from(user).to_string()
}

fn binding_word(binding: u128) -> String {
    BindingId::from(binding).to_string()
}

/// What somebody is told who asks for something on a scope: `ok`, or the code of the refusal (rule 7).
fn told(allowed: Bits, scope: Scope, wanted: reeve::authz::Capability) -> &'static str {
    use super::estate::bit;
    let viewed = allowed & bit(scope.view()) != 0;
    // What is judged on another kind of scope does not show what is here.
    let shown = viewed || wanted.level() == scope.level();
    match (shown && allowed & bit(wanted) != 0, viewed) {
        (true, _) => "ok",
        (false, true) => "FORBIDDEN",
        (false, false) => "NOT_FOUND",
    }
}

#[tokio::test]
async fn every_answer_of_a_server_follows_from_the_rules() {
    let mut figures = Figures::default();
    for seed in 1..=WORLDS {
        let mut stage = Stage::new(seed, figures).await;
        stage.check_everybody().await;
        stage.check_lists().await;
        stage.ask_questions().await;
        stage.preview_changes().await;
        stage.change_things().await;
        figures = stage.figures;
    }
    figures.is_at_least("decisions", 1_000_000, 200_000);
    figures.is_at_least("decisions over HTTP", 500_000, 200_000);
    figures.is_at_least("objects shown", 10_000, 5_000);
    figures.is_at_least("asked who can", 250, 100);
    figures.is_at_least("able or not", 2_000, 500);
    figures.is_at_least("asked why", 250, 100);
    figures.is_at_least("decisions explained", 150, 50);
    figures.is_at_least("refused for a lock", 50, 10);
    figures.is_at_least("previews", 100, 75);
    figures.is_at_least("differences", 75, 40);
    figures.is_at_least("gifts weighed", 75, 50);
    figures.is_at_least("organizations kept", 75, 50);
    figures.is_at_least("changes made", 75, 50);
    figures.is_at_least("kinds changed", 10, 5);
    figures.is_at_least("answers that followed", 300, 150);
    let (missing, _) = figures.0["grants that are missing"];
    assert!(missing >= 50, "{figures:#?}");
}
