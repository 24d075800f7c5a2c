//! One call of a mutation, and what has to be true for it to be accepted.

use entities::binding;
use reeve::authz::{Capability, Scope};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::super::estate::{Estate, Line, Step, bit};
use super::{Plot, Tally, bound};

/// A mutation and its input.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    /// What its input is called, without the ending.
    pub(super) kind: String,
    pub(super) input: Value,
    /// What it gives, if it is a gift.
    pub(super) gives: Vec<Step>,
    /// What it puts into a role, and whose the role is.
    pub(super) defines: Option<(Vec<Line>, Scope)>,
    /// The environment whose kind it changes.
    pub(super) kind_of: Option<Scope>,
    /// What it needs besides.
    pub(super) needs: Option<(Capability, Scope)>,
    /// Whose key it makes.
    pub(super) key_of: Option<u128>,
    /// The organization that goes over to another team.
    pub(super) transfers: Option<u128>,
}

impl Call {
    pub(super) fn new(name: &'static str, input: Value) -> Self {
        Self::of(name, &format!("{}{}", name[..1].to_uppercase(), &name[1..]), input)
    }

    /// A mutation whose input is not called like itself.
    pub(super) fn of(name: &'static str, kind: &str, input: Value) -> Self {
        let (gives, defines, kind_of, needs, key_of, transfers) = (Vec::new(), None, None, None, None, None);
        Self { name, kind: kind.to_owned(), input, gives, defines, kind_of, needs, key_of, transfers }
    }

    pub(super) fn document(&self) -> String {
        let (name, kind) = (self.name, &self.kind);
        let wanted = if self.key_of.is_some() { "secret" } else { "__typename" };
        format!("mutation($input: {kind}Input!) {{ {name}(input: $input) {{ {wanted} }} }}")
    }

    pub(super) fn variables(&self) -> Value {
        json!({ "input": self.input })
    }
}

impl Plot {
    pub(super) async fn read(&mut self) {
        let order: Vec<u128> = self.estate.people.iter().map(|person| person.id).collect();
        self.estate = self.tables.read(self.estate.now).await;
        // Those who came later stand behind.
        let place = |id: u128| order.iter().position(|each| *each == id).unwrap_or(usize::MAX);
        self.estate.people.sort_by_key(|person| place(person.id));
        self.eligible = entities::eligible_role::Entity::find().all(self.tables.connection()).await.unwrap();
        self.versions = self.tables.versions().await;
        let db = self.tables.connection();
        self.tests = entities::policy_test::Entity::find().all(db).await.unwrap();
        self.invitations = entities::invitation::Entity::find().all(db).await.unwrap();
        let activated = binding::Entity::find().filter(binding::Column::EligibleRoleId.is_not_null());
        self.activations = activated.all(db).await.unwrap().into_iter().map(|row| row.id.into()).collect();
        self.transfers = entities::transfer::Entity::find().all(db).await.unwrap();
    }

    /// What was accepted was the caller's to do, by the rules alone.
    pub(super) fn check_entitled(&self, who: usize, call: &Call, before: &Estate) {
        let actor = self.user(who);
        self.check_held(actor, call, before);
        let mut estate = before.clone();
        for step in &call.gives {
            let outcome = estate.apply(actor, std::slice::from_ref(step));
            assert_eq!(outcome.beyond, 0, "{who} gave what they do not hold: {call:?}");
        }
        if let Some((lines, owner)) = &call.defines {
            assert!(before.may_define(&before.held(actor), lines, *owner), "{who} defined too much: {call:?}");
        }
        if let Some(scope) = call.kind_of {
            let [production, nonproduction] = before.holds(&before.held(actor), scope, false);
            let both = production & nonproduction & bit(Capability::EnvironmentUpdate) != 0;
            assert!(both, "{who} changed the kind of an environment without the right under both: {call:?}");
        }
    }

    /// Sometimes somebody is given something by those who may: that is theirs from then on.
    pub(super) async fn honest_gift(&mut self, tally: &mut Tally) {
        let mut drawn = self.first.draw_binding(&mut self.dice);
        if drawn.scope == Scope::Console {
            return;
        }
        (drawn.on_behalf_of, drawn.not_before, drawn.not_after) = (None, None, None);
        drawn.subject = self.given_to();
        let eligible = self.dice.chance(60);
        let call = if eligible { self.eligible_call(&drawn) } else { Some(self.grant_call(&drawn)) };
        let Some(call) = call else { return };
        let accepted = self.call(&self.clients[0], &call).await.is_some();
        let figure = tally.entry(if eligible { "honest eligible role" } else { "honest gift" }).or_default();
        *figure = (figure.0 + 1, figure.1 + usize::from(accepted));
        if accepted {
            if self.is_of_group(drawn.subject) {
                self.limit.gave(&self.estate, &self.group, bound(0, drawn.subject, drawn.given, drawn.scope));
            }
            self.read().await;
            self.limit.holds(&self.estate, &self.group, "an honest gift");
        }
    }

    /// What the group had at the beginning and gave away comes back, and much of what it has piled up since goes.
    pub(super) async fn tidy(&mut self) {
        self.read().await;
        let there: Vec<u128> = self.estate.bindings.iter().map(|each| each.id).collect();
        let lost = self.first.bindings.iter().filter(|each| !there.contains(&each.id));
        let lost: Vec<_> = lost.filter(|each| self.estate.scopes().contains(&each.scope)).cloned().collect();
        let made: Vec<String> = self.estate.made.keys().cloned().collect();
        let known = |each: &super::Bound| match &each.given {
            super::Given::Role(role) => !role.starts_with("rol_") || made.contains(role),
            super::Given::Alone(_) => true,
        };
        let first: Vec<u128> = self.first.bindings.iter().map(|each| each.id).collect();
        let mut gone = Vec::new();
        for binding in &self.estate.bindings {
            if !first.contains(&binding.id) && self.dice.chance(60) {
                gone.push(binding.id);
            }
        }
        let lost: Vec<_> = lost.into_iter().filter(known).collect();
        // A role of the group's making may give less than it did, but it was bound by others to be what it was.
        self.tables.rebind(self.estate.now, &lost, &gone).await;
        self.read().await;
        for binding in lost {
            self.limit.gave(&self.estate, &self.group, binding);
        }
        self.limit.holds(&self.estate, &self.group, "what was there before");
    }
}
