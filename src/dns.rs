//! Asks DNS about customers' domains: is the proof there, and does the name lead here. And where hosts are that customers name. Nothing is remembered between two
//! questions, so that a change is seen at once. It must not know what follows from the answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::domain::custom_domain::{Finding, proof_name};
use crate::error::{Error, Result};

/// For one try of one question; each is tried twice.
const TIMEOUT: Duration = Duration::from_secs(2);
/// For everything about one domain.
const ALTOGETHER: Duration = Duration::from_secs(10);

/// What DNS says of one domain.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether the proof is there.
    pub proof: Finding,
    /// Whether the name leads to this edge.
    pub delegation: Finding,
    /// Everything that stands where the proof is looked for: somebody else's proof may be there as well.
    pub texts: Vec<String>,
}

/// What can be asked.
pub struct Dns {
    resolver: TokioResolver,
    target: String,
}

/// Why there is no answer.
enum Failure {
    /// There is no such record, says one who knows.
    Nothing,
    /// Nobody knows.
    Unclear(String),
}

impl Dns {
    /// Asks `server`, or those that this machine asks. Names lead here when they lead where `target` does.
    ///
    /// # Errors
    /// `Unavailable` when this machine has no usable `/etc/resolv.conf`.
    pub fn open(server: Option<SocketAddr>, target: String) -> Result<Self> {
        let failed = |error: NetError| {
            Error::Unavailable(format!("DNS cannot be set up ({error}); name a server with `dns_resolver`"))
        };
        let mut builder = match server {
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(failed)?,
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = TIMEOUT;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: builder.build().map_err(failed)?, target })
    }

    /// Where customers point their domains to.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Asks about a domain and its proof.
    pub async fn look(&self, domain: &str, token: &str) -> Seen {
        let both = async { tokio::join!(self.proof(domain, token), self.delegation(domain)) };
        match tokio::time::timeout(ALTOGETHER, both).await {
            Ok(((proof, texts), delegation)) => Seen { proof, delegation, texts },
            Err(_) => {
                let silence = || Finding::Unclear("DNS did not answer in time".to_owned());
                Seen { proof: silence(), delegation: silence(), texts: Vec::new() }
            }
        }
    }

    /// Where a host is; nowhere if there is no such host.
    ///
    /// # Errors
    /// Why nobody knows, in words.
    pub async fn reach(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        match tokio::time::timeout(ALTOGETHER, self.addresses(host)).await {
            Ok(found) => found.map(|addresses| addresses.into_iter().collect()),
            Err(_) => Err("DNS did not answer in time".to_owned()),
        }
    }

    async fn proof(&self, domain: &str, token: &str) -> (Finding, Vec<String>) {
        let name = proof_name(domain);
        let texts = match self.records(&name, RecordType::TXT).await {
            Ok(found) => found.iter().filter_map(text).collect(),
            Err(Failure::Nothing) => Vec::new(),
            Err(Failure::Unclear(why)) => {
                return (Finding::Unclear(format!("`{name}` could not be asked for ({why})")), Vec::new());
            }
        };
        let finding = if texts.iter().any(|text| text == token) {
            Finding::Yes
        } else if texts.is_empty() {
            Finding::No(format!("there is no TXT record `{name}`; add it with the value `{token}`"))
        } else {
            Finding::No(format!("no TXT record `{name}` has the value `{token}`; add one that does"))
        };
        (finding, texts)
    }

    async fn delegation(&self, domain: &str) -> Finding {
        let unclear = |why: &str| Finding::Unclear(format!("where `{domain}` leads could not be asked for ({why})"));
        let target = self.target.as_str();
        match self.records(domain, RecordType::CNAME).await {
            Ok(found) if found.iter().any(|record| is_alias_of(record, target)) => return Finding::Yes,
            Ok(_) | Err(Failure::Nothing) => {}
            Err(Failure::Unclear(why)) => return unclear(&why),
        }
        let (addresses, here) = tokio::join!(self.addresses(domain), self.addresses(target));
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(why) => return unclear(&why),
        };
        if addresses.is_empty() {
            return Finding::No(format!("`{domain}` leads nowhere; make it a CNAME for `{target}`"));
        }
        let here = match here {
            Ok(here) => here,
            Err(why) => return unclear(&why),
        };
        match addresses.iter().find(|address| !here.contains(address)) {
            None => Finding::Yes,
            Some(other) => Finding::No(format!(
                "`{domain}` leads to `{other}`, which is not this edge; make it a CNAME for `{target}`, or give it the \
                 addresses of that"
            )),
        }
    }

    /// All addresses of a name, of both families.
    async fn addresses(&self, name: &str) -> Result<BTreeSet<IpAddr>, String> {
        let (four, six) = tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
        let mut addresses = BTreeSet::new();
        for answer in [four, six] {
            match answer {
                Ok(found) => addresses.extend(found.iter().filter_map(RData::ip_addr)),
                Err(Failure::Nothing) => {}
                Err(Failure::Unclear(why)) => return Err(why),
            }
        }
        Ok(addresses)
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Failure> {
        // The dot keeps the search list of this machine out.
        match self.resolver.lookup(format!("{name}."), kind).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) => Err(failure(&error)),
        }
    }
}

/// A server that only names others, as one does that is asked for what it is not there for, has not answered.
fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.soa.is_some() || none.ns.is_none() => Failure::Nothing,
        NetError::Dns(DnsError::NoRecordsFound(_)) => {
            Failure::Unclear("the server that was asked only names others".to_owned())
        }
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::Unclear(format!("the answer was {code}")),
        NetError::Timeout => Failure::Unclear("no answer in time".to_owned()),
        other => {
            tracing::debug!(error = %other, "a question to DNS failed");
            Failure::Unclear("no usable answer".to_owned())
        }
    }
}

fn text(record: &RData) -> Option<String> {
    let RData::TXT(text) = record else { return None };
    String::from_utf8(text.txt_data.concat()).ok()
}

fn is_alias_of(record: &RData, target: &str) -> bool {
    let RData::CNAME(alias) = record else { return false };
    alias.0.to_ascii().trim_end_matches('.').eq_ignore_ascii_case(target)
}
