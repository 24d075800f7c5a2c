//! The object types, one file per resource.

use async_graphql::{Enum, Interface};

pub(super) mod access;
pub(super) mod audit;
pub(super) mod console;
pub(super) mod deploy_hook;
pub(super) mod deployment;
pub(super) mod deployment_action;
pub(super) mod difference;
pub(super) mod domain;
pub(super) mod edge;
pub(super) mod environment;
pub(super) mod git;
pub(super) mod invitation;
pub(super) mod metric;
pub(super) mod organization;
pub(super) mod permission;
pub(super) mod policy;
pub(super) mod project;
pub(super) mod question;
pub(super) mod review;
pub(super) mod role;
pub(super) mod service_account;
pub(super) mod team;
pub(super) mod user;
pub(super) mod variable;

pub(super) use deployment::Deployment;
pub(super) use domain::Domain;
pub(super) use environment::Environment;
pub(super) use organization::Organization;
pub(super) use project::Project;
pub(super) use team::Team;
pub(super) use user::User;

use crate::authz::Level;

/// An object with a global id.
#[derive(Interface)]
#[graphql(name = "Node", field(name = "id", ty = "async_graphql::ID", desc = "Global, opaque id."))]
pub(super) enum NodeInterface {
    /// A user.
    User(User),
    /// A team.
    Team(Team),
    /// An organization.
    Organization(Organization),
    /// A project.
    Project(Project),
    /// An environment.
    Environment(Environment),
    /// A deployment.
    Deployment(Deployment),
}

/// A kind of scope.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeKind {
    /// The whole installation.
    Console,
    /// A team.
    Team,
    /// An organization.
    Organization,
    /// A project.
    Project,
    /// An environment.
    Environment,
}

impl From<Level> for ScopeKind {
    fn from(level: Level) -> Self {
        match level {
            Level::Console => Self::Console,
            Level::Team => Self::Team,
            Level::Organization => Self::Organization,
            Level::Project => Self::Project,
            Level::Environment => Self::Environment,
        }
    }
}

impl From<ScopeKind> for Level {
    fn from(kind: ScopeKind) -> Self {
        match kind {
            ScopeKind::Console => Self::Console,
            ScopeKind::Team => Self::Team,
            ScopeKind::Organization => Self::Organization,
            ScopeKind::Project => Self::Project,
            ScopeKind::Environment => Self::Environment,
        }
    }
}
