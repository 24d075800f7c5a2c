//! Roles, bindings, and decisions with their derivation.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};

use entities::binding::Model;
use entities::ids::{BindingId, TeamId, UserId};
use entities::values::SubjectKind;

use super::permission::capability;
use super::question::MissingAccess;
use super::{ScopeKind, Team, User};
use crate::authz::{self, Level, Packs, cap};
use crate::error::Result;
use crate::graphql::context::{loaders, op};
use crate::graphql::page::{Listed, connection, page};
use crate::op::scope_name;
use crate::service::explanation::{Explained, ExplainedWitness};
use crate::store;

/// Who a binding is for.
#[derive(Union)]
pub(in crate::graphql) enum RoleBindingSubject {
    /// One user.
    User(User),
    /// Every member of a team.
    Team(Team),
}

/// A role for somebody on a scope.
pub(in crate::graphql) struct RoleBinding(pub(in crate::graphql) Model);

/// A role for somebody on a scope.
#[Object]
impl RoleBinding {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Who holds the role; none for a team that the viewer may not view.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<RoleBindingSubject>> {
        Ok(match self.0.subject_kind {
            SubjectKind::User => {
                let row = loaders(ctx).users.one(UserId(self.0.subject_id)).await?;
                row.map(|row| RoleBindingSubject::User(User((*row).clone())))
            }
            SubjectKind::Team => {
                let row = loaders(ctx).teams.one(TeamId(self.0.subject_id)).await?;
                row.map(|row| RoleBindingSubject::Team(Team((*row).clone())))
            }
        })
    }

    /// Full name of the role, or the single capability that is given instead.
    async fn role(&self, ctx: &Context<'_>) -> Result<String> {
        let key = self.0.role.as_deref().or(self.0.capability.as_deref()).unwrap_or_default();
        let Some(id) = store::role::id_of(key) else { return Ok(key.to_owned()) };
        Ok(loaders(ctx).roles.one(id).await?.map_or_else(|| key.to_owned(), |name| (*name).clone()))
    }

    /// Id of the scope that it sits on; `console` for the whole console.
    async fn scope(&self) -> ID {
        ID(scope_name(store::facts::scope(self.0.scope_kind, self.0.scope_id)))
    }

    /// Counts from then on.
    async fn not_before(&self) -> Option<DateTime<Utc>> {
        self.0.not_before
    }

    /// Counts until then.
    async fn not_after(&self) -> Option<DateTime<Utc>> {
        self.0.not_after
    }

    /// Id of the team on whose behalf it was given: it counts only while the user is in it and it manages the organization.
    async fn on_behalf_of(&self) -> Option<ID> {
        self.0.on_behalf_of.map(|team| ID(team.to_string()))
    }

    /// Why it was made, when somebody had to say so.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

pub(super) type Arguments = (Option<i32>, Option<String>, Option<i32>, Option<String>);

/// The bindings at a scope, for those who hold `member.view` there.
pub(super) async fn bindings(
    ctx: &Context<'_>,
    scope: authz::Scope,
    (first, after, last, before): Arguments,
) -> Result<Listed<RoleBinding>> {
    let page = page::<BindingId>(first, after, last, before, false)?;
    let permit = op(ctx).permit::<cap::MemberView>(scope).await?;
    let rows = store::binding::list(op(ctx).store(), &permit, &page).await?;
    Ok(connection(rows, |row| row.id, RoleBinding))
}

/// A named set of capabilities out of a role pack.
pub(in crate::graphql) struct Role {
    pub(in crate::graphql) packs: Arc<Packs>,
    pub(in crate::graphql) index: authz::RoleIndex,
}

/// What a role gives where it is bound.
#[derive(SimpleObject)]
pub(in crate::graphql) struct RoleCapability {
    /// The capability.
    capability: String,
    /// Whether it counts on production environments.
    production: bool,
    /// Whether it counts on all other environments.
    nonproduction: bool,
    /// Where it counts from.
    reach: RoleReach,
}

/// The environments on which something counts.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) enum EnvironmentSelection {
    /// All of them.
    Any,
    /// Production environments.
    Production,
    /// All but production environments.
    Nonproduction,
}

impl EnvironmentSelection {
    /// The word of the packs.
    pub(in crate::graphql) const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Production => "production",
            Self::Nonproduction => "nonproduction",
        }
    }

    /// The selection that a word of the packs means.
    pub(in crate::graphql) fn parse(word: &str) -> Option<Self> {
        [Self::Any, Self::Production, Self::Nonproduction].into_iter().find(|selection| selection.name() == word)
    }
}

/// Where a role counts from.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "authz::Reach")]
pub(in crate::graphql) enum RoleReach {
    /// The bound scope and everything below it.
    Itself,
    /// The parent of the bound scope, and not what lies below that.
    Parent,
    /// Every organization that the bound team manages, and everything below.
    Managed,
}

/// A named set of capabilities out of a role pack.
#[Object]
impl Role {
    /// Full name, e.g. `ownstak/editor`: what `grantRole` takes.
    async fn name(&self) -> &str {
        self.packs.name(self.index.into())
    }

    /// The pack that it comes from.
    async fn pack(&self) -> &str {
        self.packs.name(self.index.into()).split_once('/').map_or("", |(pack, _)| pack)
    }

    /// The kinds of scope on which it gives anything.
    async fn bound_at(&self) -> Vec<ScopeKind> {
        let rows = self.packs.rows(self.index);
        let levels = Level::ALL.iter().filter(|level| rows.iter().any(|row| row.bound_at == **level));
        levels.map(|level| (*level).into()).collect()
    }

    /// What it gives, bound at a kind of scope.
    async fn capabilities(&self, bound_at: ScopeKind) -> Vec<RoleCapability> {
        let rows = self.packs.rows(self.index).iter().filter(|row| row.bound_at == bound_at.into());
        rows.flat_map(|row| {
            row.masks.either().iter().map(|capability| RoleCapability {
                capability: capability.name().to_owned(),
                production: row.masks.production.contains(capability),
                nonproduction: row.masks.nonproduction.contains(capability),
                reach: row.reach.into(),
            })
        })
        .collect()
    }
}

/// A verb on a resource that a role can give.
pub(in crate::graphql) struct Capability(pub(in crate::graphql) authz::Capability);

/// A verb on a resource that a role can give.
#[Object]
impl Capability {
    /// Its name, e.g. `deployment.create`.
    async fn name(&self) -> &str {
        self.0.name()
    }

    /// The kind of scope on which it is judged.
    async fn on(&self) -> ScopeKind {
        self.0.level().into()
    }

    /// What it belongs to.
    async fn area(&self) -> &str {
        self.0.area()
    }

    /// What it allows.
    async fn allows(&self) -> &str {
        self.0.allows()
    }

    /// Names under which other consoles document the same.
    async fn aliases(&self) -> Vec<String> {
        self.0.aliases().to_vec()
    }
}

/// Whether somebody may do something, and why.
pub(in crate::graphql) struct AccessDecision(pub(in crate::graphql) Explained);

/// Whether somebody may do something, and why.
#[Object]
impl AccessDecision {
    /// Whether the capability is held.
    async fn allowed(&self) -> bool {
        self.0.allowed
    }

    /// The decision in one sentence.
    async fn summary(&self) -> &str {
        &self.0.summary
    }

    /// Everything that gives it, the nearest first.
    async fn because(&self) -> Vec<AccessWitness> {
        self.0.because.iter().cloned().map(AccessWitness).collect()
    }

    /// The least that would have to be given, and who could give it; none when it is allowed, or when nothing that is given
    /// would help.
    async fn missing_grant(&self) -> Option<MissingAccess> {
        self.0.missing.clone().map(MissingAccess)
    }

    /// What stands against it.
    async fn refusal(&self) -> Option<AccessRefusal> {
        let refusal = self.0.refusal.clone()?;
        Some(AccessRefusal {
            reason: refusal.reason.into(),
            sentence: refusal.sentence,
            binding_id: refusal.binding.map(|id| ID(id.to_string())),
        })
    }
}

/// A binding and what came of it: one derivation of the decision.
pub(in crate::graphql) struct AccessWitness(ExplainedWitness);

/// A binding and what came of it: one derivation of the decision.
#[Object]
impl AccessWitness {
    /// The binding.
    async fn binding_id(&self) -> ID {
        ID(self.0.binding.to_string())
    }

    /// The role, or the single capability, that is bound.
    async fn role(&self) -> &str {
        &self.0.grant
    }

    /// Who is bound, by name.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The team through which it reaches the subject of the question, by name.
    async fn through_team(&self) -> Option<&str> {
        self.0.through_team.as_deref()
    }

    /// The kind of scope that it is bound at.
    async fn bound_at(&self) -> ScopeKind {
        self.0.bound.level().into()
    }

    /// Id of the scope that it is bound at; `console` for the whole console.
    async fn scope(&self) -> ID {
        ID(scope_name(self.0.bound))
    }

    /// Levels between where it counts from and the resource in question.
    async fn distance(&self) -> i32 {
        self.0.distance
    }

    /// Environments on which it counts: `any`, `production` or `nonproduction`.
    async fn environments(&self) -> &str {
        self.0.environments
    }

    /// The derivation in one sentence.
    async fn sentence(&self) -> &str {
        &self.0.sentence
    }
}

/// What stands against a decision.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AccessRefusal {
    /// The nearest reason.
    reason: AccessRefusalReason,
    /// The reason in one sentence.
    sentence: String,
    /// The nearest binding that it applies to.
    binding_id: Option<ID>,
}

/// Why something is refused, the nearest to being allowed first.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "authz::Reason")]
pub(in crate::graphql) enum AccessRefusalReason {
    /// The user is suspended.
    ActorSuspended,
    /// The organization is suspended.
    OrganizationSuspended,
    /// The environment is frozen.
    EnvironmentFrozen,
    /// It is held, but the key does not carry it.
    KeyNarrowed,
    /// The binding counts no longer.
    Expired,
    /// The binding does not count yet.
    NotYetValid,
    /// The binding is on behalf of a team that the user is not in.
    NotInTeam,
    /// The binding is on behalf of a team that does not manage the organization.
    TeamDoesNotManage,
    /// It is given on the other kind of environment only.
    OtherEnvironmentKind,
    /// It is given, but on other scopes.
    HeldElsewhere,
    /// Something is bound here, but it does not give this.
    RoleLacksIt,
    /// Nothing is bound here.
    NoBinding,
}

/// The decision about somebody, as the API answers it.
pub(in crate::graphql) async fn decide(
    ctx: &Context<'_>,
    subject: Option<String>,
    name: &str,
    resource: &str,
) -> Result<AccessDecision> {
    let capability = capability("capability", name)?;
    let op = op(ctx);
    let scope = crate::service::resolve::scope(op, resource).await?;
    Ok(AccessDecision(crate::service::explanation::decision(op, subject.as_deref(), capability, scope).await?))
}
