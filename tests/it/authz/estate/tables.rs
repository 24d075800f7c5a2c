//! An installation written straight into the tables, past every door: so that worlds can be had which no sequence of
//! requests makes in a reasonable time. Whoever changes something here has to move the policy epoch.

use chrono::{DateTime, Utc};
use entities::ids::{Id, SessionId, UserId};
use entities::values::{DeploymentKind, DeploymentState, ScopeKind, SubjectKind, TeamRole, UserKind};
use entities::{
    binding, deployment, environment, organization, policy_epoch, project, role, service_account, session, team,
    team_member, user,
};
use reeve::authn::tokens;
use reeve::authz::{EnvironmentKind, RowWords, Scope, Subject};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ConnectOptions, DatabaseConnection, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::{Bound, Estate, Given, Made, Person};
use crate::harness::{Client, TestServer};

/// A way into the database of a server.
pub(in crate::authz) struct Tables {
    pub(super) db: DatabaseConnection,
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap()
}

/// The two columns of a scope.
pub(in crate::authz) fn columns(scope: Scope) -> (ScopeKind, Uuid) {
    let key = Uuid::from_u128;
    match scope {
        Scope::Console => (ScopeKind::Console, Uuid::nil()),
        Scope::Team(id) => (ScopeKind::Team, key(id)),
        Scope::Organization(id) => (ScopeKind::Organization, key(id)),
        Scope::Project(id) => (ScopeKind::Project, key(id)),
        Scope::Environment(id) => (ScopeKind::Environment, key(id)),
    }
}

pub(super) fn binding_row(now: i64, bound: &Bound) -> binding::Model {
    let (scope_kind, scope_id) = columns(bound.scope);
    let (subject_kind, subject_id) = match bound.subject {
        Subject::User(id) => (SubjectKind::User, Uuid::from_u128(id)),
        Subject::Team(id) => (SubjectKind::Team, Uuid::from_u128(id)),
    };
    let (role, capability) = match &bound.given {
        Given::Role(role) => (Some(role.clone()), None),
        Given::Alone(capability) => (None, Some(capability.name().to_owned())),
    };
    binding::Model {
        id: bound.id.into(),
        subject_kind,
        subject_id,
        role,
        capability,
        scope_kind,
        scope_id,
        on_behalf_of: bound.on_behalf_of.map(Into::into),
        not_before: bound.not_before.map(time),
        not_after: bound.not_after.map(time),
        reason: None,
        eligible_role_id: None,
        created_by: None,
        created_at: time(now),
    }
}

fn role_row(now: i64, made: &Made, maker: u128) -> role::Model {
    let (scope_kind, scope_id) = columns(made.owner);
    let words = made.lines.iter().map(|line| RowWords {
        bound_at: line.bound_at.clone(),
        capability: line.capability.name().to_owned(),
        environments: line.environments.clone(),
        reach: line.reach.clone(),
    });
    role::Model {
        id: made.id.into(),
        scope_kind,
        scope_id,
        pack: made.pack.clone(),
        name: made.name.clone(),
        description: None,
        rows: serde_json::to_value(words.collect::<Vec<_>>()).unwrap(),
        created_by: maker.into(),
        created_at: time(now),
        version: made.version,
    }
}

fn user_row(now: i64, person: &Person, place: usize) -> user::Model {
    user::Model {
        id: person.id.into(),
        email: format!("u{place}@example.com"),
        name: format!("u{place}"),
        kind: if person.bot.is_some() { UserKind::Bot } else { UserKind::Person },
        password_hash: None,
        suspended_at: person.suspended.then(|| time(now)),
        created_at: time(now),
        version: 1,
    }
}

/// The id of the one deployment of an environment.
pub(in crate::authz) fn deployment_of(environment: u128) -> u128 {
    environment ^ 1
}

fn deployment_row(now: i64, environment: u128, maker: u128) -> deployment::Model {
    deployment::Model {
        id: deployment_of(environment).into(),
        environment_id: environment.into(),
        number: 1,
        kind: DeploymentKind::Static,
        state: DeploymentState::Failed,
        configuration: serde_json::json!({}),
        manifest_digest: String::new(),
        file_count: 0,
        size_bytes: 0,
        message: None,
        failure: None,
        source_deployment_id: None,
        last_visited_at: None,
        created_by: maker.into(),
        created_at: time(now),
        state_changed_at: time(now),
    }
}

macro_rules! insert {
    ($db:expr, $rows:expr) => {
        for row in $rows {
            insert(&$db, row.into_active_model()).await;
        }
    };
}

async fn insert<A: sea_orm::ActiveModelTrait>(db: &DatabaseConnection, row: A) {
    A::Entity::insert(row).exec_without_returning(db).await.unwrap();
}

impl Tables {
    /// The tables of a server.
    pub(in crate::authz) async fn of(server: &TestServer) -> Self {
        let mut options = ConnectOptions::new(server.database_url());
        options.max_connections(1).sqlx_logging(false);
        Self { db: sea_orm::Database::connect(options).await.unwrap() }
    }

    /// Writes a whole installation; the first of its people makes what somebody has to have made.
    pub(in crate::authz) async fn write(&self, estate: &Estate) {
        let (now, maker) = (estate.now, estate.people[0].id);
        insert!(self.db, estate.people.iter().enumerate().map(|(place, person)| user_row(now, person, place)));
        let team_row = |id: &u128| team::Model {
            id: (*id).into(),
            name: format!("t{}", id % 1000),
            personal_user_id: None,
            created_at: time(now),
            version: 1,
        };
        insert!(self.db, estate.teams.iter().map(team_row));
        let member_row = |&(team, user): &(u128, u128)| team_member::Model {
            team_id: team.into(),
            user_id: user.into(),
            role: TeamRole::Owner,
            created_at: time(now),
        };
        insert!(self.db, estate.members.iter().map(member_row));
        insert!(
            self.db,
            estate.organizations.iter().enumerate().map(|(place, each)| organization::Model {
                id: each.id.into(),
                slug: format!("o{place}"),
                name: format!("o{place}"),
                team_id: each.team.into(),
                suspended_at: each.suspended.then(|| time(now)),
                created_at: time(now),
                version: 1,
            })
        );
        insert!(
            self.db,
            estate.projects.iter().enumerate().map(|(place, each)| project::Model {
                id: each.0.into(),
                organization_id: each.1.into(),
                slug: format!("p{place}"),
                name: format!("p{place}"),
                created_at: time(now),
                keep_running: 1,
                retire_after_minutes: 60,
                keep_deployments: 10,
                revive_on_visit: true,
                version: 1,
            })
        );
        insert!(
            self.db,
            estate.environments.iter().enumerate().map(|(place, each)| environment::Model {
                id: each.id.into(),
                project_id: each.project.into(),
                slug: format!("e{place}"),
                name: format!("e{place}"),
                production: each.kind == EnvironmentKind::Production,
                frozen_at: each.frozen.then(|| time(now)),
                active_deployment_id: None,
                pinned_deployment_id: None,
                next_number: 2,
                created_at: time(now),
                version: 1,
            })
        );
        insert!(self.db, estate.environments.iter().map(|each| deployment_row(now, each.id, maker)));
        let bots = estate.people.iter().filter_map(|person| Some((person.id, columns(person.bot?))));
        insert!(
            self.db,
            bots.map(|(id, (scope_kind, scope_id))| service_account::Model {
                user_id: id.into(),
                scope_kind,
                scope_id,
                created_by: maker.into(),
                created_at: time(now),
            })
        );
        insert!(self.db, estate.made.values().map(|made| role_row(now, made, maker)));
        insert!(self.db, estate.bindings.iter().map(|bound| binding_row(now, bound)));
        self.bump().await;
    }

    /// Says that authority derives from something else now.
    pub(in crate::authz) async fn bump(&self) {
        let next = |column| Expr::col(column).add(1);
        policy_epoch::Entity::update_many()
            .col_expr(policy_epoch::Column::Epoch, next(policy_epoch::Column::Epoch))
            .col_expr(policy_epoch::Column::Roles, next(policy_epoch::Column::Roles))
            .exec(&self.db)
            .await
            .unwrap();
    }

    /// Replaces what can change of what is there: who is suspended and in which team, who manages what, what is frozen
    /// and of which kind.
    pub(in crate::authz) async fn replace(&self, estate: &Estate) {
        use sea_orm::{ActiveModelTrait, Set};
        let since = |is: bool| is.then(|| time(estate.now));
        for person in &estate.people {
            let row = user::ActiveModel {
                id: Set(person.id.into()),
                suspended_at: Set(since(person.suspended)),
                ..Default::default()
            };
            row.update(&self.db).await.unwrap();
        }
        team_member::Entity::delete_many().exec(&self.db).await.unwrap();
        insert!(
            self.db,
            estate.members.iter().map(|&(team, user)| team_member::Model {
                team_id: team.into(),
                user_id: user.into(),
                role: TeamRole::Owner,
                created_at: time(estate.now),
            })
        );
        for each in &estate.organizations {
            let row = organization::ActiveModel {
                id: Set(each.id.into()),
                team_id: Set(each.team.into()),
                suspended_at: Set(since(each.suspended)),
                ..Default::default()
            };
            row.update(&self.db).await.unwrap();
        }
        for each in &estate.environments {
            let row = environment::ActiveModel {
                id: Set(each.id.into()),
                production: Set(each.kind == EnvironmentKind::Production),
                frozen_at: Set(since(each.frozen)),
                ..Default::default()
            };
            row.update(&self.db).await.unwrap();
        }
        binding::Entity::delete_many().exec(&self.db).await.unwrap();
        insert!(self.db, estate.bindings.iter().map(|bound| binding_row(estate.now, bound)));
        self.bump().await;
    }

    /// Binds what was given by somebody before, and takes other bindings away.
    pub(in crate::authz) async fn rebind(&self, now: i64, bound: &[Bound], gone: &[u128]) {
        use sea_orm::{ColumnTrait, QueryFilter};
        let keys: Vec<Uuid> = gone.iter().map(|id| Uuid::from_u128(*id)).collect();
        binding::Entity::delete_many().filter(binding::Column::Id.is_in(keys)).exec(&self.db).await.unwrap();
        insert!(self.db, bound.iter().map(|each| binding_row(now, each)));
        self.bump().await;
    }

    /// Everybody of the installation, in a session each.
    pub(in crate::authz) async fn sign_in(
        &self,
        server: &TestServer,
        estate: &Estate,
        dice: &mut super::Dice,
    ) -> Vec<Client> {
        let (_, keys) = server.keys().await;
        let now = Utc::now();
        let mut clients = Vec::new();
        for (place, person) in estate.people.iter().enumerate() {
            let (id, user_id) = (SessionId::from_uuid(Uuid::from_u128(dice.key())), UserId::from(person.id));
            let row = session::Model {
                id,
                user_id,
                created_at: now,
                expires_at: now + chrono::TimeDelta::hours(1),
                ended_at: None,
                ended_reason: None,
            };
            insert(&self.db, row.into_active_model()).await;
            let token = tokens::issue_access(&keys.ring(), &user_id.to_string(), &id.to_string(), now).unwrap();
            let mut client = server.client().with_token(token);
            client.account.id = user_id.to_string();
            client.account.email = format!("u{place}@example.com");
            clients.push(client);
        }
        clients
    }
}
