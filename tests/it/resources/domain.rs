//! Custom domains: claimed by anybody, counted by their proof alone, and looked at again and again against a real DNS server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, DnsServer, Environment, TestServer, eventually, text};

const ADD: &str = "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain {
    id name state reason owned delegated proofName proofValue target redirectToHttps verifiedAt checkedAt } } }";
const VERIFY: &str =
    "mutation($id: ID!) { verifyDomain(input: { id: $id }) { domain { state reason owned delegated } } }";
const REMOVE: &str = "mutation($id: ID!) { removeDomain(input: { id: $id }) { removedId } }";
const LIST: &str = "query($id: ID!) { environment(id: $id) { domains { nodes {
    id name state reason owned delegated since verifiedAt checkedAt } } } }";

const NAME: &str = "www.customer.test";
const EDGE: &str = "edge.test. A 127.0.0.1";
const HERE: &str = "www.customer.test. CNAME edge.test.";

/// A server that asks a DNS server of ours, and often.
async fn server(dns: &DnsServer) -> TestServer {
    let address = dns.address();
    TestServer::start_with(|config| {
        config.dns_resolver = Some(address);
        config.domain_target = Some(reeve::domain::host::HostName::parse("edge.test").unwrap());
        config.domain_check = Duration::from_millis(200);
    })
    .await
}

async fn add(client: &Client, environment: &Environment, name: &str) -> Value {
    let input = json!({ "environmentId": environment.id, "name": name });
    client.ok(ADD, json!({ "input": input })).await["addDomain"]["domain"].clone()
}

fn proof(domain: &Value) -> String {
    format!("{}. TXT \"{}\"", text(&domain["proofName"]), text(&domain["proofValue"]))
}

async fn domains(client: &Client, environment: &Environment) -> Vec<Value> {
    let data = client.ok(LIST, json!({ "id": environment.id })).await;
    data["environment"]["domains"]["nodes"].as_array().unwrap().clone()
}

/// The only domain, as soon as it is in this state and the reason says so.
async fn becomes(client: &Client, environment: &Environment, state: &str, reason: &str) -> Value {
    eventually(&format!("the domain is {state} because {reason}"), async || {
        let found = domains(client, environment).await.pop()?;
        (found["state"] == state && text(&found["reason"]).contains(reason)).then_some(found)
    })
    .await
}

/// A site of Ada's with a domain that is proved.
async fn verified(server: &TestServer, dns: &DnsServer) -> (Client, Environment, Value) {
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let domain = add(&ada, &environment, NAME).await;
    dns.set(&[EDGE, HERE, &proof(&domain)]).await;
    becomes(&ada, &environment, "VERIFIED", "the proof is there").await;
    (ada, environment, domain)
}

#[tokio::test]
async fn a_domain_is_verified_and_lost_and_noticed() {
    let dns = DnsServer::start(&[EDGE]).await;
    let server = server(&dns).await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let domain = add(&ada, &environment, "WWW.Customer.Test.").await;
    assert_eq!(domain["name"], NAME);
    assert_eq!(domain["state"], "PENDING");
    assert_eq!(domain["target"], "edge.test");
    assert_eq!(domain["proofName"], "_reeve-challenge.www.customer.test");
    becomes(&ada, &environment, "PENDING", "there is no TXT record").await;
    assert_eq!(server.get(NAME, "/").await.status, 404, "a claim alone serves nothing");

    dns.set(&[EDGE, &proof(&domain)]).await;
    let proved = becomes(&ada, &environment, "PENDING", "the proof is there; `www.customer.test` leads nowhere").await;
    assert_eq!((&proved["owned"], &proved["delegated"]), (&json!(true), &json!(false)), "{proved}");

    dns.set(&[EDGE, HERE, &proof(&domain)]).await;
    let verified = becomes(&ada, &environment, "VERIFIED", "the proof is there, and the name leads here").await;
    assert!(verified["verifiedAt"].is_string() && verified["checkedAt"].is_string(), "{verified}");
    eventually("the domain is served", async || (server.get(NAME, "/").await.body == "hello").then_some(())).await;
    ada.deploy_static(&environment, &[("index.html", b"hello again")]).await;
    assert_eq!(server.get(NAME, "/").await.body, "hello again", "it leads where the environment's link does");

    dns.set(&[EDGE, HERE]).await;
    let lost = becomes(&ada, &environment, "LOST", "there is no TXT record").await;
    assert!(text(&lost["since"]) > text(&verified["since"]), "{lost}");
    eventually("it is served no more", async || (server.get(NAME, "/").await.status == 404).then_some(())).await;

    dns.set(&[EDGE, HERE, &proof(&domain)]).await;
    becomes(&ada, &environment, "VERIFIED", "the proof is there").await;
    eventually("it is served again", async || (server.get(NAME, "/").await.status == 200).then_some(())).await;
    ada.ok(REMOVE, json!({ "id": domain["id"] })).await;
    assert!(domains(&ada, &environment).await.is_empty());
    eventually("it is served no more", async || (server.get(NAME, "/").await.status == 404).then_some(())).await;
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_lost_and_goes_on_being_served() {
    let elsewhere = "www.customer.test. A 192.0.2.7";
    let apex = "www.customer.test. A 127.0.0.1";
    let dns = DnsServer::start(&[EDGE, apex]).await;
    let server = server(&dns).await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
    let domain = add(&ada, &environment, NAME).await;
    dns.set(&[EDGE, apex, &proof(&domain)]).await;
    becomes(&ada, &environment, "VERIFIED", "leads here").await;
    dns.set(&[EDGE, elsewhere, &proof(&domain)]).await;
    becomes(&ada, &environment, "LOST", "leads to `192.0.2.7`, which is not this edge").await;
    // Who still knows the old address is not turned away.
    eventually("it is served", async || (server.get(NAME, "/").await.body == "hello").then_some(())).await;
    dns.set(&[EDGE, apex, elsewhere, &proof(&domain)]).await;
    becomes(&ada, &environment, "LOST", "192.0.2.7").await;
}

#[tokio::test]
async fn a_dns_server_that_is_silent_takes_nothing_away() {
    let mut dns = DnsServer::start(&[EDGE, HERE]).await;
    let server = server(&dns).await;
    let (ada, environment, domain) = verified(&server, &dns).await;
    dns.stop();
    for _ in 0..2 {
        let answer = ada.ok(VERIFY, json!({ "id": domain["id"] })).await;
        let found = &answer["verifyDomain"]["domain"];
        assert_eq!(found["state"], "VERIFIED", "{found}");
        assert!(text(&found["reason"]).contains("could not be asked for"), "{found}");
    }
    assert_eq!(server.get(NAME, "/").await.body, "hello");
    dns.go_on().await;
    becomes(&ada, &environment, "VERIFIED", "the proof is there, and the name leads here").await;
}

#[tokio::test]
async fn a_claim_of_somebody_else_blocks_nobody_and_tells_nothing() {
    let dns = DnsServer::start(&[EDGE, HERE]).await;
    let server = server(&dns).await;
    let (ada, eve) = (server.sign_up("ada").await, server.sign_up("eve").await);
    let environment = ada.create_site().await;
    let organization = eve.create_organization("evil").await;
    let project = eve.create_project(&organization, "site").await;
    let hers = eve.create_environment(&project, "production", true).await;
    ada.deploy_static(&environment, &[("index.html", b"of ada")]).await;
    eve.deploy_static(&hers, &[("index.html", b"of eve")]).await;

    let of_eve = add(&eve, &hers, NAME).await;
    let of_ada = add(&ada, &environment, NAME).await;
    assert_ne!(of_eve["proofValue"], of_ada["proofValue"]);
    dns.set(&[EDGE, HERE, &proof(&of_ada)]).await;
    becomes(&ada, &environment, "VERIFIED", "the proof is there").await;
    // Eve is told the same as if nobody had the name.
    let told =
        becomes(&eve, &hers, "PENDING", "no TXT record `_reeve-challenge.www.customer.test` has the value").await;
    assert!(!text(&told["reason"]).contains("another"), "{told}");
    eventually("it is ada's", async || (server.get(NAME, "/").await.body == "of ada").then_some(())).await;

    // Both prove it: who had it first keeps it, and only now the other learns of it.
    dns.set(&[EDGE, HERE, &proof(&of_ada), &proof(&of_eve)]).await;
    let told = becomes(&eve, &hers, "PENDING", "so is that of another environment").await;
    assert_eq!(told["owned"], false);
    assert_eq!(domains(&ada, &environment).await[0]["state"], "VERIFIED");

    // The name has changed hands: it is served for one of them at every moment.
    dns.set(&[EDGE, HERE, &proof(&of_eve)]).await;
    becomes(&eve, &hers, "VERIFIED", "the proof is there").await;
    becomes(&ada, &environment, "LOST", "").await;
    eventually("it is eve's", async || (server.get(NAME, "/").await.body == "of eve").then_some(())).await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let environment = ada.create_site().await;
    for (name, constraint) in [
        ("*.example.com", "wildcard"),
        ("münchen.example", "not_ascii"),
        ("xn--zzzzzzzz99999.example", "punycode"),
        ("localhost", "not_public"),
        ("production--site.acme.localhost", "not_public"),
        ("127.0.0.1", "not_public"),
        ("example.com/x", "host"),
        ("", "host"),
    ] {
        let input = json!({ "environmentId": environment.id, "name": name });
        let refusal = ada.query(ADD, json!({ "input": input })).await.refusal();
        assert_eq!(refusal.code, "INVALID_INPUT", "{name}: {refusal:?}");
        let problem = &refusal.extensions["problems"][0];
        assert_eq!((&problem["field"], &problem["constraint"]), (&json!("name"), &json!(constraint)), "{refusal:?}");
    }
    add(&ada, &environment, NAME).await;
    let input = json!({ "environmentId": environment.id, "name": "WWW.CUSTOMER.TEST" });
    assert_eq!(ada.code(ADD, json!({ "input": input })).await, "CONFLICT");
    assert_eq!(domains(&ada, &environment).await.len(), 1);
}

#[tokio::test]
async fn a_domain_goes_with_its_environment() {
    let dns = DnsServer::start(&[EDGE, HERE]).await;
    let server = server(&dns).await;
    let (ada, environment, domain) = verified(&server, &dns).await;
    let delete = "mutation($id: ID!) { deleteEnvironment(input: { id: $id }) { deletedId } }";
    ada.ok(delete, json!({ "id": environment.id })).await;
    eventually("it is served no more", async || (server.get(NAME, "/").await.status == 404).then_some(())).await;
    assert_eq!(ada.code(VERIFY, json!({ "id": domain["id"] })).await, "NOT_FOUND");
}
