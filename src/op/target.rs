//! What a permit can be wanted for, and on which scope it is judged. It decides nothing.

use entities::ids::{
    ApiKeyId, BindingId, DeliveryId, DeployHookId, DeploymentId, DomainId, EligibleRoleId, EnvironmentId, Id,
    InvitationId, OrganizationId, PolicyTestId, ProjectId, RoleId, TeamId, TransferId, UserId, VariableId, WebhookId,
};

use crate::authz::{Capability, Kinds, Level, Scope, ScopeFact};
use crate::error::{Error, Result};
use crate::store::facts::ScopeFacts;
use crate::store::{
    Source, api_key, delivery, deploy_hook, domain, eligible_role, facts, invitation, policy_test, role,
    service_account, transfer, variable, webhook,
};

/// What a permit is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A scope itself.
    Scope(Scope),
    /// A deployment, judged on its environment.
    Deployment(DeploymentId),
    /// A custom domain, judged on its environment.
    Domain(DomainId),
    /// A binding, judged where it sits.
    Binding(BindingId),
    /// A role that was made or imported, judged where it belongs.
    Role(RoleId),
    /// A role that can be activated for a while, judged where it would be bound.
    EligibleRole(EligibleRoleId),
    /// An assertion about access, judged on its organization.
    PolicyTest(PolicyTestId),
    /// An invitation, judged on what it leads to.
    Invitation(InvitationId),
    /// An offer of an organization, judged on the team that it is for.
    Transfer(TransferId),
    /// A service account, judged where it belongs.
    ServiceAccount(UserId),
    /// A key of a service account, judged where that belongs.
    Key(ApiKeyId),
    /// A deploy hook, judged on its environment.
    DeployHook(DeployHookId),
    /// A webhook, judged on its project.
    Webhook(WebhookId),
    /// A delivery to a webhook, judged on the project of that.
    Delivery(DeliveryId),
    /// A variable, judged on what it is set on: on a project under every kind of environment that it counts for.
    Variable(VariableId),
    /// Variables of a scope that count for these kinds of environment.
    Variables(Scope, Kinds),
}

impl From<Scope> for Target {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}

macro_rules! targets {
    ($($id:ident => $variant:ident),*) => { $(
        impl From<$id> for Target {
            fn from(id: $id) -> Self { Self::$variant(id) }
        }
    )* };
}
targets!(
    DeploymentId => Deployment, DomainId => Domain, BindingId => Binding, RoleId => Role, EligibleRoleId => EligibleRole,
    PolicyTestId => PolicyTest, InvitationId => Invitation, TransferId => Transfer, ApiKeyId => Key,
    DeployHookId => DeployHook, VariableId => Variable, WebhookId => Webhook, DeliveryId => Delivery
);

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

/// The scope on which a target is judged, and the kinds of environment under which; they never change. What is not there is judged on a scope that is not there, which
/// takes the same way, and the same time, as what may not be viewed.
pub(super) async fn judged_on(source: &impl Source, target: Target) -> Result<(Scope, Kinds)> {
    let (found, key) = match target {
        Target::Scope(scope) => return Ok((scope, Kinds::Both)),
        Target::Variables(scope, kinds) => return Ok((scope, kinds)),
        Target::Variable(id) => {
            let found = variable::judged_on(source, id).await?;
            return Ok(found.unwrap_or((Scope::Environment(id.into()), Kinds::Both)));
        }
        Target::Deployment(id) => (facts::of_deployment(source, id).await?, id.uuid()),
        Target::Domain(id) => (domain::scope_of(source, id).await?, id.uuid()),
        Target::DeployHook(id) => (deploy_hook::scope_of(source, id).await?, id.uuid()),
        Target::Webhook(id) => (webhook::scope_of(source, id).await?, id.uuid()),
        Target::Delivery(id) => (delivery::scope_of(source, id).await?, id.uuid()),
        Target::Binding(id) => (facts::of_binding(source, id).await?, id.uuid()),
        Target::Role(id) => (role::scope_of(source, id).await?, id.uuid()),
        Target::EligibleRole(id) => (eligible_role::scope_of(source, id).await?, id.uuid()),
        Target::PolicyTest(id) => (policy_test::organization_of(source, id).await?.map(Scope::from), id.uuid()),
        Target::Invitation(id) => (invitation::find(source, id).await?.as_ref().map(invitation::scope), id.uuid()),
        Target::Transfer(id) => (transfer::find(source, id).await?.map(|row| row.team_id.into()), id.uuid()),
        Target::ServiceAccount(id) => (service_account::scope_of(source, id).await?, id.uuid()),
        Target::Key(id) => {
            let holder = api_key::find(source, id).await?.map_or(UserId(id.uuid()), |row| row.user_id);
            (service_account::scope_of(source, holder).await?, id.uuid())
        }
    };
    Ok((found.unwrap_or(Scope::Environment(key.as_u128())), Kinds::Both))
}

/// The scope on which it is told why something is held, or is not: of what counts for one kind of environment that is one of
/// this kind, which is imagined where there need be none.
pub(super) fn explained_on(scope: Scope, kinds: Kinds, known: &mut ScopeFacts) -> Scope {
    match (scope, kinds) {
        (Scope::Project(key), Kinds::Only(kind)) if known.contains_key(&scope) => {
            let imagined = Scope::Environment(key);
            known.insert(imagined, ScopeFact::environment(key, kind, false));
            imagined
        }
        _ => scope,
    }
}

/// The capability without which it does not exist for somebody.
pub(super) fn view(target: Target, scope: Scope) -> Capability {
    match target {
        Target::Scope(scope) | Target::Variables(scope, _) => scope.view(),
        Target::Deployment(_) => Capability::DeploymentView,
        Target::DeployHook(_) => Capability::DeployHookView,
        // Whoever may not manage them is not told of them.
        Target::Webhook(_) | Target::Delivery(_) => Capability::ProjectUpdate,
        Target::Variable(_) => Capability::VariableView,
        Target::Domain(_) => Capability::DomainView,
        Target::Invitation(_) if scope.level() == Level::Team => Capability::TeamView,
        Target::Binding(_)
        | Target::Role(_)
        | Target::EligibleRole(_)
        | Target::PolicyTest(_)
        | Target::Invitation(_)
        | Target::ServiceAccount(_) => Capability::MemberView,
        // Who may not answer or end it is not told that there is one.
        Target::Transfer(_) => Capability::TeamOrganizationCreate,
        Target::Key(_) => Capability::ServiceAccountManage,
    }
}

/// The refusal of what may not be viewed, or is not there.
pub(super) fn unseen(target: Target) -> Error {
    let kind = match target {
        Target::Scope(scope) | Target::Variables(scope, _) => scope.level().name(),
        Target::DeployHook(_) => "deploy hook",
        Target::Webhook(_) => "webhook",
        Target::Delivery(_) => "delivery",
        Target::Variable(_) => "variable",
        Target::Deployment(_) => "deployment",
        Target::Domain(_) => "domain",
        Target::Binding(_) => "binding",
        Target::Role(_) => "role",
        Target::EligibleRole(_) => "eligible role",
        Target::PolicyTest(_) => "policy test",
        Target::Invitation(_) => "invitation",
        Target::Transfer(_) => "transfer",
        Target::ServiceAccount(_) => "service account",
        Target::Key(_) => "key",
    };
    Error::not_found(kind)
}

/// The id by which people know a target.
pub fn name(target: Target) -> String {
    match target {
        Target::Scope(scope) | Target::Variables(scope, _) => scope_name(scope),
        Target::DeployHook(id) => id.to_string(),
        Target::Webhook(id) => id.to_string(),
        Target::Delivery(id) => id.to_string(),
        Target::Variable(id) => id.to_string(),
        Target::Deployment(id) => id.to_string(),
        Target::Domain(id) => id.to_string(),
        Target::Binding(id) => id.to_string(),
        Target::Role(id) => id.to_string(),
        Target::EligibleRole(id) => id.to_string(),
        Target::PolicyTest(id) => id.to_string(),
        Target::Invitation(id) => id.to_string(),
        Target::Transfer(id) => id.to_string(),
        Target::ServiceAccount(id) => id.to_string(),
        Target::Key(id) => id.to_string(),
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
