//! Roles that were made or imported while the program ran.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::ids::RoleId;
use entities::role::Model;

use super::access::{Arguments, EnvironmentSelection, RoleReach};
use super::{ScopeKind, User};
use crate::authz::{self, Level, cap};
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::store::{self, facts};

/// One thing that a role gives.
#[derive(SimpleObject)]
struct RoleRow {
    /// The kind of scope that the role has to be bound at for this to count.
    bound_at: ScopeKind,
    /// The capability.
    capability: String,
    /// The environments on which it counts.
    environments: EnvironmentSelection,
    /// Where it counts from.
    reach: RoleReach,
}

/// A role that an organization, or the console, made or imported.
#[derive(Clone)]
pub(in crate::graphql) struct CustomRole(pub(in crate::graphql) Model);

/// A role that an organization, or the console, made or imported.
#[Object]
impl CustomRole {
    /// Global id; `grantRole` takes it, as it takes the name.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Full name, e.g. `custom/deployer`.
    async fn name(&self) -> String {
        store::role::full_name(&self.0)
    }

    /// The pack that it belongs to; `custom` for one that was made here.
    async fn pack(&self) -> &str {
        &self.0.pack
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Id of the organization that it belongs to; `console` for one that everybody may bind.
    async fn scope(&self) -> ID {
        ID(scope_name(facts::scope(self.0.scope_kind, self.0.scope_id)))
    }

    /// What it gives.
    async fn rows(&self) -> Result<Vec<RoleRow>> {
        let words = store::role::words(&self.0)?;
        let rows = words.into_iter().filter_map(|words| {
            Some(RoleRow {
                bound_at: Level::parse(&words.bound_at)?.into(),
                environments: EnvironmentSelection::parse(&words.environments)?,
                reach: authz::Reach::parse(&words.reach)?.into(),
                capability: words.capability,
            })
        });
        Ok(rows.collect())
    }

    /// Who made it.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.created_by).await?.map(|row| User((*row).clone())))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Grows with every edit; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.version
    }
}

/// The roles of a scope, for those who hold `member.view` there.
pub(super) async fn roles(
    ctx: &Context<'_>,
    scope: authz::Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<CustomRole>> {
    let page = page::<RoleId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::MemberView>(scope).await?;
    let rows = store::role::list(op(ctx).store(), &permit, &page).await?;
    Ok(connection(rows, |row| row.id, CustomRole))
}
