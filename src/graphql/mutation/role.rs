//! Roles that an organization, or the console, makes or imports.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::access::{make, mixed_up};
use crate::authz::{Reach, RowWords};
use crate::error::Result;
use crate::graphql::context::op;
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::ScopeKind;
use crate::graphql::types::access::{EnvironmentSelection, RoleReach};
use crate::graphql::types::role::CustomRole;
use crate::op::Op;
use crate::service::access::role::{self, CUSTOM};
use crate::service::access::{Change, Changed};
use crate::service::resolve;

/// One thing that a role gives.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct RoleRowInput {
    /// The kind of scope that the role has to be bound at for this to count.
    bound_at: ScopeKind,
    /// The capability, e.g. `deployment.create`.
    capability: String,
    /// The environments on which it counts; only capabilities of environments may be limited.
    #[graphql(default_with = "EnvironmentSelection::Any")]
    environments: EnvironmentSelection,
    /// Where it counts from.
    #[graphql(default_with = "RoleReach::Itself")]
    reach: RoleReach,
}

impl From<RoleRowInput> for RowWords {
    fn from(row: RoleRowInput) -> Self {
        let reach: Reach = row.reach.into();
        Self {
            bound_at: crate::authz::Level::from(row.bound_at).name().to_owned(),
            capability: row.capability,
            environments: row.environments.name().to_owned(),
            reach: reach.name().to_owned(),
        }
    }
}

/// A new role.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct CreateRoleInput {
    /// Id or name of the organization, or `console` for a role that everybody may bind.
    scope: String,
    /// Its name: small letters, digits and `-`.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// What it gives.
    rows: Vec<RoleRowInput>,
}

impl CreateRoleInput {
    pub(super) async fn change(self, op: &Op) -> Result<Change> {
        Ok(Change::CreateRole(role::Create {
            scope: resolve::scope(op, &self.scope).await?,
            pack: CUSTOM.to_owned(),
            name: self.name,
            description: self.description.map(|text| input::text("description", &text, 1_000)).transpose()?,
            rows: self.rows.into_iter().map(RowWords::from).collect(),
        }))
    }
}

/// Another content for a role.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct UpdateRoleInput {
    /// Which.
    id: ID,
    /// What it is for.
    description: Option<String>,
    /// What it gives from now on, to everybody who has it.
    rows: Vec<RoleRowInput>,
    /// The version that this was made from.
    expected_version: i32,
}

impl UpdateRoleInput {
    pub(super) fn change(self) -> Result<Change> {
        Ok(Change::UpdateRole(role::Update {
            id: input::id("id", &self.id)?,
            description: self.description.map(|text| input::text("description", &text, 1_000)).transpose()?,
            rows: self.rows.into_iter().map(RowWords::from).collect(),
            expected_version: self.expected_version,
        }))
    }
}

/// A role.
#[derive(SimpleObject)]
struct RolePayload {
    /// It.
    role: CustomRole,
}

/// A role to remove.
#[derive(InputObject)]
struct DeleteRoleInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteRolePayload {
    /// Its id.
    deleted_id: ID,
}

/// A pack of roles.
#[derive(InputObject)]
struct ImportRolePackInput {
    /// Id or name of the organization, or `console` for roles that everybody may bind.
    scope: String,
    /// The name of the pack: small letters, digits and `-`.
    pack: String,
    /// The file: `role,bound_at,capability,environments,reach,basis`, and a line for each row.
    text: String,
}

/// What was imported.
#[derive(SimpleObject)]
struct ImportRolePackPayload {
    /// The roles of the pack.
    roles: Vec<CustomRole>,
}

#[derive(Default)]
pub(super) struct RoleMutation;

#[Object]
impl RoleMutation {
    /// Makes a role of an organization. Nobody puts into a role what they do not hold. Requires `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn create_role(&self, ctx: &Context<'_>, input: CreateRoleInput) -> Result<RolePayload> {
        let op = op(ctx);
        match make(op, input.change(op).await?).await? {
            Changed::Role(row) => Ok(RolePayload { role: CustomRole(row) }),
            other => mixed_up(other),
        }
    }

    /// Changes what a role gives, to everybody who has it. Requires `access.manage` where the role belongs.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn update_role(&self, ctx: &Context<'_>, input: UpdateRoleInput) -> Result<RolePayload> {
        match make(op(ctx), input.change()?).await? {
            Changed::Role(row) => Ok(RolePayload { role: CustomRole(row) }),
            other => mixed_up(other),
        }
    }

    /// Removes a role that nobody has. Requires `access.manage` where the role belongs.
    #[graphql(directive = requires::apply("access.manage".into(), "id".into()))]
    async fn delete_role(&self, ctx: &Context<'_>, input: DeleteRoleInput) -> Result<DeleteRolePayload> {
        make(op(ctx), Change::DeleteRole(input::id("id", &input.id)?)).await?;
        Ok(DeleteRolePayload { deleted_id: input.id })
    }

    /// Makes the roles of a pack file, all or none; a line that is not understood refuses the whole. Requires
    /// `access.manage`.
    #[graphql(directive = requires::apply("access.manage".into(), "scope".into()))]
    async fn import_role_pack(&self, ctx: &Context<'_>, input: ImportRolePackInput) -> Result<ImportRolePackPayload> {
        let op = op(ctx);
        let scope = resolve::scope(op, &input.scope).await?;
        let roles = role::import(op, scope, &input.pack, &input.text).await?;
        Ok(ImportRolePackPayload { roles: roles.into_iter().map(CustomRole).collect() })
    }
}
