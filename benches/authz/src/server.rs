//! Reeve's cache of what actors hold, as the server asks it for reads: the world in a SQLite database, an epoch that is
//! confirmed while it runs, and standings that remember what was decided. It must not know the engines.

use std::ops::Range;

use entities::ids::UserId;
use entities::values::{SubjectKind, TeamRole, UserKind};
use entities::{binding, environment, organization, project, team, team_member, user};
use reeve::authz::{Grant, Mask, Scope, Subject};
use reeve::store::Store;
use reeve::store::facts::scope_kind;
use reeve::store::standing::Standings;
use rustc_hash::FxHashMap;
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, TransactionTrait};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::contest::{Contestant, Page, Questions, Result};
use crate::requests::Request;
use crate::world::{self, ENVIRONMENTS, ORGANIZATIONS, PROJECTS, TEAMS, World};

/// The name under which the checks find its figures.
pub(crate) const WARM: &str = "**Reeve**, decision remembered by the server";

/// Rows of one statement: SQLite takes no more than some 30,000 values.
const ROWS: usize = 1_000;

/// The cache, which is filled by asking everything once.
pub(crate) fn contestant<'a>(questions: &Questions<'a>) -> Result<Box<dyn Contestant + 'a>> {
    let &Questions { host, requests, .. } = questions;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let folder = TempDir::new()?;
    let store = runtime.block_on(async {
        let url = Store::sqlite_url(folder.path());
        let store = Store::connect(&url, host.world.packs.clone()).await.map_err(told)?;
        store.migrate().await.map_err(told)?;
        fill(&url, &host.world).await?;
        Result::Ok(store)
    })?;
    let (kept, stop) = (store.clone(), CancellationToken::new());
    runtime.spawn(async move { kept.keep_epoch(stop).await });
    Ok(Box::new(Server { requests, standings: Standings::default(), store, runtime, _folder: folder }))
}

/// The errors of the library have no text of their own, lest it reach a client.
fn told(error: reeve::error::Error) -> String {
    format!("{error:?}")
}

struct Server<'a> {
    requests: &'a [Request],
    standings: Standings,
    store: Store,
    runtime: Runtime,
    /// Goes with everything in it.
    _folder: TempDir,
}

impl Server<'_> {
    fn masks(&self, actor: usize, scopes: &[Scope]) -> Result<FxHashMap<Scope, Mask>> {
        let actor = UserId::from(world::user(actor));
        let found = self.runtime.block_on(self.standings.of(&self.store, actor, None, None, scopes));
        Ok(found.map_err(told)?.standing.masks(scopes))
    }
}

impl Contestant for Server<'_> {
    fn name(&self) -> &'static str {
        WARM
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.requests[number];
        let actor = UserId::from(world::user(request.actor));
        // As an operation asks: what is remembered first.
        if let Some(pinned) = self.standings.recall(&self.store, actor, None)
            && let Some(decided) = pinned.standing.recall(request.scope)
        {
            return Ok(decided.held().contains(request.capability));
        }
        let masks = self.masks(request.actor, &[request.scope])?;
        Ok(masks.get(&request.scope).is_some_and(|mask| mask.contains(request.capability)))
    }

    fn page(&mut self, page: Range<usize>) -> Result<Page> {
        let requests = &self.requests[page];
        let scopes: Vec<Scope> = requests.iter().map(|request| request.scope).collect();
        let actor = requests.first().ok_or("the page is empty")?.actor;
        Ok(Page::Masks(self.masks(actor, &scopes)?))
    }
}

/// Writes the world.
async fn fill(url: &str, world: &World) -> Result<()> {
    let tx = sea_orm::Database::connect(url).await?.begin().await?;
    let at = DateTimeUtc::from_timestamp_millis(world.now).ok_or("the moment is out of range")?;
    people(&tx, world, at).await?;
    places(&tx, world, at).await?;
    bindings(&tx, world, at).await?;
    Ok(tx.commit().await?)
}

async fn people(tx: &DatabaseTransaction, world: &World, at: DateTimeUtc) -> Result<()> {
    let users = world.users.iter().enumerate().map(|(number, user)| user::Model {
        id: world::user(number).into(),
        email: format!("{number}@example.com"),
        name: format!("User {number}"),
        kind: UserKind::Person,
        password_hash: None,
        suspended_at: user.suspended.then_some(at),
        created_at: at,
        version: 1,
    });
    insert(tx, users).await?;
    let teams = (0..TEAMS).map(|number| team::Model {
        id: world::team(number).into(),
        name: format!("Team {number}"),
        personal_user_id: None,
        created_at: at,
        version: 1,
    });
    insert(tx, teams).await?;
    let members = world.users.iter().enumerate().flat_map(|(number, user)| {
        user.teams.iter().map(move |&team| team_member::Model {
            team_id: world::team(team).into(),
            user_id: world::user(number).into(),
            role: TeamRole::Member,
            created_at: at,
        })
    });
    insert(tx, members).await
}

async fn places(tx: &DatabaseTransaction, world: &World, at: DateTimeUtc) -> Result<()> {
    let known = |scope: Scope| world.fact(scope).ok_or("a scope is not known");
    let above = |scope: Scope| Result::Ok(known(scope)?.parent.ok_or("a scope has no parent")?.uuid().as_u128());
    let organizations = (0..ORGANIZATIONS).map(world::organization).map(|scope| {
        Result::Ok(organization::Model {
            id: scope.uuid().as_u128().into(),
            slug: world::name(scope),
            name: world::name(scope),
            team_id: known(scope)?.managing_team.ok_or("an organization has no team")?.into(),
            suspended_at: known(scope)?.suspended.then_some(at),
            created_at: at,
            version: 1,
        })
    });
    insert(tx, organizations.collect::<Result<Vec<_>>>()?).await?;
    let projects = (0..PROJECTS).map(world::project).map(|scope| {
        Result::Ok(project::Model {
            id: scope.uuid().as_u128().into(),
            organization_id: above(scope)?.into(),
            slug: world::name(scope),
            name: world::name(scope),
            created_at: at,
            version: 1,
        })
    });
    insert(tx, projects.collect::<Result<Vec<_>>>()?).await?;
    let environments = (0..ENVIRONMENTS).map(world::environment).map(|scope| {
        Result::Ok(environment::Model {
            id: scope.uuid().as_u128().into(),
            project_id: above(scope)?.into(),
            slug: world::name(scope),
            name: world::name(scope),
            production: known(scope)?.kind == reeve::authz::EnvironmentKind::Production,
            frozen_at: known(scope)?.frozen.then_some(at),
            active_deployment_id: None,
            pinned_deployment_id: None,
            next_number: 1,
            created_at: at,
            version: 1,
        })
    });
    insert(tx, environments.collect::<Result<Vec<_>>>()?).await
}

async fn bindings(tx: &DatabaseTransaction, world: &World, at: DateTimeUtc) -> Result<()> {
    let rows = world.bindings.iter().map(|row| {
        let (subject_kind, subject) = match row.subject {
            Subject::User(key) => (SubjectKind::User, key),
            Subject::Team(key) => (SubjectKind::Team, key),
        };
        let name = world.packs.name(row.grant).to_owned();
        let (role, capability) = match row.grant {
            Grant::Role(_) => (Some(name), None),
            Grant::Capability(_) => (None, Some(name)),
        };
        binding::Model {
            id: row.id.into(),
            subject_kind,
            subject_id: Uuid::from_u128(subject),
            role,
            capability,
            scope_kind: scope_kind(row.scope),
            scope_id: row.scope.uuid(),
            on_behalf_of: row.on_behalf_of.map(Into::into),
            not_before: row.not_before.and_then(DateTimeUtc::from_timestamp_millis),
            not_after: row.not_after.and_then(DateTimeUtc::from_timestamp_millis),
            reason: None,
            eligible_role_id: None,
            created_by: None,
            created_at: at,
        }
    });
    insert(tx, rows).await
}

async fn insert<M, A>(tx: &DatabaseTransaction, rows: impl IntoIterator<Item = M>) -> Result<()>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    let rows: Vec<A> = rows.into_iter().map(M::into_active_model).collect();
    for rows in rows.chunks(ROWS) {
        <A::Entity as EntityTrait>::insert_many(rows.iter().cloned()).exec_without_returning(tx).await?;
    }
    Ok(())
}
