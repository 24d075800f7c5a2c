//! The mutations, one file per resource: parse, call one verb, convert.

use async_graphql::MergedObject;

pub(super) mod access;
mod deploy_hook;
mod deployment;
mod domain;
mod edge;
mod environment;
mod git;
mod invitation;
mod organization;
mod person;
mod policy;
mod project;
mod role;
mod service_account;
mod session;
mod team;
mod variable;
mod webhook;

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
    team::TeamMutation,
    person::PersonMutation,
    invitation::InvitationMutation,
    service_account::ServiceAccountMutation,
    deployment::DeploymentMutation,
    variable::VariableMutation,
    domain::DomainMutation,
    edge::EdgeMutation,
    git::GitMutation,
    deploy_hook::DeployHookMutation,
    webhook::WebhookMutation,
);
