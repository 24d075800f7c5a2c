//! Certificates of custom domains, from an authority that really looks: obtained, shown, renewed, kept over a restart.

use std::time::Duration;

use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::harness::{Acme, Authority, Client, DnsServer, Environment, TestServer, eventually, text, visit};

const NAME: &str = "www.customer.test";
const EDGE: &str = "edge.test. A 127.0.0.1";
const HERE: &str = "www.customer.test. CNAME edge.test.";
const ADD: &str = "mutation($input: AddDomainInput!) { addDomain(input: $input) { domain {
    id proofName proofValue certificate { issuedAt } } } }";
const CERTIFICATE: &str = "query($id: ID!) { environment(id: $id) { domains { nodes {
    state reason certificate { issuedAt expiresAt nextTryAt failure } } } } }";

struct Story {
    dns: DnsServer,
    server: TestServer,
    ada: Client,
    environment: Environment,
    authority: Option<Authority>,
}

impl Story {
    /// A site with a domain that leads here; nobody issues certificates yet.
    async fn begin() -> Self {
        let dns = DnsServer::start(&[EDGE, HERE]).await;
        let authority = Authority::new();
        let (resolver, acme) = (dns.address(), authority.configuration());
        let server = TestServer::start_with(|config| {
            config.dns_resolver = Some(resolver);
            config.domain_target = Some(reeve::domain::host::HostName::parse("edge.test").unwrap());
            config.domain_check = Duration::from_millis(200);
            config.edge_tls_listen = Some(([127, 0, 0, 1], 0).into());
            config.acme = Some(acme);
        })
        .await;
        let ada = server.sign_up("ada").await;
        let environment = ada.create_site().await;
        ada.deploy_static(&environment, &[("index.html", b"hello")]).await;
        Self { dns, server, ada, environment, authority: Some(authority) }
    }

    async fn issue_for(&mut self, seconds: u64) -> Acme {
        self.authority.take().unwrap().start(self.server.edge_address(), &self.dns, seconds).await
    }

    async fn add_domain(&self) {
        let input = json!({ "environmentId": self.environment.id, "name": NAME });
        let data = self.ada.ok(ADD, json!({ "input": input })).await;
        let domain = &data["addDomain"]["domain"];
        assert_eq!(domain["certificate"], Value::Null);
        let proof = format!("{}. TXT \"{}\"", text(&domain["proofName"]), text(&domain["proofValue"]));
        self.dns.set(&[EDGE, HERE, &proof]).await;
    }

    /// What is said of the certificate, as soon as it is so.
    async fn told(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || {
            let data = self.ada.ok(CERTIFICATE, json!({ "id": self.environment.id })).await;
            let certificate = &data["environment"]["domains"]["nodes"][0]["certificate"];
            is(certificate).then(|| certificate.clone())
        })
        .await
    }

    /// Visits the domain over TLS, trusting one root; the page, and the serial number of what was shown.
    async fn visit(&self, root: &str) -> Option<(String, String)> {
        let address = self.server.edge_tls_address();
        let root = reqwest::Certificate::from_pem(root.as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(root)
            .resolve(NAME, address)
            .tls_info(true)
            .no_proxy()
            .build()
            .unwrap();
        let response = http.get(format!("https://{NAME}:{}/", address.port())).send().await.ok()?;
        let shown = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec();
        let serial = X509Certificate::from_der(&shown).unwrap().1.raw_serial_as_string();
        Some((response.text().await.unwrap(), serial))
    }
}

#[tokio::test]
async fn a_certificate_is_obtained_and_kept_over_a_restart() {
    let mut story = Story::begin().await;
    let acme = story.issue_for(3600).await;
    assert!(story.visit(&acme.root().await).await.is_none(), "without a certificate there is no connection");
    story.add_domain().await;
    let told = story.told("there is a certificate", |it| it["issuedAt"].is_string()).await;
    assert_eq!(told["failure"], Value::Null);
    assert!(text(&told["nextTryAt"]) < text(&told["expiresAt"]), "{told}");
    let root = acme.root().await;
    let (page, serial) = eventually("it is shown", async || story.visit(&root).await).await;
    assert_eq!(page, "hello");

    let plain = visit(story.server.edge_address(), NAME, "/a?b=c").send().await.unwrap();
    assert_eq!(plain.status(), 308);
    let there = format!("https://{NAME}:{}/a?b=c", story.server.edge_tls_address().port());
    assert_eq!(plain.headers()["location"], there.as_str());
    assert_eq!(story.server.get(&story.environment.url, "/").await.body, "hello", "links stay as they are");

    drop(acme);
    story.server.restart().await;
    story.ada = story.ada.at(story.server.api_address());
    assert_eq!(story.visit(&root).await, Some((page, serial)), "from the first moment on");
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_expires() {
    let mut story = Story::begin().await;
    let acme = story.issue_for(9).await;
    let root = acme.root().await;
    story.add_domain().await;
    let (_, first) = eventually("a certificate is shown", async || story.visit(&root).await).await;
    // Every visit on the way finds one that is good.
    let second = eventually("another is shown", async || {
        let (page, serial) = story.visit(&root).await.unwrap();
        assert_eq!(page, "hello");
        (serial != first).then_some(serial)
    })
    .await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_authority_that_is_gone_is_not_asked_again_at_once() {
    let story = Story::begin().await;
    story.add_domain().await;
    let told = story.told("the attempt has failed", |it| it["failure"].is_string()).await;
    assert!(text(&told["failure"]).contains("could not be reached"), "{told}");
    let next: chrono::DateTime<chrono::Utc> = text(&told["nextTryAt"]).parse().unwrap();
    let pause = next - reeve::sys::clock::now();
    assert!(pause > chrono::TimeDelta::minutes(4) && pause < chrono::TimeDelta::minutes(6), "{told}");
    assert_eq!(story.server.get(NAME, "/").await.body, "hello", "without a certificate nobody is sent to HTTPS");
}

#[tokio::test]
async fn what_an_authority_says_against_a_domain_is_told() {
    let mut story = Story::begin().await;
    // It looks for the proof where nobody answers.
    let acme = story.authority.take().unwrap().start(([127, 0, 0, 1], 1).into(), &story.dns, 3600).await;
    story.add_domain().await;
    let told = story.told("the attempt has failed", |it| it["failure"].is_string()).await;
    assert!(text(&told["failure"]).contains("the authority says"), "{told}");
    drop(acme);
}
