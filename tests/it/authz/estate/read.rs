//! An installation read back from the tables, as it stands after requests have changed it.

use std::collections::HashMap;

use entities::values::{ScopeKind, SubjectKind};
use entities::{
    binding, environment, organization, policy_epoch, project, role, service_account, team, team_member, user,
};
use reeve::authz::{EnvironmentKind, RowWords, Scope, Subject};
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{Bound, Environment, Estate, Given, Line, Made, Organization, Person, Tables, named};

pub(in crate::authz) fn scope(kind: ScopeKind, key: Uuid) -> Scope {
    match kind {
        ScopeKind::Console => Scope::Console,
        ScopeKind::Team => Scope::Team(key.as_u128()),
        ScopeKind::Organization => Scope::Organization(key.as_u128()),
        ScopeKind::Project => Scope::Project(key.as_u128()),
        ScopeKind::Environment => Scope::Environment(key.as_u128()),
    }
}

pub(in crate::authz) fn subject(kind: SubjectKind, key: Uuid) -> Subject {
    match kind {
        SubjectKind::User => Subject::User(key.as_u128()),
        SubjectKind::Team => Subject::Team(key.as_u128()),
    }
}

fn bound(row: binding::Model) -> Bound {
    Bound {
        id: row.id.into(),
        subject: subject(row.subject_kind, row.subject_id),
        given: match (row.role, row.capability) {
            (Some(role), _) => Given::Role(role),
            (None, capability) => Given::Alone(named(&capability.unwrap())),
        },
        scope: scope(row.scope_kind, row.scope_id),
        on_behalf_of: row.on_behalf_of.map(Into::into),
        not_before: row.not_before.map(|at| at.timestamp_millis()),
        not_after: row.not_after.map(|at| at.timestamp_millis()),
    }
}

fn made(row: role::Model) -> Made {
    let words: Vec<RowWords> = serde_json::from_value(row.rows).unwrap();
    let line = |words: RowWords| Line {
        bound_at: words.bound_at,
        capability: named(&words.capability),
        environments: words.environments,
        reach: words.reach,
    };
    Made {
        id: row.id.into(),
        owner: scope(row.scope_kind, row.scope_id),
        pack: row.pack,
        name: row.name,
        lines: words.into_iter().map(line).collect(),
        version: row.version,
    }
}

impl Tables {
    /// Everything that authority derives from, judged at `now`.
    pub(in crate::authz) async fn read(&self, now: i64) -> Estate {
        let db = &self.db;
        let kind = |production| if production { EnvironmentKind::Production } else { EnvironmentKind::Nonproduction };
        let people = user::Entity::find().all(db).await.unwrap().into_iter();
        let bots = service_account::Entity::find().all(db).await.unwrap();
        let members = team_member::Entity::find().all(db).await.unwrap().into_iter();
        let organizations = organization::Entity::find().all(db).await.unwrap().into_iter();
        let environments = environment::Entity::find().all(db).await.unwrap().into_iter();
        let projects = project::Entity::find().all(db).await.unwrap().into_iter();
        let roles = role::Entity::find().all(db).await.unwrap().into_iter();
        Estate {
            now,
            people: people
                .map(|row| Person {
                    id: row.id.into(),
                    suspended: row.suspended_at.is_some(),
                    bot: bots.iter().find(|bot| bot.user_id == row.id).map(|bot| scope(bot.scope_kind, bot.scope_id)),
                })
                .collect(),
            teams: team::Entity::find().all(db).await.unwrap().into_iter().map(|row| row.id.into()).collect(),
            members: members.map(|row| (row.team_id.into(), row.user_id.into())).collect(),
            organizations: organizations
                .map(|row| Organization {
                    id: row.id.into(),
                    team: row.team_id.into(),
                    suspended: row.suspended_at.is_some(),
                })
                .collect(),
            projects: projects.map(|row| (row.id.into(), row.organization_id.into())).collect(),
            environments: environments
                .map(|row| Environment {
                    id: row.id.into(),
                    project: row.project_id.into(),
                    kind: kind(row.production),
                    frozen: row.frozen_at.is_some(),
                })
                .collect(),
            bindings: binding::Entity::find().all(db).await.unwrap().into_iter().map(bound).collect(),
            made: roles.map(|row| (row.id.to_string(), made(row))).collect(),
        }
    }

    /// The versions of the environments, which their edits name.
    pub(in crate::authz) async fn versions(&self) -> HashMap<u128, i32> {
        let rows = environment::Entity::find().all(&self.db).await.unwrap();
        rows.into_iter().map(|row| (row.id.into(), row.version)).collect()
    }

    /// For what else there is to be read.
    pub(in crate::authz) fn connection(&self) -> &sea_orm::DatabaseConnection {
        &self.db
    }

    /// The policy epoch.
    pub(in crate::authz) async fn epoch(&self) -> i64 {
        policy_epoch::Entity::find_by_id(1).one(&self.db).await.unwrap().unwrap().epoch
    }
}
