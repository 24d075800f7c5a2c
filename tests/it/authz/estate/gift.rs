//! Changes of who holds what, as the rules see them: what they give and take, and which of them must not be.

use std::collections::BTreeMap;

use reeve::authz::{Capability, Scope};

use super::{Bound, Estate, Pair};

/// One change.
#[derive(Debug, Clone)]
pub(in crate::authz) enum Step {
    Grant(Bound),
    Revoke(u128),
}

/// What changes would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::authz) struct Outcome {
    /// By user and scope: what is gained and what is lost, under each kind.
    pub(in crate::authz) differences: BTreeMap<(u128, Scope), (Pair, Pair)>,
    /// How many of the gifts are more than the giver holds.
    pub(in crate::authz) beyond: usize,
    /// Organizations that would be left without somebody who manages their access.
    pub(in crate::authz) abandoned: usize,
}

impl Estate {
    /// The scope itself, the one above and the organizations that a team manages: where something bound there may land.
    fn landing(&self, scope: Scope) -> Vec<Scope> {
        let managed = if let Scope::Team(team) = scope { self.managed_by(team) } else { Vec::new() };
        [scope].into_iter().chain(self.parent(scope)).chain(managed).collect()
    }

    /// Makes the changes, whether or not they may be made, and tells what they do.
    pub(in crate::authz) fn apply(&mut self, actor: u128, steps: &[Step]) -> Outcome {
        let before = self.clone();
        let mut scopes = Vec::new();
        let mut outcome = Outcome::default();
        for step in steps {
            match step {
                Step::Grant(binding) => {
                    scopes.extend(self.landing(binding.scope));
                    outcome.beyond += usize::from(!self.may_give(&self.held(actor), &binding.given, binding.scope));
                    self.bindings.push(binding.clone());
                }
                Step::Revoke(id) => {
                    scopes.extend(self.binding(*id).map(|binding| self.landing(binding.scope)).unwrap_or_default());
                    self.bindings.retain(|binding| binding.id != *id);
                }
            }
        }
        for person in &self.people {
            let (old, new) = (before.held(person.id), self.held(person.id));
            for &scope in &scopes {
                let (old, new) = (before.under(&old, scope), self.under(&new, scope));
                let gained = [new[0] & !old[0], new[1] & !old[1]];
                let lost = [old[0] & !new[0], old[1] & !new[1]];
                if gained != [0; 2] || lost != [0; 2] {
                    outcome.differences.insert((person.id, scope), (gained, lost));
                }
            }
        }
        outcome.abandoned = self.organizations.iter().filter(|each| before.is_managed(each.id)).count()
            - self.organizations.iter().filter(|each| before.is_managed(each.id) && self.is_managed(each.id)).count();
        outcome
    }

    /// Rule 10: whether some person manages the access of an organization who was given that below the console, also
    /// when it is suspended, since it will not be for ever.
    pub(in crate::authz) fn is_managed(&self, organization: u128) -> bool {
        let mut open = self.clone();
        open.organizations.iter_mut().for_each(|each| each.suspended = false);
        let scope = Scope::Organization(organization);
        open.people.iter().filter(|person| person.bot.is_none()).any(|person| {
            let all = open.held(person.id);
            let here = open.held_by(person.id, |binding| binding.scope != Scope::Console);
            let wanted = super::bit(Capability::AccessManage);
            open.allows(&all, scope, Capability::AccessManage)
                && open.under(&here, scope).iter().any(|bits| bits & wanted != 0)
        })
    }
}
