//! Batches of look-ups: a page of many rows costs as many statements as a page of one. One set per request, filtered by what
//! this actor may see.

use std::sync::Arc;

use entities::ids::{DeploymentId, DomainId, EnvironmentId, OrganizationId, ProjectId, RoleId, TeamId, UserId};
use entities::{action, certificate, deployment, environment, organization, project, team, user};

use super::batch::{Load, Lookup};
use crate::authz::{Mask, Scope, cap};
use crate::error::Result;
use crate::op::Op;
use crate::store::{self, build::Outcome};

macro_rules! lookups {
    ($($name:ident($key:ty => $value:ty) |$op:ident, $keys:ident| $body:expr;)*) => { $(
        pub(super) struct $name;
        impl Lookup for $name {
            type Key = $key;
            type Value = $value;
            async fn many($op: &Op, $keys: &[$key]) -> Result<Vec<($key, $value)>> { $body }
        }
    )* };
}

lookups! {
    Masks(Scope => Mask) |op, keys| Ok(op.masks(keys).await?.into_iter().collect());
    Paths(Scope => String) |op, keys| store::path::of_scopes(op.store(), keys).await;
    Teams(TeamId => team::Model) |op, keys| {
        let rows = store::team::by_ids(op.store(), &op.visible::<cap::TeamView>().await?, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    RoleNames(RoleId => String) |op, keys| {
        let packs = store::role::packs(op.store()).await?;
        let named = |id: &RoleId| Some((*id, packs.name(packs.role(&id.to_string())?.into()).to_owned()));
        Ok(keys.iter().filter_map(named).collect())
    };
    Users(UserId => user::Model) |op, keys| {
        let rows = store::user::by_ids(op.store(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    Organizations(OrganizationId => organization::Model) |op, keys| {
        let visible = op.visible::<cap::OrganizationView>().await?;
        let rows = store::organization::by_ids(op.store(), &visible, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    Projects(ProjectId => project::Model) |op, keys| {
        let rows = store::project::by_ids(op.store(), &op.visible::<cap::ProjectView>().await?, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    Environments(EnvironmentId => environment::Model) |op, keys| {
        let rows = store::environment::by_ids(op.store(), &op.visible::<cap::EnvironmentView>().await?, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    Deployments(DeploymentId => deployment::Model) |op, keys| {
        let rows = store::deployment::by_ids(op.store(), &op.visible::<cap::DeploymentView>().await?, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    };
    CompleteDrafts(DeploymentId => ()) |op, keys| {
        let visible = op.visible::<cap::DeploymentView>().await?;
        let ids = store::artifact::complete_drafts(op.store(), &visible, keys).await?;
        Ok(ids.into_iter().map(|id| (id, ())).collect())
    };
    Certificates(DomainId => certificate::Model) |op, keys| {
        let rows = store::certificate::of_domains(op.store(), &op.visible::<cap::DomainView>().await?, keys).await?;
        Ok(rows.into_iter().map(|row| (row.domain_id, row)).collect())
    };
    Actions(DeploymentId => action::Model) |op, keys| {
        let visible = op.visible::<cap::DeploymentView>().await?;
        let rows = store::action::latest_of(op.store(), &visible, keys).await?;
        Ok(rows.into_iter().map(|row| (row.deployment_id, row)).collect())
    };
    Builds(DeploymentId => Outcome) |op, keys| {
        store::build::by_ids(op.store(), &op.visible::<cap::DeploymentView>().await?, keys).await
    };
}

/// The loaders of one request.
pub(super) struct Loaders {
    /// What the actor holds on scopes.
    pub(super) masks: Load<Masks>,
    /// Names along the way to scopes that the actor holds rows of.
    pub(super) paths: Load<Paths>,
    /// Teams.
    pub(super) teams: Load<Teams>,
    /// Names of roles that were made here, for bindings that name them.
    pub(super) roles: Load<RoleNames>,
    /// Users, for names beside what the actor may see.
    pub(super) users: Load<Users>,
    /// Organizations.
    pub(super) organizations: Load<Organizations>,
    /// Projects.
    pub(super) projects: Load<Projects>,
    /// Environments.
    pub(super) environments: Load<Environments>,
    /// Deployments.
    pub(super) deployments: Load<Deployments>,
    /// Drafts whose content has all arrived.
    pub(super) complete_drafts: Load<CompleteDrafts>,
    /// The newest action of deployments.
    pub(super) actions: Load<Actions>,
    /// Builds of deployments.
    pub(super) builds: Load<Builds>,
    /// How it stands with the certificates of custom domains.
    pub(super) certificates: Load<Certificates>,
}

impl Loaders {
    pub(super) fn new(op: &Arc<Op>) -> Self {
        Self {
            masks: Load::new(op),
            paths: Load::new(op),
            teams: Load::new(op),
            roles: Load::new(op),
            users: Load::new(op),
            organizations: Load::new(op),
            projects: Load::new(op),
            environments: Load::new(op),
            deployments: Load::new(op),
            complete_drafts: Load::new(op),
            actions: Load::new(op),
            builds: Load::new(op),
            certificates: Load::new(op),
        }
    }
}
