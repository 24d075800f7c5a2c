//! What an actor may see, as conditions for SQL. The program says which scopes; this only writes them down.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Condition, ExprTrait, Query, SelectStatement, SimpleExpr};
use uuid::Uuid;

use entities::{environment, organization, project, team};

use crate::authz::{Held, Scope, Sight, Visible};

fn keys(scopes: &[u128]) -> Vec<Uuid> {
    scopes.iter().map(|key| Uuid::from_u128(*key)).collect()
}

/// Teams that the actor may see.
pub(super) fn teams<C: Held>(visible: &Visible<C>) -> Condition {
    let scopes = visible.scopes();
    if scopes.everything {
        return Condition::all();
    }
    any([team::Column::Id.is_in(keys(&scopes.teams))])
}

/// Organizations that the actor may see.
pub(super) fn organizations<C: Held>(visible: &Visible<C>) -> Condition {
    let scopes = visible.scopes();
    if scopes.everything {
        return Condition::all();
    }
    any([organization::Column::Id.is_in(keys(&scopes.organizations))])
}

/// Projects that the actor may see.
pub(super) fn projects<C: Held>(visible: &Visible<C>) -> Condition {
    let scopes = visible.scopes();
    if scopes.everything {
        return Condition::all();
    }
    any([
        project::Column::OrganizationId.is_in(keys(&scopes.organizations)),
        project::Column::Id.is_in(keys(&scopes.projects)),
    ])
}

/// The ids of the environments that the actor may see, for what is found by its environment.
pub(super) fn environment_ids<C: Held>(visible: &Visible<C>) -> SelectStatement {
    Query::select().column(environment::Column::Id).from(environment::Entity).cond_where(environments(visible)).take()
}

/// Environments that the actor may see.
pub(super) fn environments<C: Held>(visible: &Visible<C>) -> Condition {
    let scopes = visible.scopes();
    let unfrozen = scopes.unless_frozen.then(|| environment::Column::FrozenAt.is_null());
    if scopes.everything {
        return Condition::all().add_option(unfrozen);
    }
    let of_organizations = |list: &[u128]| environment::Column::ProjectId.in_subquery(projects_of(list));
    let of_projects = |list: &[u128]| environment::Column::ProjectId.is_in(keys(list));
    let kind = |production: bool| environment::Column::Production.eq(production);
    let mut condition = any([
        of_organizations(&scopes.organizations),
        of_projects(&scopes.projects),
        environment::Column::Id.is_in(keys(&scopes.environments)),
        kind(true).and(of_organizations(&scopes.organizations_production)),
        kind(false).and(of_organizations(&scopes.organizations_nonproduction)),
        kind(true).and(of_projects(&scopes.projects_production)),
        kind(false).and(of_projects(&scopes.projects_nonproduction)),
    ]);
    if scopes.console_production {
        condition = condition.add(kind(true));
    }
    if scopes.console_nonproduction {
        condition = condition.add(kind(false));
    }
    Condition::all().add(condition).add_option(unfrozen)
}

/// That a column with the key of a scope means this scope, or one that the actor may see.
pub(super) fn seen<C: ColumnTrait>(scope: Scope, sight: &Sight, column: C) -> Condition {
    let select = |select: &mut SelectStatement, condition| column.in_subquery(select.cond_where(condition).take());
    let teams = &mut Query::select();
    let organizations = &mut Query::select();
    let projects = &mut Query::select();
    let environments = &mut Query::select();
    Condition::any()
        .add(column.eq(scope.uuid()))
        .add(select(teams.column(team::Column::Id).from(team::Entity), self::teams(sight.teams())))
        .add(select(
            organizations.column(organization::Column::Id).from(organization::Entity),
            self::organizations(sight.organizations()),
        ))
        .add(select(projects.column(project::Column::Id).from(project::Entity), self::projects(sight.projects())))
        .add(select(
            environments.column(environment::Column::Id).from(environment::Entity),
            self::environments(sight.environments()),
        ))
}

fn projects_of(organizations: &[u128]) -> SelectStatement {
    Query::select()
        .column(project::Column::Id)
        .from(project::Entity)
        .and_where(project::Column::OrganizationId.is_in(keys(organizations)))
        .take()
}

fn any<const N: usize>(parts: [SimpleExpr; N]) -> Condition {
    parts.into_iter().fold(Condition::any(), Condition::add)
}
