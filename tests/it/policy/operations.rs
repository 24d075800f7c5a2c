//! The matrix is honoured: what a role gives by the packs is what the operations of the API answer, `FORBIDDEN` and `NOT_FOUND`
//! told apart. Each role is tried out at each place, on things that are its own to destroy.

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::specification::{Holding, Pack, Place};
use super::world::{Ground, World};
use crate::harness::{Client, draft_input, entry};

use Place::{Organization, Production, Project, Staging, Team};

/// One thing that has to be held, and what somebody is told who lacks it.
struct Gate {
    capability: String,
    place: Place,
    /// Without this it does not exist; with it, what is missing is named. None: what it is about is known by now.
    view: Option<String>,
}

/// One call, and what has to be held for it, in the order in which it is asked.
struct Operation {
    name: String,
    document: &'static str,
    variables: Value,
    gates: Vec<Gate>,
    /// What somebody is answered who holds everything.
    done: &'static str,
}

impl Operation {
    fn new(name: &str, place: Place, document: &'static str, variables: Value) -> Self {
        let name = format!("{name} on {}", place.words());
        Self { name, document, variables, gates: Vec::new(), done: "ok" }
    }

    /// Needs a capability, and the place's own view to be told so.
    fn needs(self, capability: &str, place: Place) -> Self {
        let view = place.view();
        self.needs_in_view(capability, place, &view)
    }

    fn needs_in_view(mut self, capability: &str, place: Place, view: &str) -> Self {
        self.gates.push(Gate { capability: capability.to_owned(), place, view: Some(view.to_owned()) });
        self
    }

    /// Is let through, and then stopped by how things are.
    fn fails_for_its_state(mut self) -> Self {
        self.done = "FAILED_PRECONDITION";
        self
    }

    fn expected(&self, holds: impl Fn(&str, Place) -> bool) -> String {
        let closed = self.gates.iter().find(|gate| !holds(&gate.capability, gate.place));
        let Some(gate) = closed else { return self.done.to_owned() };
        if gate.view.as_ref().is_none_or(|view| holds(view, gate.place)) {
            return format!("FORBIDDEN for `{}`", gate.capability);
        }
        "NOT_FOUND".to_owned()
    }
}

/// What the operations are about, beside the ground.
struct Things {
    ground: Ground,
    /// A draft on each environment whose files never arrive.
    drafts: [(Place, String); 2],
    /// Bindings to take away.
    bindings: Vec<(Place, String)>,
}

impl Things {
    async fn new(world: &World, slug: &str) -> Self {
        let ground = world.ground(slug).await;
        let files: &[(&str, &[u8])] = &[("index.html", b"never sent")];
        let production = world.ada.draft(&ground.production, files, None).await.deployment.id;
        let staging = world.ada.draft(&ground.staging, files, None).await.deployment.id;
        let mut bindings = Vec::new();
        for place in [Organization, Project, Staging] {
            bindings.push((place, world.ada.grant(&world.root, "ownstak/viewer", &ground.ids[&place]).await));
        }
        Self { ground, drafts: [(Production, production), (Staging, staging)], bindings }
    }

    fn id(&self, place: Place) -> &str {
        &self.ground.ids[&place]
    }

    fn reads(&self) -> Vec<Operation> {
        let by_id = |name, place, document| Operation::new(name, place, document, json!({ "id": self.id(place) }));
        let mut all = vec![
            by_id("organization", Organization, "query($id: ID!) { organization(id: $id) { id } }")
                .needs("organization.view", Organization),
            by_id("bindings", Organization, "query($id: ID!) { organization(id: $id) { bindings { nodes { id } } } }")
                .needs("organization.view", Organization)
                .needs("member.view", Organization),
            by_id("project", Project, "query($id: ID!) { project(id: $id) { id } }").needs("project.view", Project),
            by_id("bindings", Project, "query($id: ID!) { project(id: $id) { bindings { nodes { id } } } }")
                .needs("project.view", Project)
                .needs("member.view", Project),
        ];
        for place in [Production, Staging] {
            let environment = "query($id: ID!) { environment(id: $id) { id } }";
            let bindings = "query($id: ID!) { environment(id: $id) { bindings { nodes { id } } } }";
            let deployments = "query($id: ID!) { environment(id: $id) { deployments { nodes { id } } } }";
            let seen = |name, document| by_id(name, place, document).needs("environment.view", place);
            all.push(seen("environment", environment));
            all.push(seen("bindings", bindings).needs("member.view", place));
            all.push(seen("deployments", deployments).needs("deployment.view", place));
        }
        for (place, id) in &self.drafts {
            let read = |name, document| {
                Operation::new(name, *place, document, json!({ "id": id })).needs_in_view(
                    "deployment.view",
                    *place,
                    "deployment.view",
                )
            };
            all.push(read("deployment", "query($id: ID!) { deployment(id: $id) { id } }"));
            let log = read("log", "query($id: ID!) { deployment(id: $id) { log { text } } }");
            all.push(log.needs_in_view("log.view", *place, "deployment.view"));
        }
        all
    }

    fn makes(&self) -> Vec<Operation> {
        let call = |name, place, document, input| Operation::new(name, place, document, json!({ "input": input }));
        let organization = "mutation($input: CreateOrganizationInput!) {
            createOrganization(input: $input) { organization { id } } }";
        let project = "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }";
        let environment = "mutation($input: CreateEnvironmentInput!) {
            createEnvironment(input: $input) { environment { id } } }";
        let slug = format!("new-{}", crate::harness::unique());
        let mut all = vec![
            call("createOrganization", Team, organization, json!({ "name": slug, "teamId": self.id(Team) }))
                .needs("team.organization.create", Team),
            call(
                "createProject",
                Organization,
                project,
                json!({ "name": "New", "organizationId": self.id(Organization) }),
            )
            .needs("project.create", Organization),
        ];
        for production in [true, false] {
            let name = if production { "newest" } else { "newer" };
            let input = json!({ "name": name, "projectId": self.id(Project), "production": production });
            all.push(call("createEnvironment", Project, environment, input).needs("environment.create", Project));
        }
        let create = "mutation($input: CreateDeploymentInput!) {
            createDeployment(input: $input) { deployment { id } } }";
        let files = [entry("index.html", b"never sent either")];
        for (place, environment) in [(Production, &self.ground.production), (Staging, &self.ground.staging)] {
            let variables = draft_input(environment, &files, None);
            let operation = Operation::new("createDeployment", place, create, variables);
            all.push(operation.needs("deployment.create", place));
        }
        let deploy = "mutation($input: DeployInput!) { deploy(input: $input) { deployment { id } } }";
        let rollback = "mutation($input: RollbackDeploymentInput!) {
            rollbackDeployment(input: $input) { deployment { id } } }";
        for (place, id) in &self.drafts {
            let deploy = call("deploy", *place, deploy, json!({ "id": id }));
            let back = call("rollbackDeployment", *place, rollback, json!({ "id": id, "reason": "to try" }));
            all.push(deploy.needs_in_view("deployment.create", *place, "deployment.view").fails_for_its_state());
            all.push(back.needs_in_view("deployment.rollback", *place, "deployment.view").fails_for_its_state());
        }
        all
    }

    fn updates(&self) -> Vec<Operation> {
        let call = |name, place, document| {
            let input = json!({ "id": self.id(place), "name": "Otherwise", "expectedVersion": 1 });
            Operation::new(name, place, document, json!({ "input": input }))
        };
        let organization = "mutation($input: UpdateOrganizationInput!) {
            updateOrganization(input: $input) { organization { id } } }";
        let project = "mutation($input: UpdateProjectInput!) { updateProject(input: $input) { project { id } } }";
        let environment = "mutation($input: UpdateEnvironmentInput!) {
            updateEnvironment(input: $input) { environment { id } } }";
        vec![
            call("updateOrganization", Organization, organization).needs("organization.update", Organization),
            call("updateProject", Project, project).needs("project.update", Project),
            call("updateEnvironment", Production, environment).needs("environment.update", Production),
            call("updateEnvironment", Staging, environment).needs("environment.update", Staging),
        ]
    }

    /// Roles: one that gives nothing there, and the readers of both packs, whose every row the giver has to hold.
    fn access(&self, packs: &[Pack; 2], receiver: &Client) -> Vec<Operation> {
        let grant = "mutation($input: GrantRoleInput!) { grantRole(input: $input) { binding { id } } }";
        let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
        let mut all = Vec::new();
        for place in Place::BOUND {
            let given = |role: &str| {
                let input = json!({ "scope": self.id(place), "subject": receiver.account.email, "role": role });
                let name = format!("grantRole `{role}`");
                Operation::new(&name, place, grant, json!({ "input": input })).needs("access.manage", place)
            };
            if place != Team {
                all.push(given("reeve/team-member"));
            }
            for (pack, role) in [(&packs[0], "editor"), (&packs[1], "maintainer")] {
                let mut operation = given(&format!("{}/{role}", pack.name));
                let rows = pack.rows_at(role, place);
                let rows = rows.map(|row| Gate { capability: row.capability.clone(), place, view: None });
                operation.gates.extend(rows);
                all.push(operation);
            }
        }
        for (place, id) in &self.bindings {
            let operation = Operation::new("revokeBinding", *place, revoke, json!({ "input": { "id": id } }));
            all.push(operation.needs_in_view("access.manage", *place, "member.view"));
        }
        all
    }

    fn removes(&self) -> [Operation; 3] {
        let call =
            |name, place, document| Operation::new(name, place, document, json!({ "input": { "id": self.id(place) } }));
        let environment =
            "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) { deletedId } }";
        let project = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
        [
            call("deleteEnvironment", Production, environment).needs("environment.delete", Production),
            call("deleteEnvironment", Staging, environment).needs("environment.delete", Staging),
            call("deleteProject", Project, project).needs("project.delete", Project),
        ]
    }

    /// Only of what is empty.
    fn removes_organization(&self) -> Operation {
        let document = "mutation($input: DeleteOrganizationInput!) { deleteOrganization(input: $input) { deletedId } }";
        let variables = json!({ "input": { "id": self.id(Organization) } });
        Operation::new("deleteOrganization", Organization, document, variables)
            .needs("organization.delete", Organization)
    }
}

/// What was answered, as expectations are written.
async fn answer(client: &Client, operation: &Operation) -> String {
    let response = client.query(operation.document, operation.variables.clone()).await;
    if response.errors.is_empty() {
        return "ok".to_owned();
    }
    let refusal = response.refusal();
    match refusal.extensions["capability"].as_str() {
        Some(capability) if refusal.code == "FORBIDDEN" => format!("FORBIDDEN for `{capability}`"),
        _ => refusal.code,
    }
}

/// What was tried, and how often it was let through.
#[derive(Default)]
struct Tally {
    tried: usize,
    done: usize,
    differing: Vec<String>,
}

async fn try_out(world: &World, packs: &[Pack; 2], pack: &Pack, holding: &Holding, number: usize) -> Tally {
    let things = Things::new(world, &format!("{}-{number}", pack.name)).await;
    let holder = world.holder(pack, holding, &things.ground).await;
    let mut tally = Tally::default();
    let operations = [things.reads(), things.makes(), things.updates(), things.access(packs, &world.ada)];
    for operation in operations.into_iter().flatten().chain(things.removes()) {
        tally.take(&holder, &operation, pack, holding).await;
    }
    let projects = "query($id: ID!) { organization(id: $id) { projects { nodes { id } } } }";
    let left = world.ada.ok(projects, json!({ "id": things.id(Organization) })).await;
    let delete = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
    for project in left["organization"]["projects"]["nodes"].as_array().unwrap() {
        world.ada.ok(delete, json!({ "input": { "id": project["id"] } })).await;
    }
    tally.take(&holder, &things.removes_organization(), pack, holding).await;
    tally
}

impl Tally {
    async fn take(&mut self, holder: &Client, operation: &Operation, pack: &Pack, holding: &Holding) {
        let expected = operation.expected(|capability, place| pack.gives(holding, capability, place));
        let answered = answer(holder, operation).await;
        self.tried += 1;
        self.done += usize::from(answered == operation.done);
        // Of several capabilities that a gift would give and the giver lacks, any may be named.
        let several = operation.gates.iter().any(|gate| gate.view.is_none()) && expected.starts_with("FORBIDDEN");
        let named = operation.gates.iter().any(|gate| {
            answered == format!("FORBIDDEN for `{}`", gate.capability)
                && !pack.gives(holding, &gate.capability, gate.place)
        });
        if answered != expected && !(several && named) {
            let held = format!("{}, {}", pack.name, holding.words());
            self.differing.push(format!("{held}: {} answers {answered}, not {expected}", operation.name));
        }
    }
}

#[tokio::test]
async fn operations_answer_as_the_packs_say() {
    let world = World::new().await;
    let packs = [Pack::read("ownstak"), Pack::read("mia-console")];
    let held: Vec<_> = packs.iter().flat_map(|pack| pack.holdings().into_iter().map(move |it| (pack, it))).collect();
    assert_eq!(held.len(), 25, "a role was added or taken away");
    let tried = held.iter().enumerate();
    let tried = tried.map(async |(number, (pack, holding))| try_out(&world, &packs, pack, holding, number).await);
    let tallies: Vec<Tally> = futures_util::stream::iter(tried).buffered(6).collect().await;
    let (mut tried, mut done, mut differing) = (0, 0, Vec::new());
    for tally in tallies {
        (tried, done) = (tried + tally.tried, done + tally.done);
        differing.extend(tally.differing);
    }
    assert!(differing.is_empty(), "{} of {tried} answers differ:\n{}", differing.len(), differing.join("\n"));
    assert_eq!(tried, 25 * 52, "an operation was added or taken away");
    assert!(done > 400, "hardly any of {tried} was let through: {done}");
}
