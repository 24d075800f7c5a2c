//! Organizations that go from team to team, and what goes with them.

use reeve::config::Config;
use serde_json::{Value, json};

use crate::harness::{Client, GRANT, TestServer};

const CREATE: &str =
    "mutation($input: CreateOrganizationInput!) { createOrganization(input: $input) { organization { id } } }";
const OFFER: &str = "mutation($input: OfferTransferInput!) { offerTransfer(input: $input) { transfer { id } } }";
const ACCEPT: &str = "mutation($input: TransferInput!) {
    acceptTransfer(input: $input) { organizationId organization { team { id } } } }";
const WITHDRAW: &str = "mutation($input: TransferInput!) { withdrawTransfer(input: $input) { withdrawnId } }";
const READ: &str = "query($id: ID!) { organization(id: $id) { id } }";
const OFFERED: &str = "query($id: ID!) { team(id: $id) { offeredOrganizations { nodes {
    id organizationPath offeredBy { name } } } } }";

/// A team of Ada's with an organization, and one of Ben's.
struct Two {
    server: TestServer,
    ada: Client,
    ben: Client,
    old: String,
    new: String,
    organization: String,
}

impl Two {
    async fn new() -> Self {
        Self::at(TestServer::start().await).await
    }

    async fn at(server: TestServer) -> Self {
        let (ada, ben) = (server.sign_up("ada").await, server.sign_up("ben").await);
        let (old, new) = (ada.create_team("Old").await, ben.create_team("New").await);
        let made = ada.ok(CREATE, json!({ "input": { "name": "acme", "teamId": old } })).await;
        let organization = made["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned();
        Self { server, ada, ben, old, new, organization }
    }

    fn to(&self, team: &str) -> Value {
        json!({ "input": { "organizationId": self.organization, "teamId": team } })
    }

    async fn offer(&self, by: &Client, team: &str) -> String {
        let data = by.ok(OFFER, self.to(team)).await;
        data["offerTransfer"]["transfer"]["id"].as_str().unwrap().to_owned()
    }

    async fn reads(&self, client: &Client) -> bool {
        client.query(READ, json!({ "id": self.organization })).await.errors.is_empty()
    }
}

fn one(id: &str) -> Value {
    json!({ "input": { "id": id } })
}

#[tokio::test]
async fn what_is_held_on_behalf_of_a_team_sleeps_while_another_manages() {
    let two = Two::new().await;
    let (ada, ben) = (&two.ada, &two.ben);
    let dev = two.server.sign_up("dev").await;
    ada.add_to_team(&dev, &two.old, "MEMBER").await;
    let project = ada.create_project(&two.organization, "site").await;
    for (role, scope) in [("ownstak/viewer", &two.organization), ("ownstak/editor", &project)] {
        let input = json!({ "subject": dev.account.email, "role": role, "scope": scope, "onBehalfOf": two.old });
        ada.ok(GRANT, json!({ "input": input })).await;
    }
    assert!(two.reads(&dev).await && dev.can("member.view", &project).await);
    let offer = two.offer(ada, &two.new).await;
    assert!(two.reads(&dev).await, "an offer changes nothing");
    let accepted = ben.ok(ACCEPT, one(&offer)).await["acceptTransfer"].clone();
    assert_eq!(accepted["organizationId"], two.organization);
    assert!(!two.reads(&dev).await, "dead at once");
    assert_eq!(dev.code("query($id: ID!) { project(id: $id) { id } }", json!({ "id": project })).await, "NOT_FOUND");
    assert!(two.reads(ada).await, "what was bound without a condition stays");
    for client in [ada, ben] {
        assert_eq!(client.notices().await[0], "`acme` was transferred");
    }
    // And back: it lives again.
    let back = two.offer(ada, &two.old).await;
    ada.ok(ACCEPT, one(&back)).await;
    assert!(two.reads(&dev).await && dev.can("member.view", &project).await);
}

#[tokio::test]
async fn what_a_team_manages_follows_the_organization() {
    // Owners of a team reach everything that the team manages.
    let owners = |config: &mut Config| config.policy.team_creator = "codetainer/team-owner".to_owned();
    let two = Two::at(TestServer::start_with(owners).await).await;
    let olaf = two.server.sign_up("olaf").await;
    two.ada.add_to_team(&olaf, &two.old, "OWNER").await;
    assert!(two.reads(&olaf).await && !two.reads(&two.ben).await);
    let offer = two.offer(&two.ada, &two.new).await;
    two.ben.ok(ACCEPT, one(&offer)).await;
    assert!(!two.reads(&olaf).await && two.reads(&two.ben).await);
}

#[tokio::test]
async fn an_offer_is_made_once_and_answered_by_those_it_is_for() {
    let two = Two::new().await;
    let (ada, ben) = (&two.ada, &two.ben);
    let eve = two.server.sign_up("eve").await;
    assert_eq!(eve.code(OFFER, two.to(&two.new)).await, "NOT_FOUND");
    assert_eq!(ben.code(OFFER, two.to(&two.new)).await, "NOT_FOUND", "nobody takes what is not offered");
    assert_eq!(ada.code(OFFER, two.to(&two.old)).await, "INVALID_INPUT");
    assert_eq!(ada.code(OFFER, two.to("team_00000000000000000000000000")).await, "NOT_FOUND");
    let offer = two.offer(ada, &two.new).await;
    assert_eq!(ada.code(OFFER, two.to(&two.new)).await, "CONFLICT");
    assert_eq!(ben.notices().await, ["`acme` is offered to you"]);
    let seen = ben.ok(OFFERED, json!({ "id": two.new })).await["team"]["offeredOrganizations"]["nodes"].clone();
    assert_eq!(seen, json!([{ "id": offer, "organizationPath": "acme", "offeredBy": { "name": "ada" } }]));
    let pending = "query($id: ID!) { organization(id: $id) { transfer { id teamId team { id } } } }";
    let told = ada.ok(pending, json!({ "id": two.organization })).await["organization"]["transfer"].clone();
    assert_eq!(told, json!({ "id": offer, "teamId": two.new, "team": null }), "a team that Ada may not view");
    for client in [&eve, ada] {
        assert_eq!(client.code(ACCEPT, one(&offer)).await, "NOT_FOUND");
    }
    assert_eq!(eve.code(WITHDRAW, one(&offer)).await, "NOT_FOUND");
    assert_eq!(ben.ok(WITHDRAW, one(&offer)).await["withdrawTransfer"]["withdrawnId"], offer, "declined");
    assert_eq!(ben.code(ACCEPT, one(&offer)).await, "NOT_FOUND");
    let offer = two.offer(ada, &two.new).await;
    ada.ok(WITHDRAW, one(&offer)).await;
    assert_eq!(ben.code(ACCEPT, one(&offer)).await, "NOT_FOUND");
    assert!(!two.reads(ben).await);
}

#[tokio::test]
async fn an_offer_is_accepted_or_withdrawn_never_both() {
    let two = Two::new().await;
    let offer = two.offer(&two.ada, &two.new).await;
    let (taken, back) = tokio::join!(two.ben.query(ACCEPT, one(&offer)), two.ada.query(WITHDRAW, one(&offer)));
    assert_ne!(taken.errors.is_empty(), back.errors.is_empty(), "{taken:?}\n{back:?}");
    let team = "query($id: ID!) { team(id: $id) { offeredOrganizations { nodes { id } } } }";
    let left = two.ben.ok(team, json!({ "id": two.new })).await;
    assert_eq!(left["team"]["offeredOrganizations"]["nodes"], json!([]));
}

#[tokio::test]
async fn an_organization_is_not_left_without_somebody_who_manages_its_access() {
    let two = Two::new().await;
    let bindings = "query($id: ID!) { organization(id: $id) { bindings { nodes { id } } } }";
    let first = two.ada.ok(bindings, json!({ "id": two.organization })).await;
    let first = first["organization"]["bindings"]["nodes"][0]["id"].clone();
    // Only somebody on behalf of the old team manages access.
    let admin = |user: &Client, team: Option<&str>| {
        let (subject, scope) = (&user.account.email, &two.organization);
        json!({ "input": { "subject": subject, "role": "ownstak/admin", "scope": scope, "onBehalfOf": team } })
    };
    two.ada.ok(GRANT, admin(&two.ada, Some(&two.old))).await;
    let revoke = "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";
    two.ada.ok(revoke, json!({ "input": { "id": first } })).await;
    let offer = two.offer(&two.ada, &two.new).await;
    let refusal = two.ben.refusal(ACCEPT, one(&offer)).await;
    assert_eq!(refusal.extensions["reason"], "LAST_ACCESS_MANAGER");
    assert!(two.reads(&two.ada).await);
    two.ada.ok(GRANT, admin(&two.ben, None)).await;
    two.ben.ok(ACCEPT, one(&offer)).await;
    assert!(two.reads(&two.ben).await && !two.reads(&two.ada).await);
}

#[tokio::test]
async fn an_offer_of_somebody_who_may_not_make_it_any_more_is_stale() {
    let two = Two::new().await;
    let (ada, ben) = (&two.ada, &two.ben);
    let mallory = two.server.sign_up("mallory").await;
    let binding = ada.grant(&mallory, "ownstak/admin", &two.organization).await;
    let may = "query($id: ID!) { organization(id: $id) { viewerCan(capabilities: [\"organization.transfer\"]) { allowed } } }";
    assert_eq!(
        mallory.ok(may, json!({ "id": two.organization })).await["organization"]["viewerCan"][0]["allowed"],
        true
    );
    let offer = two.offer(&mallory, &two.new).await;
    ada.ok(
        "mutation($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }",
        json!({ "input": { "id": binding } }),
    )
    .await;
    let refused = ben.query(ACCEPT, one(&offer)).await;
    assert_eq!(refused.errors[0]["extensions"]["reason"], "TRANSFER_STALE");
    assert!(!two.reads(ben).await, "nothing has moved");
    ada.ok(WITHDRAW, one(&offer)).await;
    let again = two.offer(ada, &two.new).await;
    ben.ok(ACCEPT, one(&again)).await;
}
