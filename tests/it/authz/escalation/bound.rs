//! How much the group may hold: what its members were given by others, wherever each of them may pass it on to the
//! rest.

use std::collections::HashMap;
use std::sync::Arc;

use entities::ids::{Id, SessionId};
use reeve::authz::{EnvironmentKind, Scope, Subject};
use reeve::op::{Actor, Op};

use super::super::estate::{Bits, Bound, Estate, Pair, bit, names};
use super::Plot;

/// By scope: what may be held there, and what may be held there and on everything below.
pub(super) struct Limit {
    scopes: HashMap<Scope, [Pair; 2]>,
}

/// What was given, whether or not it counts for the moment: locks may be lifted, and on whose behalf it is may come
/// true. What is over or to come does not count.
fn unlocked(estate: &Estate) -> Estate {
    let mut estate = estate.clone();
    estate.organizations.iter_mut().for_each(|each| each.suspended = false);
    estate.people.iter_mut().for_each(|each| each.suspended = false);
    estate.bindings.iter_mut().for_each(|each| each.on_behalf_of = None);
    estate
}

impl Limit {
    /// What the group holds at the beginning.
    pub(super) fn of(estate: &Estate, group: &[u128]) -> Self {
        let scopes = estate.scopes().into_iter().map(|scope| (scope, [[0; 2]; 2])).collect();
        let mut limit = Self { scopes };
        limit.raise(&unlocked(estate), group);
        limit
    }

    /// Somebody honest has given this.
    pub(super) fn gave(&mut self, estate: &Estate, group: &[u128], binding: Bound) {
        let mut estate = unlocked(estate);
        estate.bindings = vec![binding];
        self.raise(&estate, group);
    }

    /// Whoever was entitled to has handed an organization over, with all that this entails.
    pub(super) fn entails(&mut self, estate: &Estate, group: &[u128]) {
        self.raise(&unlocked_people(estate), group);
    }

    fn raise(&mut self, estate: &Estate, group: &[u128]) {
        for &user in group {
            let held = estate.held(user);
            for (scope, limit) in &mut self.scopes {
                for (pair, below) in limit.iter_mut().zip([false, true]) {
                    let more = estate.holds(&held, *scope, below);
                    *pair = [pair[0] | more[0], pair[1] | more[1]];
                }
            }
        }
    }

    /// Nobody of the group holds more, on any scope that there was at the beginning, under either kind.
    pub(super) fn holds(&self, estate: &Estate, group: &[u128], after: &str) {
        let unlocked = unlocked_people(estate);
        for user in group {
            let held = unlocked.held(*user);
            for (scope, limit) in &self.scopes {
                for (pair, below) in limit.iter().zip([false, true]) {
                    let now = unlocked.holds(&held, *scope, below);
                    let beyond = (now[0] & !pair[0]) | (now[1] & !pair[1]);
                    assert_eq!(beyond, 0, "{user:x} got {} on {scope:?} (below: {below}) by {after}", names(beyond));
                }
            }
        }
    }

    /// What may be had on a scope, of which a kind is known.
    fn on(&self, scope: Scope, kind: Option<EnvironmentKind>) -> Bits {
        let [here, _] = self.scopes[&scope];
        match kind {
            Some(EnvironmentKind::Production) => here[0],
            Some(EnvironmentKind::Nonproduction) => here[1],
            None => here[0] & here[1],
        }
    }
}

/// Whoever is let off a lock holds again what the lock kept from counting.
fn unlocked_people(estate: &Estate) -> Estate {
    let mut estate = estate.clone();
    estate.organizations.iter_mut().for_each(|each| each.suspended = false);
    estate.people.iter_mut().for_each(|each| each.suspended = false);
    estate
}

impl Plot {
    /// The same, as the program has it.
    pub(super) async fn check_program(&self) {
        let (store, _) = self.server.keys().await;
        let scopes: Vec<Scope> = self.limit.scopes.keys().copied().collect();
        let there: Vec<Scope> = self.estate.scopes();
        let scopes: Vec<Scope> = scopes.into_iter().filter(|scope| there.contains(scope)).collect();
        for &user in &self.group {
            let actor = Actor::User { id: user.into(), session: SessionId::from_uuid(uuid::Uuid::nil()) };
            let op = Op::new(actor, "-".to_owned(), store.clone(), Arc::default());
            for (scope, mask) in op.masks(&scopes).await.unwrap() {
                let now = mask.iter().fold(0, |bits: Bits, each| bits | bit(each));
                let beyond = now & !self.limit.on(scope, self.estate.kind(scope));
                assert_eq!(beyond, 0, "{user:x} holds {} on {scope:?} as the program has it", names(beyond));
            }
        }
    }

    /// Whether a subject means somebody of the group now.
    pub(super) fn is_of_group(&self, subject: Subject) -> bool {
        match subject {
            Subject::User(id) => self.group.contains(&id),
            Subject::Team(team) => self.group.iter().any(|each| self.estate.members.contains(&(team, *each))),
        }
    }
}
