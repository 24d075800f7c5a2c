//! Answers to questions about access: previews, who can, what is missing.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use chrono::{DateTime, Utc};

use entities::ids::UserId;

use super::User;
use super::access::EnvironmentSelection;
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::op::scope_name;
use crate::service::access::watching::AccessChanged;
use crate::service::access::who::{self, MissingGrant};
use crate::service::access::{Difference, Preview, Rail, Shift};

/// What changes would do.
pub(in crate::graphql) struct AccessPreview(pub(in crate::graphql) Preview);

/// What changes would do.
#[Object]
impl AccessPreview {
    /// The policy epoch that this was asked at; `changeAccess` takes it as `expectedEpoch`.
    async fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// Who would gain and lose what, where the viewer may view that.
    async fn differences(&self, ctx: &Context<'_>) -> Result<Vec<AccessDifference>> {
        let scopes: Vec<_> = self.0.differences.iter().map(|difference| difference.scope).collect();
        let held = op(ctx).masks(&scopes).await?;
        let seen = |difference: &&Difference| {
            held.get(&difference.scope).is_some_and(|mask| mask.contains(difference.scope.view()))
        };
        Ok(self.0.differences.iter().filter(seen).cloned().map(AccessDifference).collect())
    }

    /// What forbids the changes; none when they may be made.
    async fn violations(&self) -> Vec<AccessViolation> {
        self.0.rails.iter().map(AccessViolation::from).collect()
    }
}

/// A change of who holds what.
pub(in crate::graphql) struct AccessChange(pub(in crate::graphql) AccessChanged);

/// A change of who holds what.
#[Object]
impl AccessChange {
    /// The policy epoch that it ended.
    async fn epoch(&self) -> i64 {
        self.0.change.epoch
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.change.at
    }

    /// Who made it; none for the system itself.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.0.change.actor_id {
            Some(id) => user(ctx, id).await,
            None => Ok(None),
        }
    }

    /// What was done, e.g. `access.grant`.
    async fn operation(&self) -> &str {
        &self.0.change.operation
    }

    /// Why, when somebody had to say so.
    async fn reason(&self) -> Option<&str> {
        self.0.change.reason.as_deref()
    }

    /// Who gained and lost what.
    async fn differences(&self) -> Vec<AccessDifference> {
        self.0.differences.iter().cloned().map(AccessDifference).collect()
    }
}

/// What somebody gains and loses on a scope, and by inheritance below it.
pub(in crate::graphql) struct AccessDifference(pub(in crate::graphql) Difference);

/// What somebody gains and loses on a scope, and by inheritance below it.
#[Object]
impl AccessDifference {
    /// Who; none when the account is gone.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        user(ctx, self.0.user).await
    }

    /// Id of the scope; `console` for the whole console.
    async fn scope(&self) -> ID {
        ID(scope_name(self.0.scope))
    }

    /// What they have more.
    async fn gained(&self) -> Vec<AccessShift> {
        self.0.gained.iter().filter_map(AccessShift::of).collect()
    }

    /// What they have no longer.
    async fn lost(&self) -> Vec<AccessShift> {
        self.0.lost.iter().filter_map(AccessShift::of).collect()
    }
}

/// A capability on a scope and what lies below it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AccessShift {
    /// The capability.
    capability: String,
    /// The environments on which it counts.
    environments: EnvironmentSelection,
}

impl AccessShift {
    pub(in crate::graphql) fn of(shift: &Shift) -> Option<Self> {
        let environments = EnvironmentSelection::parse(&shift.environments)?;
        Some(Self { capability: shift.capability.clone(), environments })
    }
}

/// What forbids a change.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AccessViolation {
    /// Which rule.
    kind: AccessViolationKind,
    /// In one sentence.
    sentence: String,
    /// Id of the policy test that would be broken.
    policy_test_id: Option<ID>,
}

/// Which rule forbids a change.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum AccessViolationKind {
    /// Nobody gives more than they hold.
    GivesMoreThanHeld,
    /// An organization keeps somebody who manages its access.
    LastAccessManager,
    /// A team keeps an owner.
    LastOwner,
    /// A personal team has exactly its one member.
    PersonalTeam,
    /// A policy test would be broken.
    PolicyTestBroken,
}

impl From<&Rail> for AccessViolation {
    fn from(rail: &Rail) -> Self {
        let (kind, test) = match rail {
            Rail::Beyond { .. } => (AccessViolationKind::GivesMoreThanHeld, None),
            Rail::NobodyManages { .. } => (AccessViolationKind::LastAccessManager, None),
            Rail::NobodyOwns { .. } => (AccessViolationKind::LastOwner, None),
            Rail::NotAlone { .. } => (AccessViolationKind::PersonalTeam, None),
            Rail::PolicyTest(broken) => (AccessViolationKind::PolicyTestBroken, Some(broken.test)),
        };
        Self { kind, sentence: rail.sentence(), policy_test_id: test.map(|id| ID(id.to_string())) }
    }
}

/// Everybody who holds a capability on a resource.
pub(in crate::graphql) struct WhoCan {
    pub(in crate::graphql) answer: who::WhoCan,
}

/// Everybody who holds a capability on a resource.
#[Object]
impl WhoCan {
    /// How many there are.
    async fn total_count(&self) -> usize {
        self.answer.total
    }

    /// Those of this page, in the order of their ids.
    async fn nodes(&self) -> Vec<AbleUser> {
        let grants = |able: &who::Able| {
            let mut grants: Vec<String> =
                able.decision.because.iter().map(|witness| self.answer.packs.name(witness.grant).to_owned()).collect();
            grants.dedup();
            grants
        };
        let bindings = |able: &who::Able| {
            let ids = able.decision.because.iter().map(|witness| entities::ids::BindingId::from(witness.binding));
            ids.map(|id| ID(id.to_string())).collect()
        };
        let able = self.answer.able.iter();
        able.map(|able| AbleUser { user: able.user, grants: grants(able), bindings: bindings(able) }).collect()
    }

    /// Give it back as `after` for the next page; none when this is the last.
    async fn end_cursor(&self) -> Option<String> {
        let last = self.answer.able.last().filter(|_| self.answer.has_next)?;
        Some(last.user.to_string())
    }
}

/// Somebody who can, and through what.
pub(in crate::graphql) struct AbleUser {
    user: UserId,
    grants: Vec<String>,
    bindings: Vec<ID>,
}

/// Somebody who can, and through what.
#[Object]
impl AbleUser {
    /// Who; none when the account is gone.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        user(ctx, self.user).await
    }

    /// The roles and single capabilities that give it, the nearest first.
    async fn grants(&self) -> &[String] {
        &self.grants
    }

    /// Ids of the bindings that give it, the nearest first.
    async fn binding_ids(&self) -> &[ID] {
        &self.bindings
    }
}

/// The least that would have to be given for something to be held.
pub(in crate::graphql) struct MissingAccess(pub(in crate::graphql) MissingGrant);

/// The least that would have to be given for something to be held.
#[Object]
impl MissingAccess {
    /// Full name of the smallest role that gives it; none when there is no such role here, and the capability has to be given
    /// alone.
    async fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// The capability that is missing.
    async fn capability(&self) -> &str {
        self.0.capability.name()
    }

    /// Id of the scope to give it on.
    async fn scope(&self) -> ID {
        ID(scope_name(self.0.scope))
    }

    /// People who could give it, at most ten.
    async fn givers(&self, ctx: &Context<'_>) -> Result<Vec<User>> {
        let mut givers = Vec::with_capacity(self.0.givers.len());
        for id in &self.0.givers {
            givers.extend(user(ctx, *id).await?);
        }
        Ok(givers)
    }
}

pub(in crate::graphql) async fn user(ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
    Ok(loaders(ctx).users.one(id).await?.map(|row| User((*row).clone())))
}
