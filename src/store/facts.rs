//! Rows as facts for the authorization program. It reads without a permit, since it is what permits are decided on, and
//! hands out nothing but facts.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, RelationDef};
use uuid::Uuid;

use entities::ids::{DeploymentId, Id, TeamId, UserId};
use entities::values::{ScopeKind, SubjectKind};
use entities::{binding, deployment, environment, organization, project, team, team_member, user};

use super::{Source, sql};
use crate::authz::{
    self, Binding, Capability, EnvironmentKind, Facts, Grant, Narrowing, Packs, Scope, ScopeFact, Subject,
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

/// Reads what is known of these scopes and of everything above them: at most four statements, however many there are.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_scopes(source: &impl Source, asked: &[Scope]) -> Result<ScopeFacts> {
    let connection = source.connection();
    let mut facts = ScopeFacts::default();
    let (mut teams, mut organizations, mut projects, mut environments) = Default::default();
    for scope in asked {
        let keys: &mut FxHashSet<Uuid> = match scope {
            Scope::Console => continue,
            Scope::Team(_) => &mut teams,
            Scope::Organization(_) => &mut organizations,
            Scope::Project(_) => &mut projects,
            Scope::Environment(_) => &mut environments,
        };
        keys.insert(scope.uuid());
    }
    if !environments.is_empty() {
        type Row = (Uuid, Uuid, bool, Option<sea_orm::prelude::DateTimeUtc>);
        let rows: Vec<Row> = environment::Entity::find()
            .select_only()
            .columns([
                environment::Column::Id,
                environment::Column::ProjectId,
                environment::Column::Production,
                environment::Column::FrozenAt,
            ])
            .filter(environment::Column::Id.is_in(environments))
            .into_tuple()
            .all(connection)
            .await
            .map_err(sql)?;
        for (id, project, production, frozen_at) in rows {
            projects.insert(project);
            let fact = ScopeFact::environment(project.as_u128(), kind(production), frozen_at.is_some());
            facts.insert(Scope::Environment(id.as_u128()), fact);
        }
    }
    if !projects.is_empty() {
        let rows: Vec<(Uuid, Uuid)> = project::Entity::find()
            .select_only()
            .columns([project::Column::Id, project::Column::OrganizationId])
            .filter(project::Column::Id.is_in(projects))
            .into_tuple()
            .all(connection)
            .await
            .map_err(sql)?;
        for (id, organization) in rows {
            organizations.insert(organization);
            facts.insert(Scope::Project(id.as_u128()), ScopeFact::project(organization.as_u128()));
        }
    }
    if !organizations.is_empty() {
        let select = organization::Entity::find().filter(organization::Column::Id.is_in(organizations));
        for row in select.all(connection).await.map_err(sql)? {
            let fact = ScopeFact::organization(Some(row.team_id.into()), row.suspended_at.is_some());
            facts.insert(Scope::Organization(row.id.into()), fact);
        }
    }
    if !teams.is_empty() {
        let select = team::Entity::find().filter(team::Column::Id.is_in(teams));
        for row in select.all(connection).await.map_err(sql)? {
            facts.insert(Scope::Team(row.id.into()), ScopeFact::team());
        }
    }
    Ok(facts)
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

/// The scope that slugs lead to: of an organization, of a project in it, of an environment in that.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_path(source: &impl Source, slugs: &[&str]) -> Result<Option<Scope>> {
    // PostgreSQL takes no text with a NUL, and no slug has one.
    if slugs.iter().any(|slug| slug.contains('\0')) {
        return Ok(None);
    }
    let connection = source.connection();
    let Some(slug) = slugs.first() else { return Ok(Some(Scope::Console)) };
    let select = organization::Entity::find().filter(organization::Column::Slug.eq(*slug));
    let Some(organization) = select.one(connection).await.map_err(sql)? else { return Ok(None) };
    let Some(slug) = slugs.get(1) else { return Ok(Some(Scope::Organization(organization.id.into()))) };
    let select = project::Entity::find()
        .filter(project::Column::OrganizationId.eq(organization.id))
        .filter(project::Column::Slug.eq(*slug));
    let Some(project) = select.one(connection).await.map_err(sql)? else { return Ok(None) };
    let Some(slug) = slugs.get(2) else { return Ok(Some(Scope::Project(project.id.into()))) };
    let select = environment::Entity::find()
        .filter(environment::Column::ProjectId.eq(project.id))
        .filter(environment::Column::Slug.eq(*slug));
    let row = select.one(connection).await.map_err(sql)?;
    Ok(row.map(|row| Scope::Environment(row.id.into())))
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
