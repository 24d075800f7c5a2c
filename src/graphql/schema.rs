//! Puts the schema together, with the limits that hold for every document.

use async_graphql::{SDLExportOptions, Schema};

use super::mutation::Mutation;
use super::page::Listed;
use super::query::Query;
use super::subscription::Subscription;
use super::types::access::RoleBinding;
use super::types::audit::AuditEntry;
use super::types::deploy_hook::DeployHook;
use super::types::deployment_action::DeploymentEvent;
use super::types::git::GitDeploy;
use super::types::invitation::{Invitation, OrganizationTransfer};
use super::types::policy::{EligibleRole, PolicyTest};
use super::types::role::CustomRole;
use super::types::service_account::{ApiKey, ServiceAccount};
use super::types::team::TeamMember;
use super::types::user::Notice;
use super::types::webhook::{Webhook, WebhookDelivery};
use super::types::{Deployment, Domain, Environment, NodeInterface, Organization, Project, Team};

/// The schema.
pub type ReeveSchema = Schema<Query, Mutation, Subscription>;

/// Selections may nest so deep; a page with its permissions needs 12.
const DEPTH: usize = 24;
/// Aliases that a document may use.
const ALIASES: usize = 50;
/// Directives at one place.
const DIRECTIVES: usize = 10;

/// The schema with its limits; what a document costs is weighed before it comes here.
pub fn build() -> ReeveSchema {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<NodeInterface>()
        .override_output_type_description::<Listed<Organization>>("A page of organizations.")
        .override_output_type_description::<Listed<Project>>("A page of projects.")
        .override_output_type_description::<Listed<Environment>>("A page of environments.")
        .override_output_type_description::<Listed<Deployment>>("A page of deployments.")
        .override_output_type_description::<Listed<DeploymentEvent>>("A page of what happened to a deployment.")
        .override_output_type_description::<Listed<Domain>>("A page of custom domains.")
        .override_output_type_description::<Listed<Team>>("A page of teams.")
        .override_output_type_description::<Listed<RoleBinding>>("A page of role bindings.")
        .override_output_type_description::<Listed<PolicyTest>>("A page of assertions about access.")
        .override_output_type_description::<Listed<EligibleRole>>("A page of roles that can be activated for a while.")
        .override_output_type_description::<Listed<TeamMember>>("A page of members of a team.")
        .override_output_type_description::<Listed<Invitation>>("A page of invitations.")
        .override_output_type_description::<Listed<OrganizationTransfer>>("A page of offers of organizations.")
        .override_output_type_description::<Listed<ServiceAccount>>("A page of service accounts.")
        .override_output_type_description::<Listed<ApiKey>>("A page of keys.")
        .override_output_type_description::<Listed<Notice>>("A page of what a user was told.")
        .override_output_type_description::<Listed<CustomRole>>("A page of roles that were made or imported.")
        .override_output_type_description::<Listed<DeployHook>>("A page of deploy hooks.")
        .override_output_type_description::<Listed<Webhook>>("A page of webhooks.")
        .override_output_type_description::<Listed<WebhookDelivery>>("A page of what a webhook was told.")
        .override_output_type_description::<Listed<GitDeploy>>("A page of deployments that were asked of a repository.")
        .override_output_type_description::<Listed<AuditEntry>>("A page of the audit log.")
        .limit_depth(DEPTH)
        .limit_recursive_depth(DEPTH + 8)
        .limit_aliases(ALIASES)
        .limit_directives(DIRECTIVES)
        .finish()
}

/// The schema as text, sorted: the contract.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    build().sdl_with_options(options)
}
