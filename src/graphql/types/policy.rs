//! What an organization asserts of its access, and the roles that it approved for emergencies.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};

use entities::ids::{EligibleRoleId, PolicyTestId, TeamId, UserId};
use entities::values::SubjectKind;
use entities::{eligible_role, policy_test};

use super::access::{Arguments, EnvironmentSelection, RoleBindingSubject};
use super::question::user;
use super::{Team, User};
use crate::authz::{self, cap};
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::store::{self, facts};

/// An assertion about access that every change of access keeps true.
#[derive(Clone)]
pub(in crate::graphql) struct PolicyTest(pub(in crate::graphql) policy_test::Model);

/// An assertion about access that every change of access keeps true.
#[Object]
impl PolicyTest {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Who must not hold it; none for a team that the viewer may not view.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<RoleBindingSubject>> {
        subject(ctx, self.0.subject_kind, self.0.subject_id).await
    }

    /// Everybody who is not in the team, instead of those who are.
    async fn outside(&self) -> bool {
        self.0.outside
    }

    /// What must not be held.
    async fn capability(&self) -> &str {
        &self.0.capability
    }

    /// On these environments.
    async fn environments(&self) -> EnvironmentSelection {
        EnvironmentSelection::parse(&self.0.environments).unwrap_or(EnvironmentSelection::Any)
    }

    /// Id of the scope on which, and below which, it must not be held.
    async fn scope(&self) -> ID {
        ID(scope_name(facts::scope(self.0.scope_kind, self.0.scope_id)))
    }

    /// Who wrote it.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        user(ctx, self.0.created_by).await
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// A role that its holder may activate for a while, with a reason.
#[derive(Clone)]
pub(in crate::graphql) struct EligibleRole(pub(in crate::graphql) eligible_role::Model);

/// A role that its holder may activate for a while, with a reason.
#[Object]
impl EligibleRole {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Who may activate it; none for a team that the viewer may not view.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<RoleBindingSubject>> {
        subject(ctx, self.0.subject_kind, self.0.subject_id).await
    }

    /// Full name of the role.
    async fn role(&self, ctx: &Context<'_>) -> Result<String> {
        let packs = store::role::packs(op(ctx).store()).await?;
        let index = packs.role(&self.0.role);
        Ok(index.map_or_else(|| self.0.role.clone(), |index| packs.name(index.into()).to_owned()))
    }

    /// Id of the scope that it is bound on while it is active; `console` for the whole console.
    async fn scope(&self) -> ID {
        ID(scope_name(facts::scope(self.0.scope_kind, self.0.scope_id)))
    }

    /// The longest time that one activation lasts, in seconds.
    async fn max_duration_seconds(&self) -> i32 {
        self.0.max_seconds
    }

    /// Who approved it beforehand.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        user(ctx, self.0.created_by).await
    }

    /// When.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

async fn subject(ctx: &Context<'_>, kind: SubjectKind, key: uuid::Uuid) -> Result<Option<RoleBindingSubject>> {
    Ok(match kind {
        SubjectKind::User => user(ctx, UserId(key)).await?.map(RoleBindingSubject::User),
        SubjectKind::Team => {
            let row = loaders(ctx).teams.one(TeamId(key)).await?;
            row.map(|row| RoleBindingSubject::Team(Team((*row).clone())))
        }
    })
}

/// The assertions of an organization, for those who hold `member.view` there.
pub(super) async fn policy_tests(
    ctx: &Context<'_>,
    scope: authz::Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<PolicyTest>> {
    let page = page::<PolicyTestId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::MemberView>(scope).await?;
    let rows = store::policy_test::list(op(ctx).store(), &permit, &op(ctx).sight().await?, &page).await?;
    Ok(connection(rows, |row| row.id, PolicyTest))
}

/// The eligible roles of a scope, for those who hold `member.view` there.
pub(super) async fn eligible_roles(
    ctx: &Context<'_>,
    scope: authz::Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<EligibleRole>> {
    let page = page::<EligibleRoleId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::MemberView>(scope).await?;
    let rows = store::eligible_role::list(op(ctx).store(), &permit, &page).await?;
    Ok(connection(rows, |row| row.id, EligibleRole))
}
