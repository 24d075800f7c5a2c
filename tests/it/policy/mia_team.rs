//! A feature team as Mia Console documents it: who manages the project, who deploys where, who only looks. What everybody is
//! shown, what the buttons say and what the operations answer are one and the same, for each person on each environment.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{Client, Deployment, Environment, TestServer, unique};

/// Who is in the team, and what they are; two of a kind, since one of them could be served from what the other was told.
const TEAM: [(&str, Kind); 7] = [
    ("manager", Kind::Administrator),
    ("lead", Kind::Administrator),
    ("senior", Kind::Senior),
    ("junior", Kind::Junior),
    ("trainee", Kind::Junior),
    ("designer", Kind::Designer),
    ("artist", Kind::Designer),
];

/// Columns of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `project-administrator` on the project.
    Administrator,
    /// `maintainer` on the project.
    Senior,
    /// `developer` on the project, and `maintainer` on staging.
    Junior,
    /// `reporter` on the project.
    Designer,
}

/// Who holds what. Where a capability is judged on environments: first on production, then on staging.
const HELD: &str = "
                         administrator senior junior designer
    member.view                +         -      -       -
    member.invite              +         -      -       -
    member.remove              +         -      -       -
    access.manage              +         -      -       -
    service_account.manage     +         -      -       -
    project.view               +         +      +       +
    project.update             +         -      -       -
    project.delete             -         -      -       -
    project.transfer           -         -      -       -
    configuration.update       +         +      +       -
    repository.create          +         +      +       -
    git.repair                 -         -      -       -
    environment.create         +         -      -       -
    environment.view           ++        ++     ++      ++
    environment.update         ++        ++     -+      --
    environment.delete         ++        --     --      --
    environment.freeze         ++        --     --      --
    variable.view              ++        ++     ++      ++
    variable.manage            ++        ++     -+      --
    secret.view                ++        --     --      --
    secret.manage              ++        --     --      --
    deployment.view            ++        ++     ++      ++
    deployment.create          ++        ++     -+      --
    deployment.redeploy        ++        ++     -+      --
    deployment.rollback        ++        ++     -+      --
    deployment.cancel          ++        ++     -+      --
    deployment.retire          ++        ++     -+      --
    deployment.revive          ++        ++     -+      --
    deployment.delete          ++        --     --      --
    instance.restart           ++        ++     -+      --
    job.manage                 ++        ++     -+      --
    log.view                   ++        ++     ++      ++
    debug.use                  ++        --     --      --
    dashboard.view             ++        ++     ++      ++
    dashboard.manage           ++        --     --      --
    domain.view                ++        ++     ++      ++
    domain.create              ++        --     --      --
    domain.update              ++        --     --      --
    domain.delete              ++        --     --      --
    edge.manage                ++        --     --      --
    deploy_hook.view           ++        ++     ++      --
    deploy_hook.create         ++        --     --      --
    deploy_hook.update         ++        --     --      --
    deploy_hook.delete         ++        --     --      --
    backup.view                ++        ++     -+      --
    backup.manage              ++        --     --      --
";

/// What operations answer: `+` they do it, `F` they say `FORBIDDEN`, `N` they say `NOT_FOUND`. The team sees no organization.
const DONE: &str = "
                         administrator senior junior designer
    organization               N         N      N       N
    createProject              N         N      N       N
    project                    +         +      +       +
    project.bindings           +         F      F       F
    updateProject              +         F      F       F
    createEnvironment          +         F      F       F
    grantRole                  +         F      F       F
    revokeBinding              +         N      N       N
    deleteProject              F         F      F       F
    environments               ++        ++     ++      ++
    environment.bindings       ++        FF     FF      FF
    deployments                ++        ++     ++      ++
    deployment                 ++        ++     ++      ++
    log                        ++        ++     ++      ++
    createDeployment           ++        ++     F+      FF
    deploy                     ++        ++     F+      FF
    rollbackDeployment         ++        ++     F+      FF
    updateEnvironment          ++        ++     F+      FF
    deleteEnvironment          ++        FF     FF      FF
";

/// A row's marks, by kind of person.
fn row<'a>(table: &'a str, name: &str) -> [&'a str; 4] {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(name));
    let marks: Vec<&str> = line.unwrap_or_else(|| panic!("no row `{name}`")).split_whitespace().skip(1).collect();
    marks.try_into().unwrap()
}

/// Somebody of the team.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) client: Client,
}

/// The project that the team works on. The owner of the organization is none of them.
pub(super) struct Team {
    /// Runs as long as the team works.
    _server: TestServer,
    pub(super) owner: Client,
    pub(super) organization: String,
    pub(super) project: String,
    /// Production and staging, as the marks stand.
    pub(super) environments: [Environment; 2],
    pub(super) people: Vec<Person>,
    /// Bindings of `maintainer` on staging, by name.
    pub(super) on_staging: BTreeMap<&'static str, String>,
}

impl Team {
    pub(super) async fn new() -> Self {
        let server = TestServer::start().await;
        let owner = server.sign_up("owner").await;
        let organization = owner.create_organization("mia").await;
        let project = owner.create_project(&organization, "shop").await;
        let production = owner.create_environment(&project, "production", true).await;
        let staging = owner.create_environment(&project, "staging", false).await;
        let (mut people, mut on_staging) = (Vec::new(), BTreeMap::new());
        for (name, kind) in TEAM {
            let client = server.sign_up(name).await;
            let role = match kind {
                Kind::Administrator => "mia-console/project-administrator",
                Kind::Senior => "mia-console/maintainer",
                Kind::Junior => "mia-console/developer",
                Kind::Designer => "mia-console/reporter",
            };
            owner.grant(&client, role, &project).await;
            if kind == Kind::Junior {
                on_staging.insert(name, owner.grant(&client, "mia-console/maintainer", &staging.id).await);
            }
            people.push(Person { name, kind, client });
        }
        let environments = [production, staging];
        Self { _server: server, owner, organization, project, environments, people, on_staging }
    }

    pub(super) fn person(&self, name: &str) -> &Client {
        &self.people.iter().find(|person| person.name == name).unwrap().client
    }

    /// A draft whose files are all there, so that nothing but authority can be in the way.
    pub(super) async fn draft(&self, environment: &Environment) -> Deployment {
        let page = unique();
        let files: &[(&str, &[u8])] = &[("index.html", page.as_bytes())];
        let draft = self.owner.draft(environment, files, None).await;
        self.owner.upload(&draft, files).await;
        draft.deployment
    }
}

/// Answers that differ from a table, in words, all at once.
#[derive(Default)]
pub(super) struct Findings(Vec<String>, usize);

impl Findings {
    /// Compares an answer with the mark of a row; `at` is the environment's number, if it is about one.
    pub(super) fn take(&mut self, person: &Person, name: &str, at: Option<usize>, answered: char) {
        let marks = row(if HELD.contains(&format!(" {name} ")) { HELD } else { DONE }, name)[person.kind as usize];
        assert_eq!(marks.len(), if at.is_some() { 2 } else { 1 }, "`{name}` is about something else");
        let expected = marks.chars().nth(at.unwrap_or_default()).unwrap();
        self.1 += 1;
        if expected != answered {
            let place = at.map_or("", |at| ["on production", "on staging"][at]);
            self.0.push(format!("{} ({:?}), {name} {place}: {answered}, not {expected}", person.name, person.kind));
        }
    }

    pub(super) fn finish(self, least: usize) {
        assert!(self.0.is_empty(), "{} of {} answers differ:\n{}", self.0.len(), self.1, self.0.join("\n"));
        assert!(self.1 >= least, "only {} answers were compared", self.1);
    }
}

#[tokio::test]
async fn everybody_is_shown_what_they_hold() {
    let team = Team::new().await;
    let names = HELD.lines().skip(2).filter_map(|line| line.split_whitespace().next());
    let (of_environments, of_projects): (Vec<&str>, Vec<&str>) = names.partition(|name| row(HELD, name)[0].len() == 2);
    assert_eq!((of_environments.len(), of_projects.len()), (33, 13), "every capability of either kind is in the table");
    let mut findings = Findings::default();
    let ask = "query($id: ID!, $names: [String!]!) { node(id: $id) {
        ... on Project { viewerCan(capabilities: $names) { capability allowed } viewerCapabilities }
        ... on Environment { viewerCan(capabilities: $names) { capability allowed } viewerCapabilities } } }";
    let [production, staging] = &team.environments;
    for person in &team.people {
        for (id, names, at) in [
            (&team.project, &of_projects, None),
            (&production.id, &of_environments, Some(0)),
            (&staging.id, &of_environments, Some(1)),
        ] {
            let node = person.client.ok(ask, json!({ "id": id, "names": names })).await["node"].clone();
            let held = node["viewerCapabilities"].as_array().unwrap();
            for (name, told) in names.iter().zip(node["viewerCan"].as_array().unwrap()) {
                assert_eq!(told["capability"], **name);
                let allowed = told["allowed"].as_bool().unwrap();
                assert_eq!(allowed, held.contains(&json!(name)), "{}: {name}", person.name);
                findings.take(person, name, at, if allowed { '+' } else { '-' });
            }
        }
    }
    findings.finish(7 * (13 + 2 * 33));
}
