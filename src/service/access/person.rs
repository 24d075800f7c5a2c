//! Taking somebody out of a place with everything they hold there and below, and programs that go for good.

use entities::ids::UserId;

use super::change::{Changed, place};
use super::grant::{affected_by, describe};
use super::standing::Affected;
use crate::authz::{Level, Scope, cap};
use crate::error::{Error, Result};
use crate::op::{Op, Target};
use crate::store::{self, Write, population, service_account};

/// Somebody who goes.
#[derive(Debug, Clone)]
pub enum PersonChange {
    /// Takes everything from a user that is bound on a scope and on everything below it.
    Remove {
        /// An organization, project or environment.
        scope: Scope,
        /// Who.
        user: UserId,
    },
    /// Ends a service account with its keys and everything that it holds.
    EndServiceAccount(UserId),
}

impl PersonChange {
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Remove { .. } => "member.remove",
            Self::EndServiceAccount(_) => "service_account.delete",
        }
    }

    pub(super) async fn affected(&self, write: &Write) -> Result<Affected> {
        let (scope, user) = match self {
            Self::Remove { scope, user } => (*scope, *user),
            Self::EndServiceAccount(user) => (Scope::Console, *user),
        };
        let mut rows = population::bound_within(write, scope).await?;
        rows.retain(|row| row.subject_id == user.0);
        affected_by(write, &rows).await
    }

    pub(super) async fn apply(self, op: &Op, write: &mut Write) -> Result<Changed> {
        match self {
            Self::Remove { scope, user } => remove(op, write, scope, user).await,
            Self::EndServiceAccount(user) => end_service_account(op, write, user).await,
        }
    }
}

async fn remove(op: &Op, write: &mut Write, scope: Scope, user: UserId) -> Result<Changed> {
    if !matches!(scope.level(), Level::Organization | Level::Project | Level::Environment) {
        let text = "members are removed from an organization, a project or an environment";
        return Err(Error::invalid("scope", "not_a_place", text));
    }
    place(write, scope).await?;
    write.entry().subject = Some(user.to_string());
    let permit = op.permit_in::<cap::MemberRemove>(write, scope).await?;
    let row = store::user::find(write, user).await?.ok_or_else(|| Error::not_found("member"))?;
    let packs = store::role::packs(write).await?;
    let removed = store::binding::remove_of_user(write, &permit, &row).await?;
    let told: Vec<_> = removed.iter().map(|row| describe(&packs, row)).collect();
    write.entry().details = serde_json::json!({ "bindings": told });
    Ok(Changed::Removed(removed))
}

async fn end_service_account(op: &Op, write: &mut Write, user: UserId) -> Result<Changed> {
    write.entry().subject = Some(user.to_string());
    let permit = op.permit_in::<cap::ServiceAccountManage>(write, Target::ServiceAccount(user)).await?;
    service_account::delete(write, &permit, user).await?;
    Ok(Changed::AccountGone(user))
}
