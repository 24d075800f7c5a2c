//! Teams: who is in one holds what it holds, and nobody lets somebody in on more than they hold themselves.

use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer};

const ADD: &str = "mutation($input: TeamMemberInput!) { addTeamMember(input: $input) { member { role user { id } } } }";
const CHANGE: &str = "mutation($input: TeamMemberInput!) { changeTeamMember(input: $input) { member { role } } }";
const REMOVE: &str = "mutation($input: RemoveTeamMemberInput!) { removeTeamMember(input: $input) { removedId } }";
const UPDATE: &str = "mutation($input: UpdateTeamInput!) { updateTeam(input: $input) { team { name version } } }";
const DELETE: &str = "mutation($input: DeleteTeamInput!) { deleteTeam(input: $input) { deletedId } }";
const TEAM: &str = "query($id: ID!) { team(id: $id) { name members { nodes { role user { name } } }
    bindings { nodes { role subject { ... on User { name } } } } } }";
const READ: &str = "query($id: ID!) { environment(id: $id) { id } }";

fn member(team: &str, user: &Client, role: &str) -> Value {
    json!({ "input": { "teamId": team, "user": user.account.email, "role": role } })
}

fn out(team: &str, user: &Client) -> Value {
    json!({ "input": { "teamId": team, "user": user.account.id } })
}

fn id(id: &str) -> Value {
    json!({ "id": id })
}

/// Pairs of a name and a role, in the order of names.
fn pairs(nodes: &Value, name: &str) -> Vec<String> {
    let nodes = nodes["nodes"].as_array().unwrap().iter();
    let mut pairs: Vec<String> = nodes
        .map(|node| format!("{} {}", node[name]["name"].as_str().unwrap(), node["role"].as_str().unwrap()))
        .collect();
    pairs.sort();
    pairs
}

async fn reason(client: &Client, document: &str, variables: Value) -> String {
    let refusal = client.refusal(document, variables).await;
    assert_eq!(refusal.code, "FAILED_PRECONDITION", "{refusal:?}");
    refusal.extensions["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_member_holds_what_the_team_holds_as_long_as_they_are_in_it() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let environment = ada.create_site().await;
    let team = ada.create_team("Blue").await;
    ada.grant_team(&team, "ownstak/editor", "acme").await;
    assert_eq!(ben.code(READ, id(&environment.id)).await, "NOT_FOUND");
    let added = ada.ok(ADD, member(&team, &ben, "MEMBER")).await["addTeamMember"]["member"].clone();
    assert_eq!(added, json!({ "role": "MEMBER", "user": { "id": ben.account.id } }));
    ben.ok(READ, id(&environment.id)).await;
    assert!(ben.can("deployment.create", &environment.id).await);
    let seen = ben.ok(TEAM, id(&team)).await["team"].clone();
    assert_eq!(pairs(&seen["members"], "user"), ["ada OWNER", "ben MEMBER"]);
    assert_eq!(pairs(&seen["bindings"], "subject"), ["ada reeve/team-owner", "ben reeve/team-member"]);
    assert_eq!(ada.ok(REMOVE, out(&team, &ben)).await["removeTeamMember"]["removedId"], ben.account.id);
    assert_eq!(ben.code(READ, id(&environment.id)).await, "NOT_FOUND");
    assert_eq!(ben.code(TEAM, id(&team)).await, "NOT_FOUND");
    let left = ada.ok(TEAM, id(&team)).await["team"].clone();
    assert_eq!(pairs(&left["bindings"], "subject"), ["ada reeve/team-owner"]);
    assert_eq!(ben.notices().await, ["you are no longer in the team `Blue`", "you are in the team `Blue`"]);
    assert_eq!(ada.code(REMOVE, out(&team, &ben)).await, "NOT_FOUND");
}

#[tokio::test]
async fn what_a_member_is_and_what_they_hold_change_together() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let team = ada.create_team("Blue").await;
    ada.add_to_team(&ben, &team, "MEMBER").await;
    let rename =
        |name: &str, version: i32| json!({ "input": { "id": team, "name": name, "expectedVersion": version } });
    assert_eq!(ben.code(UPDATE, rename("Ben's", 1)).await, "FORBIDDEN");
    assert_eq!(ben.code(CHANGE, member(&team, &ben, "OWNER")).await, "FORBIDDEN", "not by oneself");
    assert_eq!(ada.ok(CHANGE, member(&team, &ben, "OWNER")).await["changeTeamMember"]["member"]["role"], "OWNER");
    assert_eq!(
        ben.ok(UPDATE, rename("Ben's", 1)).await["updateTeam"]["team"],
        json!({ "name": "Ben's", "version": 2 })
    );
    assert_eq!(ada.code(UPDATE, rename("Ada's", 1)).await, "CONFLICT");
    ben.ok(CHANGE, member(&team, &ada, "MEMBER")).await;
    assert_eq!(ada.code(UPDATE, rename("Ada's", 2)).await, "FORBIDDEN");
    let seen = ben.ok(TEAM, id(&team)).await["team"].clone();
    assert_eq!(pairs(&seen["bindings"], "subject"), ["ada reeve/team-member", "ben reeve/team-owner"]);
    assert_eq!(ada.code(CHANGE, member(&team, &server.sign_up("eve").await, "OWNER")).await, "FORBIDDEN");
    let stranger = server.sign_up("sam").await;
    assert_eq!(ben.code(CHANGE, member(&team, &stranger, "OWNER")).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_team_keeps_an_owner_and_a_personal_team_its_person() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let team = ada.create_team("Blue").await;
    ada.add_to_team(&ben, &team, "MEMBER").await;
    assert_eq!(reason(&ada, REMOVE, out(&team, &ada)).await, "LAST_OWNER");
    assert_eq!(reason(&ada, CHANGE, member(&team, &ada, "MEMBER")).await, "LAST_OWNER");
    ada.ok(CHANGE, member(&team, &ben, "OWNER")).await;
    ada.ok(REMOVE, out(&team, &ada)).await;
    assert_eq!(reason(&ben, REMOVE, out(&team, &ben)).await, "LAST_OWNER");
    let own = ada.ok("{ viewer { personalTeam { id } } }", json!({})).await;
    let own = own["viewer"]["personalTeam"]["id"].as_str().unwrap().to_owned();
    assert_eq!(reason(&ada, ADD, member(&own, &ben, "MEMBER")).await, "PERSONAL_TEAM");
    assert!(["PERSONAL_TEAM", "LAST_OWNER"].contains(&reason(&ada, REMOVE, out(&own, &ada)).await.as_str()));
    assert_eq!(reason(&ada, DELETE, json!({ "input": { "id": own } })).await, "PERSONAL_TEAM");
    assert_eq!(ben.code(ADD, member(&own, &ben, "OWNER")).await, "NOT_FOUND");
}

#[tokio::test]
async fn two_owners_who_leave_at_once_leave_one() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let team = ada.create_team("Blue").await;
    ada.add_to_team(&ben, &team, "OWNER").await;
    let (one, other) = tokio::join!(ada.query(REMOVE, out(&team, &ada)), ben.query(REMOVE, out(&team, &ben)));
    let went = [&one, &other].iter().filter(|response| response.errors.is_empty()).count();
    assert_eq!(went, 1, "{one:?}\n{other:?}");
    let stayed = if one.errors.is_empty() { &ben } else { &ada };
    assert_eq!(stayed.ok(TEAM, id(&team)).await["team"]["members"]["nodes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_lets_somebody_in_on_more_than_they_hold() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, ben, eve) = (server.sign_up("ada").await, server.sign_up("ben").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let team = ada.create_team("Admins").await;
    ada.grant_team(&team, "ownstak/admin", "acme").await;
    // Eve manages members of the team, given by the console's administrator, and is not in it.
    let manages =
        json!({ "input": { "subject": eve.account.email, "capability": "team.member.manage", "scope": team } });
    root.ok(GRANT, manages).await;
    let views = json!({ "input": { "subject": eve.account.email, "capability": "team.view", "scope": team } });
    root.ok(GRANT, views).await;
    for (user, role) in [(&eve, "MEMBER"), (&eve, "OWNER"), (&ben, "MEMBER")] {
        let refusal = eve.refusal(ADD, member(&team, user, role)).await;
        assert_eq!(refusal.code, "FORBIDDEN");
        assert_ne!(refusal.extensions["capability"], "team.member.manage", "it is what she lacks of the gift");
    }
    assert_eq!(eve.code(READ, id(&environment.id)).await, "NOT_FOUND");
    // With what it gives in hand she may, but as an owner she would make more than she is.
    ada.grant(&eve, "ownstak/admin", "acme").await;
    assert_eq!(eve.refusal(ADD, member(&team, &eve, "OWNER")).await.extensions["capability"], "team.update");
    eve.ok(ADD, member(&team, &eve, "MEMBER")).await;
    assert_eq!(eve.refusal(CHANGE, member(&team, &eve, "OWNER")).await.extensions["capability"], "team.update");
    ada.add_to_team(&ben, &team, "MEMBER").await;
    assert!(ben.can("access.manage", &environment.id).await || ben.can("environment.update", &environment.id).await);
}

#[tokio::test]
async fn a_team_that_others_depend_on_stays() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let team = ada.create_team("Blue").await;
    let create =
        "mutation($input: CreateOrganizationInput!) { createOrganization(input: $input) { organization { id } } }";
    ada.ok(create, json!({ "input": { "name": "blue", "teamId": team } })).await;
    assert_eq!(reason(&ada, DELETE, json!({ "input": { "id": team } })).await, "TEAM_MANAGES_ORGANIZATIONS");
    // A team that alone manages the access of an organization.
    let environment = ada.create_site().await;
    let admins = ada.create_team("Admins").await;
    ada.add_to_team(&ben, &admins, "MEMBER").await;
    ada.grant_team(&admins, "ownstak/admin", "acme").await;
    let bindings = "{ organization(path: \"acme\") { bindings { nodes { id subject { ... on User { name } } } } } }";
    let found = ada.ok(bindings, json!({})).await["organization"]["bindings"]["nodes"].clone();
    let own = found.as_array().unwrap().iter().find(|node| node["subject"]["name"] == "ada").unwrap()["id"].clone();
    ada.ok(
        "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }",
        json!({ "input": { "id": own } }),
    )
    .await;
    assert_eq!(reason(&ada, DELETE, json!({ "input": { "id": admins } })).await, "LAST_ACCESS_MANAGER");
    assert_eq!(ben.code(DELETE, json!({ "input": { "id": admins } })).await, "FORBIDDEN");
    // Once somebody else manages it, the team goes, and with it what it gave.
    ada.grant(&ada, "ownstak/admin", "acme").await;
    assert!(ben.can("environment.update", &environment.id).await);
    ada.ok(DELETE, json!({ "input": { "id": admins } })).await;
    assert_eq!(ben.code(READ, id(&environment.id)).await, "NOT_FOUND");
    assert_eq!(ada.code(TEAM, id(&admins)).await, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_held_on_behalf_of_a_team_sleeps_while_its_holder_is_out() {
    let server = TestServer::start().await;
    let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
    let team = ada.create_team("Blue").await;
    let create =
        "mutation($input: CreateOrganizationInput!) { createOrganization(input: $input) { organization { id } } }";
    let made = ada.ok(create, json!({ "input": { "name": "blue", "teamId": team } })).await;
    let organization = made["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned();
    ada.add_to_team(&ben, &team, "MEMBER").await;
    let on_behalf = json!({ "input": { "subject": ben.account.email, "role": "ownstak/viewer", "scope": organization,
        "onBehalfOf": team } });
    ada.ok(GRANT, on_behalf).await;
    let read = "query($id: ID!) { organization(id: $id) { id } }";
    ben.ok(read, id(&organization)).await;
    ben.ok(REMOVE, out(&team, &ben)).await;
    assert_eq!(ben.code(read, id(&organization)).await, "NOT_FOUND");
    ada.add_to_team(&ben, &team, "MEMBER").await;
    ben.ok(read, id(&organization)).await;
}

#[tokio::test]
async fn a_team_is_nothing_to_strangers_and_nonsense_is_refused() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let team = ada.create_team("Blue").await;
    for (document, variables) in [
        (ADD, member(&team, &eve, "OWNER")),
        (CHANGE, member(&team, &ada, "MEMBER")),
        (REMOVE, out(&team, &ada)),
        (REMOVE, out(&team, &eve)),
        (DELETE, json!({ "input": { "id": team } })),
        (UPDATE, json!({ "input": { "id": team, "name": "Hers", "expectedVersion": 1 } })),
        (TEAM, id(&team)),
    ] {
        assert_eq!(eve.code(document, variables.clone()).await, "NOT_FOUND", "{document}");
        assert_eq!(server.client().code(document, variables).await, "UNAUTHENTICATED", "{document}");
    }
    ada.add_to_team(&eve, &team, "MEMBER").await;
    assert_eq!(ada.code(ADD, member(&team, &eve, "OWNER")).await, "CONFLICT", "twice");
    let mut nobody = member(&team, &eve, "MEMBER");
    nobody["input"]["user"] = json!("nobody@example.com");
    assert_eq!(ada.code(ADD, nobody.clone()).await, "NOT_FOUND");
    assert_eq!(eve.code(ADD, nobody).await, "FORBIDDEN", "it tells no member who has an account");
    let create = "mutation($input: CreateTeamInput!) { createTeam(input: $input) { team { id } } }";
    assert_eq!(ada.code(create, json!({ "input": { "name": " \u{7} " } })).await, "INVALID_INPUT");
}
