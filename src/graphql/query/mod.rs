//! The queries. Each names the capability it needs in the schema; what is not there and what may not be viewed look the same.

use async_graphql::{Context, ID, MergedObject, Object};

use entities::ids::{DeploymentId, EnvironmentId, OrganizationId, ProjectId, TeamId, UserId};

mod access;

use super::context::{loaders, op};
use super::directive::requires;
use super::input;
use super::page::{Listed, connection, page};
use super::types::access::{AccessDecision, Capability, Role, decide};
use super::types::audit::{self, AuditEntry, AuditFilter};
use super::types::console::Console;
use super::types::{Deployment, Environment, NodeInterface, Organization, Project, Team, User};
use crate::authz::{self, cap};
use crate::error::{Error, Result};
use crate::service::resolve;
use crate::store;

/// Objects that one `nodes` may ask for.
const MOST_NODES: usize = 100;

/// What can be asked.
#[derive(MergedObject, Default)]
pub struct Query(ResourceQuery, access::AccessQuery);

#[derive(Default)]
struct ResourceQuery;

#[Object]
impl ResourceQuery {
    /// Who is signed in.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<User> {
        let row = store::user::find(op(ctx).store(), op(ctx).user()?).await?;
        row.map(User).ok_or_else(|| Error::Unauthenticated("the account is gone; sign in again".to_owned()))
    }

    /// The object with this id; null when there is none or the viewer may not view it.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<NodeInterface>> {
        node(ctx, &id).await
    }

    /// The objects with these ids, in the same order; null in place of each that is not there or may not be viewed.
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<NodeInterface>>> {
        if ids.len() > MOST_NODES {
            return Err(Error::invalid("ids", "too_many", format!("ask for at most {MOST_NODES} objects at once")));
        }
        futures_util::future::try_join_all(ids.iter().map(|id| node(ctx, id))).await
    }

    /// The whole installation. Requires `console.view`.
    #[graphql(directive = requires::apply("console.view".into(), "console".into()))]
    async fn console(&self, ctx: &Context<'_>) -> Result<Console> {
        op(ctx).permit::<cap::ConsoleView>(authz::Scope::Console).await?;
        Ok(Console)
    }

    /// An organization, by id or by path. Requires `organization.view`.
    #[graphql(directive = requires::apply("organization.view".into(), "id".into()))]
    async fn organization(&self, ctx: &Context<'_>, id: Option<ID>, path: Option<String>) -> Result<Organization> {
        let scope = match resolve::one_of(id.as_ref().map(|id| id.as_str()), path.as_deref())? {
            resolve::By::Id(text) => input::id::<OrganizationId>("id", &text.into())?.into(),
            resolve::By::Path(path) => resolve::path(op(ctx), path, 1).await?,
        };
        let permit = op(ctx).permit::<cap::OrganizationView>(scope).await?;
        Ok(Organization(store::organization::get(op(ctx).store(), &permit).await?))
    }

    /// A team. Requires `team.view`.
    #[graphql(directive = requires::apply("team.view".into(), "id".into()))]
    async fn team(&self, ctx: &Context<'_>, id: ID) -> Result<Team> {
        let permit = op(ctx).permit::<cap::TeamView>(input::id::<TeamId>("id", &id)?).await?;
        Ok(Team(store::team::get(op(ctx).store(), &permit).await?))
    }

    /// The organizations that the viewer may view.
    async fn organizations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listed<Organization>> {
        let page = page::<OrganizationId>(first, after, last, before, false)?;
        let visible = op(ctx).visible::<cap::OrganizationView>().await?;
        let rows = store::organization::list(op(ctx).store(), &visible, &page).await?;
        Ok(connection(rows, |row| row.id, Organization))
    }

    /// A project, by id or by path (`organization/project`). Requires `project.view`.
    #[graphql(directive = requires::apply("project.view".into(), "id".into()))]
    async fn project(&self, ctx: &Context<'_>, id: Option<ID>, path: Option<String>) -> Result<Project> {
        let scope = match resolve::one_of(id.as_ref().map(|id| id.as_str()), path.as_deref())? {
            resolve::By::Id(text) => input::id::<ProjectId>("id", &text.into())?.into(),
            resolve::By::Path(path) => resolve::path(op(ctx), path, 2).await?,
        };
        let permit = op(ctx).permit::<cap::ProjectView>(scope).await?;
        Ok(Project(store::project::get(op(ctx).store(), &permit).await?))
    }

    /// An environment, by id or by path (`organization/project/environment`). Requires `environment.view`.
    #[graphql(directive = requires::apply("environment.view".into(), "id".into()))]
    async fn environment(&self, ctx: &Context<'_>, id: Option<ID>, path: Option<String>) -> Result<Environment> {
        let scope = match resolve::one_of(id.as_ref().map(|id| id.as_str()), path.as_deref())? {
            resolve::By::Id(text) => input::id::<EnvironmentId>("id", &text.into())?.into(),
            resolve::By::Path(path) => resolve::path(op(ctx), path, 3).await?,
        };
        let permit = op(ctx).permit::<cap::EnvironmentView>(scope).await?;
        Ok(Environment(store::environment::get(op(ctx).store(), &permit).await?))
    }

    /// A deployment, by id, or by its number and the path of its environment. Requires `deployment.view`.
    #[graphql(directive = requires::apply("deployment.view".into(), "id".into()))]
    async fn deployment(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        path: Option<String>,
        number: Option<i32>,
    ) -> Result<Deployment> {
        match (resolve::one_of(id.as_ref().map(|id| id.as_str()), path.as_deref())?, number) {
            (resolve::By::Id(text), None) => {
                let id = input::id::<DeploymentId>("id", &text.into())?;
                let permit = op(ctx).permit::<cap::DeploymentView>(id).await?;
                Ok(Deployment(store::deployment::get(op(ctx).store(), &permit, id).await?))
            }
            (resolve::By::Path(path), Some(number)) => {
                let scope = resolve::path(op(ctx), path, 3).await?;
                let permit = op(ctx).permit::<cap::DeploymentView>(scope).await?;
                Ok(Deployment(store::deployment::get_by_number(op(ctx).store(), &permit, number).await?))
            }
            _ => Err(Error::invalid("number", "incomplete", "give `id`, or `path` and `number`")),
        }
    }

    /// The roles that can be granted.
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<Role>> {
        op(ctx).user()?;
        let packs = op(ctx).store().file_roles();
        let mut named: Vec<_> = packs.roles().collect();
        named.sort_by(|one, other| one.1.cmp(other.1));
        Ok(named.into_iter().map(|(index, _)| Role { packs: packs.clone(), index }).collect())
    }

    /// The capabilities that roles give.
    async fn capabilities(&self, ctx: &Context<'_>) -> Result<Vec<Capability>> {
        op(ctx).user()?;
        Ok(authz::Capability::ALL.iter().map(|capability| Capability(*capability)).collect())
    }

    /// Whether somebody may do something, with the whole derivation. `subject` is an e-mail address or a user's id, the viewer
    /// by default; `resource` an id, a path, or `console`. Asking about others requires `member.view` there.
    #[graphql(directive = requires::apply("member.view".into(), "resource".into()))]
    async fn access_decision(
        &self,
        ctx: &Context<'_>,
        subject: Option<String>,
        capability: String,
        resource: String,
    ) -> Result<AccessDecision> {
        decide(ctx, subject, &capability, &resource).await
    }

    /// What was attempted on a scope and everything below it, the newest first. `scope` is an id, a path, or `console` for
    /// everything. Requires `audit.view`: on the console, the team or the organization itself, and for a project or an
    /// environment on its organization. The log tells of every project and environment in the organization, also of those
    /// that the viewer may not view otherwise, that were deleted since, or that have moved to another organization. The log
    /// of what was deleted cannot be asked for by itself: it is found in that of the organization, or of the console.
    #[graphql(directive = requires::apply("audit.view".into(), "scope".into()))]
    #[expect(clippy::too_many_arguments, reason = "what a connection takes")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        scope: String,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<AuditFilter>,
    ) -> Result<Listed<AuditEntry>> {
        audit::log(ctx, &scope, (first, after, last, before), filter.unwrap_or_default()).await
    }
}

async fn node(ctx: &Context<'_>, id: &ID) -> Result<Option<NodeInterface>> {
    let text = id.as_str();
    let loaders = loaders(ctx);
    if let Ok(id) = text.parse::<OrganizationId>() {
        let row = loaders.organizations.one(id).await?;
        Ok(row.map(|row| NodeInterface::Organization(Organization((*row).clone()))))
    } else if let Ok(id) = text.parse::<ProjectId>() {
        Ok(loaders.projects.one(id).await?.map(|row| NodeInterface::Project(Project((*row).clone()))))
    } else if let Ok(id) = text.parse::<EnvironmentId>() {
        Ok(loaders.environments.one(id).await?.map(|row| NodeInterface::Environment(Environment((*row).clone()))))
    } else if let Ok(id) = text.parse::<DeploymentId>() {
        Ok(loaders.deployments.one(id).await?.map(|row| NodeInterface::Deployment(Deployment((*row).clone()))))
    } else if let Ok(id) = text.parse::<TeamId>() {
        Ok(loaders.teams.one(id).await?.map(|row| NodeInterface::Team(Team((*row).clone()))))
    } else if let Ok(id) = text.parse::<UserId>() {
        if op(ctx).user().ok() != Some(id) {
            return Ok(None);
        }
        Ok(loaders.users.one(id).await?.map(|row| NodeInterface::User(User((*row).clone()))))
    } else {
        Ok(None)
    }
}
