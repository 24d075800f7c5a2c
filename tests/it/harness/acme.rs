//! An authority of one's own that issues certificates: Debian's `pebble`, which really looks whether a name leads to the edge.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::process::{Child, Command};

use super::{DnsServer, eventually};

/// An authority that is not there yet: its address and its root are known, so that a server can be set up for it.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    address: SocketAddr,
    management: SocketAddr,
}

/// A running authority. It goes with the story.
pub(crate) struct Acme {
    authority: Authority,
    http: reqwest::Client,
    _program: Child,
}

impl Authority {
    /// Makes the keys that its own address is known by.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&key).unwrap();
        let own = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&own, &Issuer::new(ca, key)).unwrap();
        for (name, text) in [("root.pem", root.pem()), ("own.pem", leaf.pem()), ("own.key", own.serialize_pem())] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, address: free(), management: free() }
    }

    /// How a server is told of it.
    pub(crate) fn configuration(&self) -> reeve::acme::Authority {
        reeve::acme::Authority {
            directory: format!("https://{}/dir", self.address),
            ca_root: Some(self.folder.path().join("root.pem")),
            contact: Some("mailto:ops@example.com".to_owned()),
        }
    }

    /// Begins to issue certificates that are good for so many seconds, for names that lead to `edge` as `dns` says.
    pub(crate) async fn start(self, edge: SocketAddr, dns: &DnsServer, seconds: u64) -> Acme {
        let at = |name: &str| self.folder.path().join(name);
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": self.address.to_string(),
            "managementListenAddress": self.management.to_string(),
            "certificate": at("own.pem"),
            "privateKey": at("own.key"),
            "httpPort": edge.port(),
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": seconds,
        } });
        std::fs::write(at("pebble.json"), configuration.to_string()).unwrap();
        let program = Command::new("pebble")
            .arg("-config")
            .arg(at("pebble.json"))
            .args(["-dnsserver", &dns.address().to_string()])
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0"), ("PEBBLE_AUTHZREUSE", "0")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("pebble does not start ({error}); scripts/test.sh installs it"));
        let root = reqwest::Certificate::from_pem(&std::fs::read(at("root.pem")).unwrap()).unwrap();
        let http = reqwest::Client::builder().add_root_certificate(root).no_proxy().build().unwrap();
        let acme = Acme { authority: self, http, _program: program };
        eventually("the authority answers", async || acme.get(acme.authority.address, "/dir").await).await;
        acme
    }
}

impl Acme {
    /// The root that vouches for what it issues.
    pub(crate) async fn root(&self) -> String {
        self.get(self.authority.management, "/roots/0").await.unwrap()
    }

    async fn get(&self, address: SocketAddr, path: &str) -> Option<String> {
        self.http.get(format!("https://{address}{path}")).send().await.ok()?.text().await.ok()
    }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
