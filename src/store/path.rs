//! Names along the way to a scope: `acme/site/production`. They stand in every link of what lies below, so whoever holds a
//! row of the scope may know them.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use entities::{environment, organization, project};

use super::{Source, sql};
use crate::authz::Scope;
use crate::error::Result;

/// The paths of these scopes, those that have one, and the names of teams: at most four statements, however many there are.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_scopes(source: &impl Source, scopes: &[Scope]) -> Result<Vec<(Scope, String)>> {
    let connection = source.connection();
    let keys = |wanted: fn(&Scope) -> bool| -> Vec<Uuid> {
        scopes.iter().filter(|scope| wanted(scope)).map(|scope| scope.uuid()).collect()
    };
    let select = environment::Entity::find()
        .filter(environment::Column::Id.is_in(keys(|scope| matches!(scope, Scope::Environment(_)))));
    let environments = select.all(connection).await.map_err(sql)?;
    let mut projects = keys(|scope| matches!(scope, Scope::Project(_)));
    projects.extend(environments.iter().map(|row| row.project_id.0));
    let select = project::Entity::find().filter(project::Column::Id.is_in(projects));
    let projects = select.all(connection).await.map_err(sql)?;
    let mut organizations = keys(|scope| matches!(scope, Scope::Organization(_)));
    organizations.extend(projects.iter().map(|row| row.organization_id.0));
    let select = organization::Entity::find().filter(organization::Column::Id.is_in(organizations));
    let organizations = select.all(connection).await.map_err(sql)?;

    let mut paths: HashMap<Scope, String> = HashMap::new();
    for row in super::team::among(source, scopes.iter()).await? {
        paths.insert(row.id.into(), row.name);
    }
    for row in organizations {
        paths.insert(row.id.into(), row.slug);
    }
    for row in projects {
        if let Some(above) = paths.get(&Scope::from(row.organization_id)) {
            paths.insert(row.id.into(), format!("{above}/{}", row.slug));
        }
    }
    for row in environments {
        if let Some(above) = paths.get(&Scope::from(row.project_id)) {
            paths.insert(row.id.into(), format!("{above}/{}", row.slug));
        }
    }
    Ok(scopes.iter().filter_map(|scope| Some((*scope, paths.get(scope)?.clone()))).collect())
}
