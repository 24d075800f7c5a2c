//! Rows as facts for the authorization program. It reads without a permit, since it is what permits are decided on, and
//! hands out nothing but facts.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationDef};
use uuid::Uuid;

use entities::ids::{DeploymentId, Id, TeamId, UserId};
use entities::values::{ScopeKind, SubjectKind};
use entities::{binding, deployment, environment, organization, project, team, team_member, user};

use super::{Source, sql};
use crate::authz::{
    self, Binding, Capability, EnvironmentKind, Facts, Grant, Level, Narrowing, Packs, Scope, ScopeFact, Subject,
};
use crate::error::Result;
use crate::sys::clock;

/// What is known of scopes.
pub type ScopeFacts = FxHashMap<Scope, ScopeFact>;

/// What is known of one actor, whatever the question is about.
#[derive(Debug, Clone)]
pub struct ActorFacts {
    facts: Arc<authz::ActorFacts>,
    narrowing: Option<Narrowing>,
}

impl ActorFacts {
    /// The scopes on which something is bound or managed, and those above.
    pub(super) fn scopes(&self) -> &ScopeFacts {
        self.facts.scopes()
    }

    /// What the actor's key carries at most.
    pub(super) fn narrowing(&self) -> Option<Narrowing> {
        self.narrowing
    }

    /// How many bindings and scopes there are.
    pub(super) fn size(&self) -> u64 {
        self.facts.size().try_into().unwrap_or(u64::MAX)
    }

    /// The facts of a question about these scopes too.
    pub fn about(&self, more: &ScopeFacts) -> Facts {
        let facts = Facts::about(clock::now().timestamp_millis(), Arc::clone(&self.facts), more.clone());
        match self.narrowing {
            Some(narrowing) => facts.with_narrowing(narrowing),
            None => facts,
        }
    }
}

/// Reads what is known of an actor, and what their key carries of it at most: five statements, however many bindings there
/// are.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_actor(
    source: &impl Source,
    packs: &Packs,
    actor: UserId,
    narrowing: Option<Narrowing>,
) -> Result<ActorFacts> {
    let connection = source.connection();
    let row = user::Entity::find_by_id(actor).one(connection).await.map_err(sql)?;
    // Who is not there holds nothing, like somebody suspended.
    let suspended = row.is_none_or(|row| row.suspended_at.is_some());
    let teams: Vec<TeamId> = team_member::Entity::find()
        .select_only()
        .column(team_member::Column::TeamId)
        .filter(team_member::Column::UserId.eq(actor))
        .into_tuple()
        .all(connection)
        .await
        .map_err(sql)?;
    let mut subjects: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
    subjects.push(actor.uuid());
    let rows = binding::Entity::find()
        .filter(binding::Column::SubjectId.is_in(subjects))
        .all(connection)
        .await
        .map_err(sql)?;
    let bindings: Vec<Binding> = rows.iter().filter_map(|row| fact(packs, row)).collect();
    let mut asked: Vec<Scope> = bindings.iter().map(|binding| binding.scope).collect();
    asked.extend(narrowing.and_then(|narrowing| narrowing.scope));
    let of_teams: Vec<TeamId> = asked
        .iter()
        .filter_map(|scope| if let Scope::Team(key) = scope { Some(TeamId::from(*key)) } else { None })
        .collect();
    if !of_teams.is_empty() {
        let managed: Vec<Uuid> = organization::Entity::find()
            .select_only()
            .column(organization::Column::Id)
            .filter(organization::Column::TeamId.is_in(of_teams.iter().map(|team| team.uuid())))
            .into_tuple()
            .all(connection)
            .await
            .map_err(sql)?;
        asked.extend(managed.iter().map(|id| Scope::Organization(id.as_u128())));
    }
    let scopes = of_scopes(source, &asked).await?;
    let teams = teams.into_iter().map(u128::from).collect();
    let facts = authz::ActorFacts::new(actor.into(), suspended, teams, bindings, scopes);
    Ok(ActorFacts { facts: Arc::new(facts), narrowing })
}

/// Reads what is known of these scopes and of everything above them: one statement for each kind of scope that is asked
/// for, however many there are. What is not there costs the same, so that nobody can tell by the time that it takes.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_scopes(source: &impl Source, asked: &[Scope]) -> Result<ScopeFacts> {
    let connection = source.connection();
    let keys = |level: Level| -> FxHashSet<Uuid> {
        asked.iter().filter(|scope| scope.level() == level).map(|scope| scope.uuid()).collect()
    };
    let mut facts = ScopeFacts::default();
    let environments = keys(Level::Environment);
    if !environments.is_empty() {
        type Row = (Uuid, bool, Option<DateTimeUtc>, Uuid, Uuid, TeamId, Option<DateTimeUtc>);
        let select = environment::Entity::find()
            .select_only()
            .columns([environment::Column::Id, environment::Column::Production, environment::Column::FrozenAt])
            .column(project::Column::Id)
            .columns(OF_ORGANIZATION)
            .join(JoinType::InnerJoin, project_of_environment())
            .join(JoinType::InnerJoin, organization_of_project())
            .filter(environment::Column::Id.is_in(environments));
        for row in select.into_tuple().all(connection).await.map_err(sql)? {
            let (id, production, frozen_at, project, organization, team, suspended_at): Row = row;
            let fact = ScopeFact::environment(project.as_u128(), kind(production), frozen_at.is_some());
            facts.insert(Scope::Environment(id.as_u128()), fact);
            facts.insert(Scope::Project(project.as_u128()), ScopeFact::project(organization.as_u128()));
            facts.extend([of_organization((organization, team, suspended_at))]);
        }
    }
    let projects = keys(Level::Project);
    if !projects.is_empty() {
        type Row = (Uuid, Uuid, TeamId, Option<DateTimeUtc>);
        let select = project::Entity::find()
            .select_only()
            .column(project::Column::Id)
            .columns(OF_ORGANIZATION)
            .join(JoinType::InnerJoin, organization_of_project())
            .filter(project::Column::Id.is_in(projects));
        for (id, organization, team, suspended_at) in select.into_tuple::<Row>().all(connection).await.map_err(sql)? {
            facts.insert(Scope::Project(id.as_u128()), ScopeFact::project(organization.as_u128()));
            facts.extend([of_organization((organization, team, suspended_at))]);
        }
    }
    let organizations = keys(Level::Organization);
    if !organizations.is_empty() {
        let select = organization::Entity::find().select_only().columns(OF_ORGANIZATION);
        let select = select.filter(organization::Column::Id.is_in(organizations));
        let rows = select.into_tuple().all(connection).await.map_err(sql)?;
        facts.extend(rows.into_iter().map(of_organization));
    }
    let teams = keys(Level::Team);
    if !teams.is_empty() {
        let select = team::Entity::find().filter(team::Column::Id.is_in(teams));
        for row in select.all(connection).await.map_err(sql)? {
            facts.insert(Scope::Team(row.id.into()), ScopeFact::team());
        }
    }
    Ok(facts)
}

/// What has to be known of an organization.
const OF_ORGANIZATION: [organization::Column; 3] =
    [organization::Column::Id, organization::Column::TeamId, organization::Column::SuspendedAt];

fn of_organization((id, team, suspended_at): (Uuid, TeamId, Option<DateTimeUtc>)) -> (Scope, ScopeFact) {
    (Scope::Organization(id.as_u128()), ScopeFact::organization(Some(team.into()), suspended_at.is_some()))
}

/// The environment that a deployment belongs to and is judged on.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_deployment(source: &impl Source, id: DeploymentId) -> Result<Option<Scope>> {
    let row = deployment::Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| Scope::Environment(row.environment_id.into())))
}

/// The scope that a binding sits on.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_binding(source: &impl Source, id: entities::ids::BindingId) -> Result<Option<Scope>> {
    let row = binding::Entity::find_by_id(id).one(source.connection()).await.map_err(sql)?;
    Ok(row.map(|row| scope(row.scope_kind, row.scope_id)))
}

/// The scope that slugs lead to: of an organization, of a project in it, of an environment in that. One statement, wherever
/// they lead.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_path(source: &impl Source, slugs: &[&str]) -> Result<Option<Scope>> {
    // PostgreSQL takes no text with a NUL, and no slug has one.
    if slugs.iter().any(|slug| slug.contains('\0')) {
        return Ok(None);
    }
    let connection = source.connection();
    let organization = |slug: &str| organization::Column::Slug.eq(slug);
    let project = |slug: &str| project::Column::Slug.eq(slug);
    Ok(match slugs {
        [] => Some(Scope::Console),
        [one] => {
            let select = organization::Entity::find().filter(organization(one));
            select.one(connection).await.map_err(sql)?.map(|row| Scope::Organization(row.id.into()))
        }
        [one, two] => {
            let select = project::Entity::find()
                .join(JoinType::InnerJoin, organization_of_project())
                .filter(organization(one))
                .filter(project(two));
            select.one(connection).await.map_err(sql)?.map(|row| Scope::Project(row.id.into()))
        }
        [one, two, three, ..] => {
            let select = environment::Entity::find()
                .join(JoinType::InnerJoin, project_of_environment())
                .join(JoinType::InnerJoin, organization_of_project())
                .filter(organization(one))
                .filter(project(two))
                .filter(environment::Column::Slug.eq(*three));
            select.one(connection).await.map_err(sql)?.map(|row| Scope::Environment(row.id.into()))
        }
    })
}

/// Everything that a user or team is bound to, now or later, and everything that was approved for it to activate: what becomes
/// somebody's who joins the team, or who acts as the user.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn open_to(source: &impl Source, packs: &Packs, kind: SubjectKind, key: Uuid) -> Result<Vec<Binding>> {
    let now = clock::now();
    let bound = super::binding::of_subject(source, kind, key).await?;
    let open = bound.iter().filter(|row| row.not_after.is_none_or(|until| until > now));
    let mut open: Vec<Binding> = open.filter_map(|row| fact(packs, row)).collect();
    let approved = super::eligible_role::of_subject(source, kind, key).await?;
    open.extend(approved.iter().filter_map(|row| {
        Some(Binding {
            id: row.id.into(),
            subject: subject(kind, key),
            grant: Grant::Role(packs.role(&row.role)?),
            scope: scope(row.scope_kind, row.scope_id),
            on_behalf_of: None,
            not_before: None,
            not_after: None,
        })
    }));
    Ok(open)
}

fn subject(kind: SubjectKind, key: Uuid) -> Subject {
    match kind {
        SubjectKind::User => Subject::User(key.as_u128()),
        SubjectKind::Team => Subject::Team(key.as_u128()),
    }
}

/// A binding as the program reads it. A role or capability that no pack knows gives nothing.
pub fn fact(packs: &Packs, row: &binding::Model) -> Option<Binding> {
    let grant = match (&row.role, &row.capability) {
        (Some(role), _) => Grant::Role(packs.role(role)?),
        (None, Some(name)) => Grant::Capability(Capability::parse(name)?),
        (None, None) => return None,
    };
    Some(Binding {
        id: row.id.into(),
        subject: subject(row.subject_kind, row.subject_id),
        grant,
        scope: scope(row.scope_kind, row.scope_id),
        on_behalf_of: row.on_behalf_of.map(u128::from),
        not_before: row.not_before.map(|at| at.timestamp_millis()),
        not_after: row.not_after.map(|at| at.timestamp_millis()),
    })
}

/// A scope from its two columns.
pub fn scope(kind: ScopeKind, key: Uuid) -> Scope {
    match kind {
        ScopeKind::Console => Scope::Console,
        ScopeKind::Team => Scope::Team(key.as_u128()),
        ScopeKind::Organization => Scope::Organization(key.as_u128()),
        ScopeKind::Project => Scope::Project(key.as_u128()),
        ScopeKind::Environment => Scope::Environment(key.as_u128()),
    }
}

/// The column for the kind of a scope.
pub fn scope_kind(scope: Scope) -> ScopeKind {
    match scope {
        Scope::Console => ScopeKind::Console,
        Scope::Team(_) => ScopeKind::Team,
        Scope::Organization(_) => ScopeKind::Organization,
        Scope::Project(_) => ScopeKind::Project,
        Scope::Environment(_) => ScopeKind::Environment,
    }
}

fn kind(production: bool) -> EnvironmentKind {
    if production { EnvironmentKind::Production } else { EnvironmentKind::Nonproduction }
}

/// The join from an environment to its project.
pub(super) fn project_of_environment() -> RelationDef {
    environment::Entity::belongs_to(project::Entity).from(environment::Column::ProjectId).to(project::Column::Id).into()
}

/// The join from a project to its organization.
pub(super) fn organization_of_project() -> RelationDef {
    project::Entity::belongs_to(organization::Entity)
        .from(project::Column::OrganizationId)
        .to(organization::Column::Id)
        .into()
}
