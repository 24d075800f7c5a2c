//! What is suspended or frozen: nothing is taken from anybody, but what is held does not count until it is lifted.

use std::collections::BTreeSet;

use entities::ids::{EnvironmentId, Id, OrganizationId, UserId};
use entities::values::SubjectKind;

use super::change::{Changed, place};
use super::grant::affected_by;
use super::standing::Affected;
use crate::authz::{Scope, cap};
use crate::error::{Error, Result};
use crate::op::{Op, Target};
use crate::store::{self, Write, population, team_member};
use crate::sys::clock;

/// What can be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// A user, who holds nothing while suspended.
    User(UserId),
    /// An organization, of which little but viewing and paying is left while it is suspended.
    Organization(OrganizationId),
    /// An environment, to which nothing is deployed while it is frozen.
    Environment(EnvironmentId),
}

/// Locks something or lifts the lock.
#[derive(Debug, Clone)]
pub struct LockChange {
    /// What.
    pub what: Locked,
    /// Whether it is locked from now on.
    pub on: bool,
    /// Why.
    pub reason: Option<String>,
}

impl LockChange {
    pub(super) fn operation(&self) -> &'static str {
        match (self.what, self.on) {
            (Locked::User(_), true) => "user.suspend",
            (Locked::User(_), false) => "user.resume",
            (Locked::Organization(_), true) => "organization.suspend",
            (Locked::Organization(_), false) => "organization.resume",
            (Locked::Environment(_), true) => "environment.freeze",
            (Locked::Environment(_), false) => "environment.thaw",
        }
    }

    /// Where the right to do it is judged.
    pub(super) fn target(&self) -> Target {
        match self.what {
            Locked::User(_) | Locked::Organization(_) => Scope::Console.into(),
            Locked::Environment(id) => id.into(),
        }
    }

    /// The id of what is locked.
    pub(super) fn subject(&self) -> String {
        match self.what {
            Locked::User(id) => id.to_string(),
            Locked::Organization(id) => id.to_string(),
            Locked::Environment(id) => id.to_string(),
        }
    }

    pub(super) async fn permit(&self, op: &Op, write: &mut Write, target: Target) -> Result<()> {
        match self.what {
            Locked::User(_) => op.permit_in::<cap::UserManage>(write, target).await.map(drop),
            Locked::Organization(_) => op.permit_in::<cap::OrganizationDelete>(write, target).await.map(drop),
            Locked::Environment(_) => op.permit_in::<cap::EnvironmentFreeze>(write, target).await.map(drop),
        }
    }

    pub(super) async fn affected(&self, write: &Write) -> Result<Affected> {
        let scope = match self.what {
            Locked::User(user) => return affected_by_user(write, user).await,
            Locked::Organization(id) => Scope::from(id),
            Locked::Environment(id) => Scope::from(id),
        };
        let packs = store::role::packs(write).await?;
        let users = population::candidates(write, &packs, scope).await?;
        Ok(Affected { users, scopes: BTreeSet::from([scope]) })
    }

    pub(super) async fn apply(self, op: &Op, write: &mut Write) -> Result<Changed> {
        if let Some(reason) = &self.reason {
            write.entry().details = serde_json::json!({ "reason": reason });
        }
        let at = self.on.then(clock::now);
        match self.what {
            Locked::User(id) => {
                write.entry().subject = Some(id.to_string());
                let permit = op.permit_in::<cap::UserManage>(write, Scope::Console).await?;
                if op.user()? == id {
                    let message = "nobody suspends themselves; somebody else has to".to_owned();
                    return Err(Error::FailedPrecondition { reason: "ONESELF", message });
                }
                store::user::set_suspended(write, &permit, id, at).await.map(Changed::User)
            }
            Locked::Organization(id) => {
                write.entry().subject = Some(id.to_string());
                let permit = op.permit_in::<cap::OrganizationDelete>(write, Scope::Console).await?;
                let row = store::organization::set_suspended(write, &permit, id, at).await?;
                place(write, id.into()).await?;
                Ok(Changed::Organization(row))
            }
            Locked::Environment(id) => {
                write.entry().subject = Some(id.to_string());
                let permit = op.permit_in::<cap::EnvironmentFreeze>(write, id).await?;
                place(write, id.into()).await?;
                store::environment::set_frozen(write, &permit, at).await.map(Changed::Environment)
            }
        }
    }
}

/// Wherever something is bound to a user or to a team of theirs.
async fn affected_by_user(write: &Write, user: UserId) -> Result<Affected> {
    let mut rows = store::binding::of_subject(write, SubjectKind::User, user.uuid()).await?;
    for team in team_member::teams_of(write, user).await? {
        rows.extend(store::binding::of_subject(write, SubjectKind::Team, team.uuid()).await?);
    }
    let scopes = affected_by(write, &rows).await?.scopes;
    Ok(Affected { users: BTreeSet::from([user]), scopes })
}
