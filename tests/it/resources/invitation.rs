//! Invitations: by address, weighed when they are sent and when they are taken.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entities::ids::OrganizationId;
use reeve::config::Policy;
use reeve::domain::email::EmailAddress;
use reeve::service::invitation::{Invite, invite as invite_users};
use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer};

const INVITE: &str = "mutation($input: InviteUsersInput!) {
    inviteUsers(input: $input) { invitations { id email role destination expiresAt invitedBy { name } } } }";
const ACCEPT: &str = "mutation($input: InvitationInput!) {
    acceptInvitation(input: $input) { binding { id role scope } member { role } } }";
const DECLINE: &str = "mutation($input: InvitationInput!) { declineInvitation(input: $input) { declinedId } }";
const TAKE_BACK: &str = "mutation($input: InvitationInput!) { revokeInvitation(input: $input) { revokedId } }";
const MINE: &str = "{ viewer { invitations { nodes { id email role destination } } } }";
const THERE: &str = "{ organization(path: \"acme\") { invitations { nodes { id email } } } }";
const READ: &str = "query($id: ID!) { environment(id: $id) { id } }";
const REVOKE: &str = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";

fn to(scope: &str, role: &str, emails: &[&str]) -> Value {
    json!({ "input": { "scope": scope, "role": role, "emails": emails } })
}

fn one(id: &str) -> Value {
    json!({ "input": { "id": id } })
}

/// Invites somebody; the id of the invitation.
async fn invited(by: &Client, whom: &Client, role: &str, scope: &str) -> String {
    let data = by.ok(INVITE, to(scope, role, &[&whom.account.email])).await;
    data["inviteUsers"]["invitations"][0]["id"].as_str().unwrap().to_owned()
}

/// An invitation to `acme` that is too late from the beginning; its id.
async fn expired(server: &TestServer, by: &Client, whom: &Client) -> String {
    let there = by.ok("{ organization(path: \"acme\") { id } }", json!({})).await;
    let organization: OrganizationId = there["organization"]["id"].as_str().unwrap().parse().unwrap();
    let invite = Invite {
        scope: organization.into(),
        emails: BTreeSet::from([EmailAddress::parse(&whom.account.email).unwrap()]),
        role: "ownstak/viewer".to_owned(),
        valid_for: TimeDelta::hours(-1),
    };
    let rows = invite_users(&Policy::default(), &server.operation(by).await, invite).await.unwrap();
    rows[0].id.to_string()
}

async fn mine(client: &Client) -> Vec<Value> {
    client.ok(MINE, json!({})).await["viewer"]["invitations"]["nodes"].as_array().unwrap().clone()
}

async fn reason(client: &Client, document: &str, variables: Value) -> String {
    let refusal = client.refusal(document, variables).await;
    assert_eq!(refusal.code, "FAILED_PRECONDITION", "{refusal:?}");
    refusal.extensions["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_accepts_holds_what_was_offered_and_nothing_before() {
    let server = TestServer::start().await;
    let (ada, dev, eve) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let id = invited(&ada, &dev, "ownstak/editor", "acme/site").await;
    assert_eq!(dev.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
    let [waiting] = mine(&dev).await.try_into().unwrap();
    assert_eq!((&waiting["role"], &waiting["destination"]), (&json!("ownstak/editor"), &json!("acme/site")));
    assert_eq!(dev.notices().await, ["you are invited to `acme/site`"]);
    for document in [ACCEPT, DECLINE, TAKE_BACK] {
        assert_eq!(eve.code(document, one(&id)).await, "NOT_FOUND", "{document}");
        assert_eq!(server.client().code(document, one(&id)).await, "UNAUTHENTICATED", "{document}");
    }
    assert_eq!(ada.code(ACCEPT, one(&id)).await, "NOT_FOUND", "whoever sent it is not whom it is for");
    let accepted = dev.ok(ACCEPT, one(&id)).await["acceptInvitation"].clone();
    assert_eq!((&accepted["binding"]["role"], &accepted["member"]), (&json!("ownstak/editor"), &Value::Null));
    assert!(dev.can("deployment.create", &environment.id).await);
    assert!(mine(&dev).await.is_empty());
    assert_eq!(dev.code(ACCEPT, one(&id)).await, "NOT_FOUND", "once");
}

#[tokio::test]
async fn an_answer_tells_nobody_who_has_an_account() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    ada.create_site().await;
    let emails = [dev.account.email.as_str(), "Nobody@Example.com", "nobody@example.com"];
    let data = ada.ok(INVITE, to("acme", "ownstak/viewer", &emails)).await;
    let mut rows = data["inviteUsers"]["invitations"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2, "one address, one invitation");
    for row in &mut rows {
        for changing in ["id", "email", "expiresAt"] {
            row.as_object_mut().unwrap().remove(changing);
        }
    }
    assert_eq!(rows[0], rows[1]);
    // It is there once the account is.
    let email = format!("late-{}@example.com", dev.account.id);
    ada.ok(INVITE, to("acme", "ownstak/viewer", &[&email])).await;
    let sign_up =
        "mutation($input: SignUpInput!) { signUp(input: $input) { accessToken refreshToken user { id email } } }";
    let input = json!({ "email": email, "name": "late", "password": "a long secret for late" });
    let session = server.client().ok(sign_up, json!({ "input": input })).await;
    let late = server.client().holding(&session["signUp"]);
    let [waiting] = mine(&late).await.try_into().unwrap();
    late.ok(ACCEPT, one(waiting["id"].as_str().unwrap())).await;
    late.ok("{ organization(path: \"acme\") { id } }", json!({})).await;
}

#[tokio::test]
async fn nobody_offers_more_than_they_hold() {
    let server = TestServer::start().await;
    let (ada, ed, dev) = (server.sign_up("ada").await, server.sign_up("ed").await, server.sign_up("dev").await);
    ada.create_site().await;
    ada.grant(&ed, "ownstak/viewer", "acme").await;
    let refused = ed.refusal(INVITE, to("acme", "ownstak/viewer", &[&dev.account.email])).await;
    assert_eq!((refused.code.as_str(), &refused.extensions["capability"]), ("FORBIDDEN", &json!("member.invite")));
    // With the right to invite, and no more than a viewer's rights.
    let may = json!({ "input": { "subject": ed.account.email, "capability": "member.invite", "scope": "acme" } });
    ada.ok(GRANT, may).await;
    ed.ok(INVITE, to("acme", "ownstak/viewer", &[&dev.account.email])).await;
    for role in ["ownstak/editor", "ownstak/admin", "mia-console/company-owner"] {
        assert_eq!(ed.code(INVITE, to("acme", role, &[&ed.account.email])).await, "FORBIDDEN", "{role}");
    }
    assert_eq!(dev.code(INVITE, to("acme", "ownstak/viewer", &[&ed.account.email])).await, "NOT_FOUND");
    assert_eq!(ada.code(INVITE, to("console", "ownstak/viewer", &[&ed.account.email])).await, "INVALID_INPUT");
}

#[tokio::test]
async fn an_invitation_is_worth_what_its_sender_still_holds() {
    let server = TestServer::start().await;
    let root = server.administrator().await;
    let (ada, ben, dev) = (server.sign_up("ada").await, server.sign_up("ben").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let bens = ada.grant(&ben, "ownstak/admin", "acme").await;
    let id = invited(&ben, &dev, "ownstak/editor", "acme").await;
    ada.ok(REVOKE, one(&bens)).await;
    assert_eq!(reason(&dev, ACCEPT, one(&id)).await, "INVITATION_STALE");
    assert_eq!(dev.code(READ, json!({ "id": environment.id })).await, "NOT_FOUND");
    // It is not used up: with the right comes its worth.
    ada.grant(&ben, "ownstak/admin", "acme").await;
    let suspend = "mutation($input: SuspensionOfUserInput!) { suspendUser(input: $input) { suspended } }";
    root.ok(suspend, json!({ "input": { "user": ben.account.email } })).await;
    assert_eq!(reason(&dev, ACCEPT, one(&id)).await, "INVITATION_STALE");
    let resume = "mutation($input: SuspensionOfUserInput!) { resumeUser(input: $input) { suspended } }";
    root.ok(resume, json!({ "input": { "user": ben.account.email } })).await;
    dev.ok(ACCEPT, one(&id)).await;
    dev.ok(READ, json!({ "id": environment.id })).await;
}

#[tokio::test]
async fn what_is_late_taken_back_or_declined_is_gone() {
    let server = TestServer::start().await;
    let (ada, dev, ed) = (server.sign_up("ada").await, server.sign_up("dev").await, server.sign_up("ed").await);
    ada.create_site().await;
    ada.grant(&ed, "ownstak/editor", "acme").await;
    let id = invited(&ada, &dev, "ownstak/viewer", "acme").await;
    assert_eq!(ed.code(TAKE_BACK, one(&id)).await, "FORBIDDEN");
    assert_eq!(ada.ok(TAKE_BACK, one(&id)).await["revokeInvitation"]["revokedId"], id);
    assert_eq!(dev.code(ACCEPT, one(&id)).await, "NOT_FOUND");
    let id = invited(&ada, &dev, "ownstak/viewer", "acme").await;
    assert_eq!(dev.ok(DECLINE, one(&id)).await["declineInvitation"]["declinedId"], id);
    assert_eq!(dev.code(ACCEPT, one(&id)).await, "NOT_FOUND");
    assert_eq!(ada.ok(THERE, json!({})).await["organization"]["invitations"]["nodes"], json!([]));
    // A second invitation takes the place of the first.
    let first = invited(&ada, &dev, "ownstak/viewer", "acme").await;
    let second = invited(&ada, &dev, "ownstak/editor", "acme").await;
    assert_eq!(dev.code(ACCEPT, one(&first)).await, "NOT_FOUND");
    // One that has expired, which no door makes in a moment.
    let late = expired(&server, &ada, &dev).await;
    assert!(mine(&dev).await.is_empty());
    assert_eq!(reason(&dev, ACCEPT, one(&late)).await, "INVITATION_EXPIRED");
    assert_eq!(dev.code(ACCEPT, one(&second)).await, "NOT_FOUND");
}

#[tokio::test]
async fn one_invitation_is_taken_once_however_often_at_once() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    ada.create_site().await;
    let id = invited(&ada, &dev, "ownstak/viewer", "acme").await;
    let takes = (0..4).map(|_| dev.query(ACCEPT, one(&id)));
    let done = futures_util::future::join_all(takes).await;
    assert_eq!(done.iter().filter(|response| response.errors.is_empty()).count(), 1, "{done:?}");
    // What is held already is not held twice.
    let again = invited(&ada, &dev, "ownstak/viewer", "acme").await;
    dev.ok(ACCEPT, one(&again)).await;
    let bindings = "{ organization(path: \"acme\") { bindings { nodes { id } } } }";
    let held = ada.ok(bindings, json!({})).await["organization"]["bindings"]["nodes"].as_array().unwrap().len();
    assert_eq!(held, 2, "Ada's and Dev's");
}

#[tokio::test]
async fn who_is_removed_does_not_come_back_by_an_old_invitation() {
    let server = TestServer::start().await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    ada.create_site().await;
    ada.grant(&dev, "ownstak/viewer", "acme").await;
    let id = invited(&ada, &dev, "ownstak/editor", "acme/site").await;
    let remove = "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { revokedIds } }";
    ada.ok(remove, json!({ "input": { "scope": "acme", "user": dev.account.email } })).await;
    assert_eq!(dev.code(ACCEPT, one(&id)).await, "NOT_FOUND");
}

#[tokio::test]
async fn people_are_invited_to_teams_by_those_who_hold_what_the_team_holds() {
    let server = TestServer::start().await;
    let (ada, ben, dev) = (server.sign_up("ada").await, server.sign_up("ben").await, server.sign_up("dev").await);
    let environment = ada.create_site().await;
    let team = ada.create_team("Blue").await;
    ada.add_to_team(&ben, &team, "OWNER").await;
    let id = invited(&ben, &dev, "member", &team).await;
    // What the team holds by then counts, not what it held when Ben invited: he holds it as a member.
    ada.grant_team(&team, "ownstak/editor", "acme").await;
    let accepted = dev.ok(ACCEPT, one(&id)).await["acceptInvitation"].clone();
    assert_eq!(accepted["member"]["role"], "MEMBER");
    assert!(dev.can("deployment.create", &environment.id).await);
    assert_eq!(dev.code(INVITE, to(&team, "member", &["x@example.com"])).await, "FORBIDDEN");
    let again = invited(&ben, &dev, "owner", &team).await;
    assert_eq!(dev.code(ACCEPT, one(&again)).await, "CONFLICT", "in it already");
    // Somebody who owns it no longer.
    let eve = server.sign_up("eve").await;
    let late = invited(&ben, &eve, "member", &team).await;
    let change = "mutation($input: TeamMemberInput!) { changeTeamMember(input: $input) { member { role } } }";
    ada.ok(change, json!({ "input": { "teamId": team, "user": ben.account.email, "role": "MEMBER" } })).await;
    assert_eq!(reason(&eve, ACCEPT, one(&late)).await, "INVITATION_STALE");
    let listed = "query($id: ID!) { team(id: $id) { invitations { nodes { email } } } }";
    let waiting = dev.ok(listed, json!({ "id": team })).await["team"]["invitations"]["nodes"].clone();
    assert_eq!(waiting.as_array().unwrap().len(), 2);
    let own = ada.ok("{ viewer { personalTeam { id } } }", json!({})).await;
    let own = own["viewer"]["personalTeam"]["id"].as_str().unwrap().to_owned();
    assert_eq!(reason(&ada, INVITE, to(&own, "member", &["x@example.com"])).await, "PERSONAL_TEAM");
}

#[tokio::test]
async fn nonsense_is_refused_with_the_field() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    let many: Vec<String> = (0..51).map(|number| format!("p{number}@example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = json!({ "input": { "scope": "acme", "role": "ownstak/viewer", "emails": ["a@example.com"],
        "expiresInDays": 91 } });
    for (field, variables) in [
        ("emails", to("acme", "ownstak/viewer", &[])),
        ("emails", to("acme", "ownstak/viewer", &many)),
        ("emails[1]", to("acme", "ownstak/viewer", &["a@example.com", "no address"])),
        ("role", to("acme", "ownstak/king", &["a@example.com"])),
        ("expiresInDays", long),
    ] {
        let refusal = ada.refusal(INVITE, variables).await;
        assert_eq!(refusal.code, "INVALID_INPUT");
        assert_eq!(refusal.extensions["problems"][0]["field"], field);
    }
    assert_eq!(ada.code(INVITE, to("nowhere", "ownstak/viewer", &["a@example.com"])).await, "NOT_FOUND");
}
