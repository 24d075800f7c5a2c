//! As `permits`, of the fields by which people and programs come to hold something: called by nobody, by a stranger, by somebody
//! who may look but not touch, and, last, by whoever may.

use serde_json::{Value, json};

use super::permits::{Call, answer, required};
use crate::harness::{Client, TestServer};

/// What is called here.
pub(super) const FIELDS: [&str; 33] = [
    "Environment.invitations",
    "Mutation.acceptTransfer",
    "Mutation.addTeamMember",
    "Mutation.changeTeamMember",
    "Mutation.createApiKey",
    "Mutation.createServiceAccount",
    "Mutation.deleteServiceAccount",
    "Mutation.deleteTeam",
    "Mutation.freezeEnvironment",
    "Mutation.inviteUsers",
    "Mutation.offerTransfer",
    "Mutation.removeMember",
    "Mutation.removeTeamMember",
    "Mutation.resumeOrganization",
    "Mutation.resumeUser",
    "Mutation.revokeApiKey",
    "Mutation.revokeInvitation",
    "Mutation.suspendOrganization",
    "Mutation.suspendUser",
    "Mutation.thawEnvironment",
    "Mutation.updateTeam",
    "Mutation.withdrawTransfer",
    "Organization.invitations",
    "Organization.serviceAccounts",
    "Organization.transfer",
    "Project.invitations",
    "Project.serviceAccounts",
    "Query.team",
    "ServiceAccount.apiKeys",
    "Team.bindings",
    "Team.invitations",
    "Team.members",
    "Team.offeredOrganizations",
];

/// What the calls are about: an organization with a service account, an invitation and an offer; a team with two members.
pub(super) struct Things {
    organization: String,
    project: String,
    environment: String,
    team: String,
    invitation: String,
    account: String,
    key: String,
    transfer: String,
    onlooker: String,
    pat: String,
}

async fn made(by: &Client, document: &str, input: Value, pointer: &str) -> String {
    let data = by.ok(document, json!({ "input": input })).await;
    data.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

const INVITE: &str = "mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { invitations { id } } }";
const OFFER: &str = "mutation($input: OfferTransferInput!) { offerTransfer(input: $input) { transfer { id } } }";
const ACCOUNT: &str = "mutation($input: CreateServiceAccountInput!) {
    createServiceAccount(input: $input) { serviceAccount { id } } }";
const KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }";

impl Things {
    pub(super) async fn new(ada: &Client, onlooker: &Client, pat: &Client) -> Self {
        let organization = ada.create_organization("acme").await;
        let given = ada.create_organization("given").await;
        let project = ada.create_project(&organization, "site").await;
        let environment = ada.create_environment(&project, "production", true).await.id;
        ada.grant(onlooker, "ownstak/viewer", &organization).await;
        ada.grant(pat, "ownstak/viewer", &organization).await;
        let team = ada.create_team("Blue").await;
        ada.add_to_team(onlooker, &team, "MEMBER").await;
        let input = json!({ "scope": organization, "role": "ownstak/viewer", "emails": ["new@example.com"] });
        let invitation = made(ada, INVITE, input, "/inviteUsers/invitations/0/id").await;
        let input = json!({ "scope": organization, "name": "Robot" });
        let account = made(ada, ACCOUNT, input, "/createServiceAccount/serviceAccount/id").await;
        let input = json!({ "name": "ci", "serviceAccountId": account });
        let key = made(ada, KEY, input, "/createApiKey/apiKey/id").await;
        let input = json!({ "organizationId": given, "teamId": team });
        let transfer = made(ada, OFFER, input, "/offerTransfer/transfer/id").await;
        let (onlooker, pat) = (onlooker.account.email.clone(), pat.account.email.clone());
        Self { organization, project, environment, team, invitation, account, key, transfer, onlooker, pat }
    }

    /// What is somebody's, by id.
    pub(super) fn ids(&self) -> [&str; 8] {
        let Self { organization, project, environment, team, invitation, account, key, transfer, .. } = self;
        [organization, project, environment, team, invitation, account, key, transfer].map(String::as_str)
    }

    pub(super) fn reads(&self) -> Vec<Call> {
        let call =
            |field, document, id: &str, onlooker| Call { field, document, variables: json!({ "id": id }), onlooker };
        let (organization, project, team) = (&self.organization, &self.project, &self.team);
        vec![
            call("Query.team", "query($id: ID!) { team(id: $id) { id } }", team, "ok"),
            call("Team.members", "query($id: ID!) { team(id: $id) { members { nodes { role } } } }", team, "ok"),
            call("Team.bindings", "query($id: ID!) { team(id: $id) { bindings { nodes { id } } } }", team, "ok"),
            call("Team.invitations", "query($id: ID!) { team(id: $id) { invitations { nodes { id } } } }", team, "ok"),
            call(
                "Team.offeredOrganizations",
                "query($id: ID!) { team(id: $id) { offeredOrganizations { nodes { id } } } }",
                team,
                "FORBIDDEN",
            ),
            call(
                "Organization.invitations",
                "query($id: ID!) { organization(id: $id) { invitations { nodes { id } } } }",
                organization,
                "FORBIDDEN",
            ),
            call(
                "Organization.serviceAccounts",
                "query($id: ID!) { organization(id: $id) { serviceAccounts { nodes { id } } } }",
                organization,
                "FORBIDDEN",
            ),
            call(
                "ServiceAccount.apiKeys",
                "query($id: ID!) { organization(id: $id) { serviceAccounts { nodes { apiKeys { nodes { id } } } } } }",
                organization,
                "FORBIDDEN",
            ),
            call(
                "Organization.transfer",
                "query($id: ID!) { organization(id: $id) { transfer { id } } }",
                organization,
                "FORBIDDEN",
            ),
            call(
                "Project.invitations",
                "query($id: ID!) { project(id: $id) { invitations { nodes { id } } } }",
                project,
                "FORBIDDEN",
            ),
            call(
                "Project.serviceAccounts",
                "query($id: ID!) { project(id: $id) { serviceAccounts { nodes { id } } } }",
                project,
                "FORBIDDEN",
            ),
            call(
                "Environment.invitations",
                "query($id: ID!) { environment(id: $id) { invitations { nodes { id } } } }",
                &self.environment,
                "FORBIDDEN",
            ),
        ]
    }

    /// In an order in which the owner can do them one after the other.
    pub(super) fn changes(&self) -> Vec<Call> {
        let call = |field, document, input: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker,
        };
        let id = |id: &str| json!({ "id": id });
        let member = |user: &str, role: &str| json!({ "teamId": self.team, "user": user, "role": role });
        vec![
            call(
                "Mutation.updateTeam",
                "mutation($input: UpdateTeamInput!) { updateTeam(input: $input) { team { id } } }",
                json!({ "id": self.team, "name": "Green", "expectedVersion": 1 }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.addTeamMember",
                "mutation($input: TeamMemberInput!) { addTeamMember(input: $input) { member { role } } }",
                member(&self.pat, "MEMBER"),
                "FORBIDDEN",
            ),
            call(
                "Mutation.changeTeamMember",
                "mutation($input: TeamMemberInput!) { changeTeamMember(input: $input) { member { role } } }",
                member(&self.pat, "OWNER"),
                "FORBIDDEN",
            ),
            call(
                "Mutation.removeTeamMember",
                "mutation($input: RemoveTeamMemberInput!) { removeTeamMember(input: $input) { removedId } }",
                json!({ "teamId": self.team, "user": self.pat }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.removeMember",
                "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { revokedIds } }",
                json!({ "scope": self.organization, "user": self.pat }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.inviteUsers",
                INVITE,
                json!({ "scope": self.organization, "role": "ownstak/viewer", "emails": ["x@example.com"] }),
                "FORBIDDEN",
            ),
            // Who may not see the people is told that there is no invitation and no service account.
            call(
                "Mutation.revokeInvitation",
                "mutation($input: InvitationInput!) { revokeInvitation(input: $input) { revokedId } }",
                id(&self.invitation),
                "NOT_FOUND",
            ),
            call(
                "Mutation.createServiceAccount",
                ACCOUNT,
                json!({ "scope": self.organization, "name": "Robot" }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.createApiKey",
                KEY,
                json!({ "name": "another", "serviceAccountId": self.account }),
                "NOT_FOUND",
            ),
            call(
                "Mutation.revokeApiKey",
                "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { revokedId } }",
                id(&self.key),
                "NOT_FOUND",
            ),
            call(
                "Mutation.deleteServiceAccount",
                "mutation($input: DeleteServiceAccountInput!) { deleteServiceAccount(input: $input) { deletedId } }",
                id(&self.account),
                "NOT_FOUND",
            ),
            call(
                "Mutation.offerTransfer",
                OFFER,
                json!({ "organizationId": self.organization, "teamId": self.team }),
                "FORBIDDEN",
            ),
            call(
                "Mutation.withdrawTransfer",
                "mutation($input: TransferInput!) { withdrawTransfer(input: $input) { withdrawnId } }",
                id(&self.transfer),
                "NOT_FOUND",
            ),
            call(
                "Mutation.freezeEnvironment",
                "mutation($input: LockInput!) { freezeEnvironment(input: $input) { environment { id } } }",
                id(&self.environment),
                "FORBIDDEN",
            ),
            call(
                "Mutation.thawEnvironment",
                "mutation($input: LockInput!) { thawEnvironment(input: $input) { environment { id } } }",
                id(&self.environment),
                "FORBIDDEN",
            ),
        ]
    }

    /// What only the console's administrator may.
    pub(super) fn of_the_console(&self) -> Vec<Call> {
        let call = |field, document, input: Value| Call {
            field,
            document,
            variables: json!({ "input": input }),
            onlooker: "NOT_FOUND",
        };
        let (user, organization) = (json!({ "user": self.onlooker }), json!({ "id": self.organization }));
        vec![
            call(
                "Mutation.suspendOrganization",
                "mutation($input: LockInput!) { suspendOrganization(input: $input) { organization { id } } }",
                organization.clone(),
            ),
            call(
                "Mutation.resumeOrganization",
                "mutation($input: LockInput!) { resumeOrganization(input: $input) { organization { id } } }",
                organization,
            ),
            call(
                "Mutation.suspendUser",
                "mutation($input: SuspensionOfUserInput!) { suspendUser(input: $input) { suspended } }",
                user.clone(),
            ),
            call(
                "Mutation.resumeUser",
                "mutation($input: SuspensionOfUserInput!) { resumeUser(input: $input) { suspended } }",
                user,
            ),
        ]
    }

    /// What is left when the first offer has been withdrawn: to accept the second one, and to remove the team, which then
    /// manages the organization.
    async fn ends(&self, ada: &Client) -> Vec<Call> {
        let pending = "query($id: ID!) { organization(id: $id) { transfer { id } } }";
        let offer = ada.ok(pending, json!({ "id": self.organization })).await["organization"]["transfer"]["id"].clone();
        let call = |field, document, id: Value, onlooker| Call {
            field,
            document,
            variables: json!({ "input": { "id": id } }),
            onlooker,
        };
        vec![
            call(
                "Mutation.acceptTransfer",
                "mutation($input: TransferInput!) { acceptTransfer(input: $input) { organizationId } }",
                offer,
                "NOT_FOUND",
            ),
            call(
                "Mutation.deleteTeam",
                "mutation($input: DeleteTeamInput!) { deleteTeam(input: $input) { deletedId } }",
                json!(self.team),
                "FORBIDDEN",
            ),
        ]
    }
}

/// Calls each as everybody who may not, then as whoever may, in order; notes what differs.
pub(super) async fn check(calls: &[Call], others: [(&str, &Client); 3], owner: &Client, differing: &mut Vec<String>) {
    let required = required();
    for call in calls {
        for (who, client) in others {
            let expected = match who {
                "nobody" => "UNAUTHENTICATED",
                "a stranger" => "NOT_FOUND",
                _ => call.onlooker,
            };
            let (code, missing) = answer(client, call).await;
            if code != expected {
                differing.push(format!("{} as {who}: {code}, not {expected}", call.field));
            }
            if code == "FORBIDDEN" && missing != required[call.field].as_str() {
                differing.push(format!("{} as {who}: lacks {missing}, not what it requires", call.field));
            }
        }
    }
    for call in calls {
        let (code, _) = answer(owner, call).await;
        // A team that manages an organization stays.
        let expected = if call.field == "Mutation.deleteTeam" { "FAILED_PRECONDITION" } else { "ok" };
        if code != expected {
            differing.push(format!("{} as the owner: {code}, not {expected}", call.field));
        }
    }
}

#[tokio::test]
async fn no_field_about_people_forgets_its_permit() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, onlooker) = (server.sign_up("ada").await, server.sign_up("onlooker").await);
    let (stranger, pat) = (server.sign_up("stranger").await, server.sign_up("pat").await);
    let nobody = server.client();
    let others = [("nobody", &nobody), ("a stranger", &stranger), ("an onlooker", &onlooker)];
    let things = Things::new(&ada, &onlooker, &pat).await;
    let mut differing = Vec::new();
    check(&things.reads(), others, &ada, &mut differing).await;
    check(&things.changes(), others, &ada, &mut differing).await;
    let ends = things.ends(&ada).await;
    check(&ends, others, &ada, &mut differing).await;
    let console = things.of_the_console();
    check(&console, others, &root, &mut differing).await;
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
    let mut called: Vec<&str> =
        [things.reads(), things.changes(), ends, console].iter().flatten().map(|it| it.field).collect();
    called.sort_unstable();
    assert_eq!(called, FIELDS);
}
