//! Makes the edge serve what the database says: one table of all links, published as a whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::{Mutex, watch};

use entities::ids::{DeploymentId, EnvironmentId, ProjectId};
use entities::values::{DeploymentKind, DeploymentState};

use crate::acme::Challenge;
use crate::domain::configuration::{Configuration, StaticSite as SiteConfiguration};
use crate::domain::host::{HostName, Link};
use crate::edge::Edge;
use crate::edge::routes::{Route, RouteTable, TargetSpec};
use crate::edge::static_site::{SiteOptions, StaticFile, StaticSite};
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::domain::{self, Served};
use crate::store::path;
use crate::store::route::{self, DeploymentRoute, EnvironmentRoute};
use crate::sys::clock;
use crate::tasks::policies::{Opened, policies};
use crate::workflow::run;

/// For so long a deployment that failed to come up again is not woken by another visit.
const AFTER_FAILURE: TimeDelta = TimeDelta::seconds(30);

/// Publishes tables of routes.
pub struct Publisher {
    app: Arc<App>,
    sender: watch::Sender<Arc<RouteTable>>,
    state: Mutex<State>,
    edge: std::sync::OnceLock<Edge>,
}

/// What is kept from one table to the next. Deployments never change, so neither do their sites.
#[derive(Default)]
struct State {
    sites: HashMap<DeploymentId, Arc<StaticSite>>,
    /// Certificates and settings.
    opened: Opened,
    /// By domain: what an authority is about to look for.
    challenges: HashMap<String, Challenge>,
}

/// Names the live target of one link: the same key keeps its connections.
pub fn key(host: &HostName, deployment: DeploymentId) -> String {
    format!("{host} {deployment}")
}

impl Publisher {
    /// A publisher and the channel that its tables go through. Their versions go on from `version`, which the edge serves.
    pub fn new(app: Arc<App>, version: u64) -> (Arc<Self>, watch::Receiver<Arc<RouteTable>>) {
        let (sender, receiver) = watch::channel(Arc::new(RouteTable { version, ..RouteTable::default() }));
        let publisher = Self { app, sender, state: Mutex::default(), edge: std::sync::OnceLock::new() };
        (Arc::new(publisher), receiver)
    }

    /// Says which edge to wait for.
    pub fn serves(&self, edge: Edge) {
        let _ = self.edge.set(edge);
    }

    /// Reads how things should be and returns when the edge serves them so.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn publish(&self) -> Result<()> {
        let version = {
            // One at a time: a table read earlier must not replace one read later.
            let mut state = self.state.lock().await;
            let (environments, deployments) = route::all(&self.app.store).await?;
            let served = domain::served(&self.app.store).await?;
            let mut routes = self.table(&mut state, &environments, &deployments).await?;
            add_domains(&mut routes, &served, &environments, |path| self.host(path, None));
            let certificates = state.opened.certificates(&self.app, &served).await?;
            let settings = state.opened.settings(&self.app).await?;
            let of_deployment: HashMap<String, EnvironmentId> =
                deployments.iter().map(|row| (row.id.to_string(), row.environment_id)).collect();
            let hosts = routes.iter();
            let hosts = hosts.filter_map(|(host, to)| Some((host.as_str(), *of_deployment.get(&to.deployment)?)));
            let tls = self.app.config.edge_tls_listen.is_some();
            let redirected: HashSet<&str> =
                served.iter().filter(|domain| tls && domain.redirect_to_https).map(|it| it.name.as_str()).collect();
            // Plain requests are sent on only where there is something to send them to.
            let policies =
                policies(hosts, &settings, |host| redirected.contains(host) && certificates.contains_key(host));
            let version = self.sender.borrow().version;
            let table = RouteTable {
                version,
                base_domain: self.app.config.base_domain.to_string(),
                routes,
                policies,
                settings,
                certificates,
                challenges: state.challenges.values().map(|it| (it.token.clone(), it.answer.clone())).collect(),
            };
            self.newest(table)
        };
        if let Some(edge) = self.edge.get() {
            edge.applied(version).await;
        }
        Ok(())
    }

    /// Sends a table, unless it says the same as the one before; gives the version that has to be served.
    fn newest(&self, table: RouteTable) -> u64 {
        let version = table.version;
        let told = self.sender.send_if_modified(|last| {
            let changed = **last != table;
            if changed {
                *last = Arc::new(RouteTable { version: version + 1, ..table });
            }
            changed
        });
        if told { version + 1 } else { version }
    }

    /// Makes the edge answer an authority that looks for the proof of a domain.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn answer(&self, domain: &str, challenge: Challenge) -> Result<()> {
        self.state.lock().await.challenges.insert(domain.to_owned(), challenge);
        self.publish().await
    }

    /// The authority has looked. The answer goes with the next table.
    pub async fn no_answer(&self, domain: &str) {
        self.state.lock().await.challenges.remove(domain);
    }

    /// The host of an environment's link.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn alias(&self, id: EnvironmentId) -> Result<Option<HostName>> {
        let paths = path::of_scopes(&self.app.store, &[id.into()]).await?;
        Ok(paths.first().and_then(|(_, path)| self.host(path, None)))
    }

    fn host(&self, path: &str, number: Option<i32>) -> Option<HostName> {
        Some(Link::of(path, number)?.host(&self.app.config.base_domain))
    }

    async fn table(
        &self,
        state: &mut State,
        environments: &[EnvironmentRoute],
        deployments: &[DeploymentRoute],
    ) -> Result<HashMap<String, Route>> {
        let by_id: HashMap<EnvironmentId, &EnvironmentRoute> = environments.iter().map(|e| (e.id, e)).collect();
        let mut routes = HashMap::new();
        let mut targets: HashMap<DeploymentId, TargetSpec> = HashMap::new();
        for deployment in deployments {
            let Some(environment) = by_id.get(&deployment.environment_id) else { continue };
            let target = match self.target(state, environment, deployment).await {
                Ok(target) => target,
                Err(error @ Error::Unavailable(_)) => return Err(error),
                // Deleted since the list was read, or damaged: no reason not to serve all the others.
                Err(error) => {
                    tracing::error!(deployment = %deployment.id, ?error, "a deployment cannot be served");
                    TargetSpec::Failed { message: "this deployment cannot be served".to_owned() }
                }
            };
            if let Some(host) = self.host(&environment.path, Some(deployment.number)) {
                routes.insert(host.to_string(), route_to(&host, deployment.id, target.clone()));
            }
            targets.insert(deployment.id, target);
        }
        for environment in environments {
            let Some(host) = self.host(&environment.path, None) else { continue };
            // An environment that serves nothing has no link: whether it is there is nobody's business.
            let Some((id, target)) = environment.active.and_then(|id| Some((id, targets.get(&id)?.clone()))) else {
                continue;
            };
            routes.insert(host.to_string(), route_to(&host, id, target));
        }
        state.sites.retain(|id, _| targets.contains_key(id));
        self.app.board.retain(|id| targets.contains_key(id));
        Ok(routes)
    }

    async fn target(
        &self,
        state: &mut State,
        environment: &EnvironmentRoute,
        row: &DeploymentRoute,
    ) -> Result<TargetSpec> {
        let stopped = |text: &str| TargetSpec::Stopped { message: text.to_owned() };
        Ok(match row.state {
            DeploymentState::Ready | DeploymentState::Active => match row.kind {
                DeploymentKind::Static => TargetSpec::Static(self.site(state, environment.project_id, row).await?),
                DeploymentKind::Process => self.programs(row.id),
            },
            DeploymentState::Draft
            | DeploymentState::Queued
            | DeploymentState::Building
            | DeploymentState::Starting => TargetSpec::Starting,
            DeploymentState::Reviving => TargetSpec::Waking,
            DeploymentState::Failed => TargetSpec::Failed { message: "this deployment failed to start".to_owned() },
            DeploymentState::Cancelled => stopped("this deployment was cancelled"),
            DeploymentState::Skipped => stopped("this deployment was skipped for a newer one"),
            DeploymentState::Retired if row.failure.is_some() && clock::now() - row.since < AFTER_FAILURE => {
                TargetSpec::Failed { message: "this deployment failed to start again".to_owned() }
            }
            DeploymentState::Retired if environment.revive_on_visit => TargetSpec::Asleep,
            DeploymentState::Retired => stopped("this deployment is retired"),
            DeploymentState::Deleted => stopped("this deployment was deleted"),
        })
    }

    /// The programs that were seen to answer. Where there is none, visitors wait for one that is coming back at this moment.
    fn programs(&self, id: DeploymentId) -> TargetSpec {
        let serving = self.app.board.serving(id);
        if !serving.is_empty() {
            return TargetSpec::Process(serving.into());
        }
        if self.app.board.is_starting(id) { TargetSpec::Waking } else { TargetSpec::Starting }
    }

    async fn site(&self, state: &mut State, project: ProjectId, row: &DeploymentRoute) -> Result<Arc<StaticSite>> {
        if let Some(site) = state.sites.get(&row.id) {
            return Ok(site.clone());
        }
        let Configuration::Static(configuration) = run::configuration(row.id, &row.configuration)? else {
            return Err(Error::Internal(format!("{} is static, its configuration is not", row.id)));
        };
        let manifest = route::files(&self.app.store, row.id).await?;
        let project = project.to_string();
        let mut files = Vec::new();
        for entry in manifest.entries() {
            let Some(path) = below(configuration.root(), entry.path.as_str()) else { continue };
            let blob = self.app.artifacts.path(&project, &entry.digest).map_err(|e| Error::Internal(e.to_string()))?;
            let digest = entry.digest.to_string();
            files.push(StaticFile { path: path.to_owned(), blob, size: entry.size_bytes, digest, content_type: None });
        }
        let site = Arc::new(StaticSite::new(row.id.to_string(), files, options(&configuration)));
        state.sites.insert(row.id, site.clone());
        Ok(site)
    }
}

fn options(configuration: &SiteConfiguration) -> SiteOptions {
    SiteOptions {
        not_found: configuration.not_found().map(ToOwned::to_owned),
        fallback: configuration.single_page().then(|| "index.html".to_owned()),
    }
}

/// The part of a path below the served folder.
fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    if root == "." { Some(path) } else { path.strip_prefix(root)?.strip_prefix('/') }
}

/// Every proved domain leads where its environment's link does.
fn add_domains(
    table: &mut HashMap<String, Route>,
    served: &[Served],
    environments: &[EnvironmentRoute],
    link: impl Fn(&str) -> Option<HostName>,
) {
    let paths: HashMap<EnvironmentId, &str> = environments.iter().map(|e| (e.id, e.path.as_str())).collect();
    for domain in served {
        let link = paths.get(&domain.environment_id).and_then(|path| link(path));
        let Some(route) = link.and_then(|link| table.get(link.as_str())) else { continue };
        let key = format!("{} {}", domain.name, route.deployment);
        let route = Route { key, ..route.clone() };
        table.insert(domain.name.clone(), route);
    }
}

fn route_to(host: &HostName, deployment: DeploymentId, target: TargetSpec) -> Route {
    Route { key: key(host, deployment), deployment: deployment.to_string(), target }
}
