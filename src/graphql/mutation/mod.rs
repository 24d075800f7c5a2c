//! The mutations, one file per resource: parse, call one verb, convert.

use async_graphql::MergedObject;

pub(super) mod access;
mod deployment;
mod environment;
mod organization;
mod policy;
mod project;
mod role;
mod session;

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    session::SessionMutation,
    organization::OrganizationMutation,
    project::ProjectMutation,
    environment::EnvironmentMutation,
    access::AccessMutation,
    role::RoleMutation,
    policy::PolicyMutation,
    deployment::DeploymentMutation,
);
