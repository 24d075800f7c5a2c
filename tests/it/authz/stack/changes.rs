//! Answers that were remembered follow what changes: at once what is changed through the server, within a second what somebody
//! else writes into its database.

use reeve::authz::EnvironmentKind::{Nonproduction, Production};
use reeve::authz::Scope;
use serde_json::json;

use super::super::estate::Step;
use super::{Stage, binding_word, word};
use crate::harness::{Client, eventually};

const REVOKE: &str = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
const UPDATE: &str = "mutation($input: UpdateEnvironmentInput!) {
    updateEnvironment(input: $input) { environment { id } } }";

const CHANGED: usize = 6;

impl Stage {
    pub(super) async fn change_things(&mut self) {
        // The server remembers everybody from now on.
        self.check_lists().await;
        for _ in 0..CHANGED {
            self.change_by_the_server().await;
            self.check_lists().await;
            self.change_by_somebody_else().await;
        }
    }

    async fn change_by_the_server(&mut self) {
        let admin = self.admin();
        if self.dice.chance(50) {
            let place = self.dice.below(self.estate.environments.len());
            self.change_kind(&admin, place).await;
            return;
        }
        let admins = self.estate.bindings[0].id;
        let others: Vec<u128> = self.estate.bindings.iter().map(|each| each.id).filter(|id| *id != admins).collect();
        let id = self.dice.pick(&others);
        let mut changed = self.estate.clone();
        let outcome = changed.apply(self.estate.people[0].id, &[Step::Revoke(id)]);
        let answer = admin.query(REVOKE, json!({ "input": { "id": binding_word(id) } })).await;
        self.figures.add("revoked", outcome.abandoned == 0);
        if outcome.abandoned > 0 {
            assert_eq!(answer.refusal().code, "FAILED_PRECONDITION");
            return;
        }
        assert!(answer.errors.is_empty(), "{answer:#?}");
        self.estate = changed;
    }

    async fn change_kind(&mut self, admin: &Client, place: usize) {
        let environment = self.estate.environments[place].clone();
        let id = word(Scope::Environment(environment.id));
        let production = environment.kind != Production;
        let version = self.tables.versions().await[&environment.id];
        let input = json!({ "input": { "id": id, "production": production, "expectedVersion": version } });
        let held = self.estate.held(self.estate.people[0].id);
        let scope = Scope::Environment(environment.id);
        let may = self.estate.allows(&held, scope, reeve::authz::Capability::EnvironmentUpdate);
        let answer = admin.query(UPDATE, input).await;
        self.figures.add("kinds changed", may);
        if !may {
            assert_eq!(answer.refusal().code, "FORBIDDEN", "{environment:?}");
            return;
        }
        assert!(answer.errors.is_empty(), "{environment:?}: {answer:#?}");
        self.estate.environments[place].kind = if production { Production } else { Nonproduction };
    }

    /// A transfer, a freeze, a suspension, a membership, a binding: whatever another replica may write.
    async fn change_by_somebody_else(&mut self) {
        let dice = &mut self.dice;
        match dice.below(5) {
            0 => {
                let place = dice.below(self.estate.organizations.len());
                self.estate.organizations[place].team = dice.pick(&self.estate.teams);
            }
            1 => {
                let place = dice.below(self.estate.environments.len());
                self.estate.environments[place].frozen ^= true;
            }
            2 => {
                let place = dice.below(self.estate.organizations.len());
                self.estate.organizations[place].suspended ^= true;
            }
            3 => {
                let team = dice.pick(&self.estate.teams);
                let place = 1 + dice.below(self.estate.people.len() - 1);
                let member = (team, self.estate.people[place].id);
                let others = self.estate.members.iter().any(|each| each.0 == team && each.1 != member.1);
                if !self.estate.members.insert(member) && others {
                    self.estate.members.remove(&member);
                }
            }
            _ => {
                let place = 1 + dice.below(self.estate.people.len() - 1);
                self.estate.people[place].suspended ^= true;
            }
        }
        let bound = self.estate.draw_binding(&mut self.dice);
        self.estate.bindings.push(bound);
        self.tables.replace(&self.estate).await;
        for place in 0..self.clients.len() {
            if self.estate.people[place].suspended {
                continue;
            }
            let (user, client) = (self.estate.people[place].id, self.clients[place].clone());
            let held = self.estate.held(user);
            eventually("what is remembered follows", || async {
                let told = self.everything(&client, &held).await;
                told.ok().filter(|data| self.followed(&held, user, data).is_ok())
            })
            .await;
            let anywhere = self.estate.scopes().into_iter().any(|scope| self.estate.allowed(&held, scope) != 0);
            self.figures.add("answers that followed", anywhere);
        }
    }
}
