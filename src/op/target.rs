//! What a permit is wanted for, and by which words people know it.

use entities::ids::{BindingId, DeploymentId, EnvironmentId, OrganizationId, ProjectId, TeamId};

use crate::authz::Scope;
use crate::error::{Error, Result};
use crate::store::{Source, facts};

/// What a permit is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A scope itself.
    Scope(Scope),
    /// A deployment, judged on its environment.
    Deployment(DeploymentId),
    /// A binding, judged where it sits.
    Binding(BindingId),
}

impl From<Scope> for Target {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}
impl From<DeploymentId> for Target {
    fn from(id: DeploymentId) -> Self {
        Self::Deployment(id)
    }
}
impl From<BindingId> for Target {
    fn from(id: BindingId) -> Self {
        Self::Binding(id)
    }
}

macro_rules! scopes {
    ($($id:ident => $variant:ident),*) => { $(
        impl From<$id> for Scope {
            fn from(id: $id) -> Self { Self::$variant(id.into()) }
        }
        impl From<$id> for Target {
            fn from(id: $id) -> Self { Self::Scope(id.into()) }
        }
    )* };
}
scopes!(TeamId => Team, OrganizationId => Organization, ProjectId => Project, EnvironmentId => Environment);

/// The scope on which a target is judged; it never changes.
pub(super) async fn scope_of(source: &impl Source, target: Target) -> Result<Scope> {
    let scope = match target {
        Target::Scope(scope) => Some(scope),
        Target::Deployment(id) => facts::of_deployment(source, id).await?,
        Target::Binding(id) => facts::of_binding(source, id).await?,
    };
    scope.ok_or_else(|| unseen(target))
}

/// The refusal of what is not there, for this actor or at all.
pub(super) fn unseen(target: Target) -> Error {
    let kind = match target {
        Target::Scope(Scope::Console) => "console",
        Target::Scope(Scope::Team(_)) => "team",
        Target::Scope(Scope::Organization(_)) => "organization",
        Target::Scope(Scope::Project(_)) => "project",
        Target::Scope(Scope::Environment(_)) => "environment",
        Target::Deployment(_) => "deployment",
        Target::Binding(_) => "binding",
    };
    Error::not_found(kind)
}

/// The id by which people know a target.
pub fn name(target: Target) -> String {
    match target {
        Target::Scope(scope) => scope_name(scope),
        Target::Deployment(id) => id.to_string(),
        Target::Binding(id) => id.to_string(),
    }
}

/// The id by which people know a scope.
pub fn scope_name(scope: Scope) -> String {
    match scope {
        Scope::Console => "console".to_owned(),
        Scope::Team(key) => TeamId::from(key).to_string(),
        Scope::Organization(key) => OrganizationId::from(key).to_string(),
        Scope::Project(key) => ProjectId::from(key).to_string(),
        Scope::Environment(key) => EnvironmentId::from(key).to_string(),
    }
}
