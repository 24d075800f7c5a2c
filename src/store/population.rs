//! Facts about many people at once, for questions about everybody: who can, who would gain, who is left. As with every
//! fact, no permit is asked here; whoever asks decides who may hear the answer.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use entities::ids::{Id, TeamId, UserId};
use entities::values::{SubjectKind, UserKind};
use entities::{binding, environment, organization, project, team_member, user};

use super::facts::{self, ScopeFacts, scope_kind};
use super::{Source, sql, visible};
use crate::authz::{Binding, Facts, Packs, Reach, Scope, Sight};
use crate::error::Result;

/// Which bindings are taken into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of them.
    All,
    /// All but those on the whole console.
    BelowConsole,
}

/// The facts of each of these users about these scopes, at `now` in Unix milliseconds: a constant number of statements.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn facts_of(
    source: &impl Source,
    packs: &Packs,
    users: &BTreeSet<UserId>,
    scopes: &BTreeSet<Scope>,
    now: i64,
) -> Result<Vec<(UserId, Facts)>> {
    let all = Selection { users, scopes, now, counted: Counted::All, programs: true, as_if_open: false };
    Ok(read(source, packs, &all).await?.into_iter().map(|(user, facts, _)| (user, facts)).collect())
}

/// The same by the bindings that are taken into account, with the teams that each is in.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn members(
    source: &impl Source,
    packs: &Packs,
    users: &BTreeSet<UserId>,
    scopes: &BTreeSet<Scope>,
    now: i64,
    counted: Counted,
) -> Result<Vec<(UserId, Facts, Vec<TeamId>)>> {
    read(source, packs, &Selection { users, scopes, now, counted, programs: true, as_if_open: false }).await
}

/// The facts of the people among these users, without programs, about an organization as if it were not suspended.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn facts_of_people(
    source: &impl Source,
    packs: &Packs,
    users: &BTreeSet<UserId>,
    organization: Scope,
    now: i64,
) -> Result<Vec<(UserId, Facts)>> {
    let scopes = &BTreeSet::from([organization]);
    let people = Selection { users, scopes, now, counted: Counted::All, programs: false, as_if_open: true };
    Ok(read(source, packs, &people).await?.into_iter().map(|(user, facts, _)| (user, facts)).collect())
}

/// Whose facts are read, and about what.
struct Selection<'a> {
    users: &'a BTreeSet<UserId>,
    scopes: &'a BTreeSet<Scope>,
    now: i64,
    counted: Counted,
    programs: bool,
    as_if_open: bool,
}

async fn read(
    source: &impl Source,
    packs: &Packs,
    selection: &Selection<'_>,
) -> Result<Vec<(UserId, Facts, Vec<TeamId>)>> {
    let Selection { users, scopes, now, counted, programs, as_if_open } = *selection;
    let connection = source.connection();
    let keys: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let mut rows =
        user::Entity::find().filter(user::Column::Id.is_in(keys.clone())).all(connection).await.map_err(sql)?;
    rows.retain(|row| programs || row.kind == UserKind::Person);
    let mut teams: FxHashMap<UserId, Vec<u128>> = FxHashMap::default();
    let members = team_member::Entity::find().filter(team_member::Column::UserId.is_in(keys.clone()));
    for row in members.all(connection).await.map_err(sql)? {
        teams.entry(row.user_id).or_default().push(row.team_id.into());
    }
    let of_teams: BTreeSet<Uuid> = teams.values().flatten().map(|team| Uuid::from_u128(*team)).collect();
    let subjects = keys.into_iter().chain(of_teams);
    let bound = binding::Entity::find().filter(binding::Column::SubjectId.is_in(subjects));
    let mut by_subject: FxHashMap<u128, Vec<Binding>> = FxHashMap::default();
    let mut asked: Vec<Scope> = scopes.iter().copied().collect();
    for row in bound.all(connection).await.map_err(sql)? {
        let counts = counted == Counted::All || row.scope_kind != entities::values::ScopeKind::Console;
        if counts && let Some(fact) = facts::fact(packs, &row) {
            asked.push(fact.scope);
            by_subject.entry(row.subject_id.as_u128()).or_default().push(fact);
        }
    }
    asked.extend(managed_by(source, &asked).await?);
    // One of each kind, which is not there: the number of statements does not tell where others are bound.
    asked.extend([Scope::Team(0), Scope::Organization(0), Scope::Project(0), Scope::Environment(0)]);
    let mut known: ScopeFacts = facts::of_scopes(source, &asked).await?;
    if as_if_open {
        known.values_mut().for_each(|fact| fact.suspended = false);
    }
    let mut managed: FxHashMap<Scope, Vec<Scope>> = FxHashMap::default();
    for (scope, fact) in &known {
        if let Some(team) = fact.managing_team {
            managed.entry(Scope::Team(team)).or_default().push(*scope);
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let teams = teams.remove(&row.id).unwrap_or_default();
            let subjects = teams.iter().copied().chain([row.id.into()]);
            let bindings: Vec<Binding> =
                subjects.filter_map(|subject| by_subject.get(&subject)).flatten().copied().collect();
            let of_teams = teams.iter().copied().map(TeamId::from).collect();
            let own = relevant(&known, &managed, scopes.iter().copied().chain(bindings.iter().map(|one| one.scope)));
            let facts = Facts::new(now, row.id.into(), row.suspended_at.is_some(), teams, bindings, own);
            (row.id, facts, of_teams)
        })
        .collect())
}

/// What is known of these scopes, of those above them, and of what the teams among them manage.
fn relevant(
    known: &ScopeFacts,
    managed: &FxHashMap<Scope, Vec<Scope>>,
    scopes: impl Iterator<Item = Scope>,
) -> ScopeFacts {
    let mut own = ScopeFacts::default();
    let mut take = |scope: Scope| {
        let mut at = Some(scope);
        while let Some((scope, fact)) = at.and_then(|scope| Some((scope, known.get(&scope)?))) {
            at = own.insert(scope, *fact).is_none().then_some(fact.parent).flatten();
        }
    };
    for scope in scopes {
        take(scope);
        managed.get(&scope).into_iter().flatten().for_each(|organization| take(*organization));
    }
    own
}

/// The organizations that the teams among these scopes manage.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn managed_by(source: &impl Source, scopes: &[Scope]) -> Result<Vec<Scope>> {
    let teams: Vec<Uuid> = scopes
        .iter()
        .filter_map(|scope| if let Scope::Team(key) = scope { Some(Uuid::from_u128(*key)) } else { None })
        .collect();
    if teams.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Uuid> = organization::Entity::find()
        .select_only()
        .column(organization::Column::Id)
        .filter(organization::Column::TeamId.is_in(teams))
        .into_tuple()
        .all(source.connection())
        .await
        .map_err(sql)?;
    Ok(keys.iter().map(|key| Scope::Organization(key.as_u128())).collect())
}

/// Everybody who may hold something on the scope: bound on it, above it, at the team that manages its organization, or
/// below with a role that reaches up. Whether they do is for the program to say.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn candidates(source: &impl Source, packs: &Packs, scope: Scope) -> Result<BTreeSet<UserId>> {
    let above = above(source, scope).await?;
    let keys = above.iter().map(|scope| scope.uuid());
    let mut condition = Condition::any().add(binding::Column::ScopeId.is_in(keys));
    let upward = packs.roles_that_reach(Reach::Parent);
    if !upward.is_empty() {
        let below = children(scope).map(|below| binding::Column::ScopeId.in_subquery(below));
        let kinds = child_kinds(scope);
        let reaching = Condition::all()
            .add(binding::Column::Role.is_in(upward))
            .add(binding::Column::ScopeKind.is_in(kinds))
            .add_option(below);
        condition = condition.add(reaching);
    }
    let rows = binding::Entity::find().filter(condition).all(source.connection()).await.map_err(sql)?;
    people(source, rows.iter().map(|row| (row.subject_kind, row.subject_id))).await
}

/// What bindings on these scopes name as their roles.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn roles_at(source: &impl Source, scopes: &[Scope]) -> Result<BTreeSet<String>> {
    let keys = scopes.iter().map(|scope| scope.uuid());
    let roles: Vec<String> = binding::Entity::find()
        .select_only()
        .column(binding::Column::Role)
        .distinct()
        .filter(binding::Column::ScopeId.is_in(keys))
        .filter(binding::Column::Role.is_not_null())
        .into_tuple()
        .all(source.connection())
        .await
        .map_err(sql)?;
    Ok(roles.into_iter().collect())
}

/// Every binding that may give something on the scope, or below it where the actor may see it: on it, above it, below it, or
/// at the team that manages its organization.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn bound_on(source: &impl Source, scope: Scope, sight: &Sight) -> Result<Vec<binding::Model>> {
    let above = above(source, scope).await?;
    let column = binding::Column::ScopeId;
    let below = Condition::all().add(within(scope, column)).add(visible::seen(scope, sight, column));
    let above = column.is_in(above.iter().map(|scope| scope.uuid()));
    let condition = Condition::any().add(above).add(below);
    binding::Entity::find().filter(condition).all(source.connection()).await.map_err(sql)
}

/// The scope, those above it, and the team that manages its organization.
async fn above(source: &impl Source, scope: Scope) -> Result<Vec<Scope>> {
    let known = facts::of_scopes(source, &[scope]).await?;
    let mut lineage = vec![scope];
    while let Some(above) = lineage.last().and_then(|last| known.get(last)).and_then(|fact| fact.parent) {
        lineage.push(above);
    }
    let managing = lineage.iter().filter_map(|scope| known.get(scope)?.managing_team).map(Scope::Team);
    lineage.extend(managing.collect::<Vec<_>>());
    Ok(lineage)
}

/// Every binding on the scope or below it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn bound_within(source: &impl Source, scope: Scope) -> Result<Vec<binding::Model>> {
    let select = binding::Entity::find().filter(within(scope, binding::Column::ScopeId));
    select.all(source.connection()).await.map_err(sql)
}

/// The same, of what the actor may see.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn seen_within(source: &impl Source, scope: Scope, sight: &Sight) -> Result<Vec<binding::Model>> {
    let column = binding::Column::ScopeId;
    let select = binding::Entity::find().filter(within(scope, column)).filter(visible::seen(scope, sight, column));
    select.all(source.connection()).await.map_err(sql)
}

/// The condition that a column with the key of a scope means the scope or one below it.
pub(super) fn within<C: ColumnTrait>(scope: Scope, column: C) -> Condition {
    let projects = |organization: Uuid| {
        Query::select()
            .column(project::Column::Id)
            .from(project::Entity)
            .and_where(project::Column::OrganizationId.eq(organization))
            .take()
    };
    let environments = |condition| {
        let mut select = Query::select();
        select.column(environment::Column::Id).from(environment::Entity).and_where(condition).take()
    };
    let key = scope.uuid();
    let itself = Condition::any().add(column.eq(key));
    match scope {
        Scope::Console => Condition::all(),
        Scope::Team(_) | Scope::Environment(_) => itself,
        Scope::Organization(_) => itself
            .add(column.in_subquery(projects(key)))
            .add(column.in_subquery(environments(environment::Column::ProjectId.in_subquery(projects(key))))),
        Scope::Project(_) => itself.add(column.in_subquery(environments(environment::Column::ProjectId.eq(key)))),
    }
}

/// The people that subjects stand for: users, and the members of teams.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn people(
    source: &impl Source,
    subjects: impl IntoIterator<Item = (SubjectKind, Uuid)>,
) -> Result<BTreeSet<UserId>> {
    let (mut users, mut teams) = (BTreeSet::new(), BTreeSet::new());
    for (kind, key) in subjects {
        match kind {
            SubjectKind::User => users.insert(UserId(key)),
            SubjectKind::Team => teams.insert(TeamId(key)),
        };
    }
    if !teams.is_empty() {
        let keys = teams.iter().map(|team| team.uuid());
        let members = team_member::Entity::find().filter(team_member::Column::TeamId.is_in(keys));
        let rows = members.all(source.connection()).await.map_err(sql)?;
        users.extend(rows.into_iter().map(|row| row.user_id));
    }
    Ok(users)
}

/// The scopes right below; none when that is every one of their kinds.
fn children(scope: Scope) -> Option<sea_orm::sea_query::SelectStatement> {
    let key = scope.uuid();
    match scope {
        Scope::Console | Scope::Team(_) | Scope::Environment(_) => None,
        Scope::Organization(_) => Some(
            Query::select()
                .column(project::Column::Id)
                .from(project::Entity)
                .and_where(project::Column::OrganizationId.eq(key))
                .take(),
        ),
        Scope::Project(_) => Some(
            Query::select()
                .column(environment::Column::Id)
                .from(environment::Entity)
                .and_where(environment::Column::ProjectId.eq(key))
                .take(),
        ),
    }
}

fn child_kinds(scope: Scope) -> Vec<entities::values::ScopeKind> {
    use entities::values::ScopeKind::{Environment, Organization, Project, Team};
    match scope {
        Scope::Console => vec![Team, Organization],
        Scope::Team(_) | Scope::Environment(_) => Vec::new(),
        Scope::Organization(_) => vec![Project],
        Scope::Project(_) => vec![Environment],
    }
}

/// The scope above each of these and the organizations that their teams manage: where a grant on them may land.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn landing(source: &impl Source, scopes: &[Scope]) -> Result<BTreeSet<Scope>> {
    let known = facts::of_scopes(source, scopes).await?;
    let mut places: BTreeSet<Scope> = scopes.iter().copied().collect();
    places.extend(scopes.iter().filter_map(|scope| known.get(scope)?.parent));
    places.extend(managed_by(source, scopes).await?);
    Ok(places)
}

/// The organizations that these scopes are or belong to.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn organizations_of(source: &impl Source, scopes: &BTreeSet<Scope>) -> Result<BTreeSet<Scope>> {
    let asked: Vec<Scope> = scopes.iter().copied().collect();
    let known = facts::of_scopes(source, &asked).await?;
    Ok(known.keys().copied().filter(|scope| scope_kind(*scope) == entities::values::ScopeKind::Organization).collect())
}
