//! How an installation is set up: defaults < file < environment < flags. Every default is real: it runs on one machine with
//! nothing but this program.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

mod work;

pub use work::{Builds, Logs};

use crate::acme::Authority;
use crate::authz::Packs;
use crate::domain::host::{BaseDomain, HostName, Link};
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::store::Store;

mod outbox;

pub use outbox::{Mail, Outbox, Password};

/// How this installation is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of everything that this machine keeps.
    pub data: PathBuf,
    /// URL of the database; SQLite in the data folder if there is none.
    pub database_url: Option<String>,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where deployments are served.
    pub edge_listen: SocketAddr,
    /// Where deployments are served over HTTPS; nowhere if it is not said.
    pub edge_tls_listen: Option<SocketAddr>,
    /// The port at which visitors reach that; the one that it listens on if it is not said.
    pub https_port: Option<u16>,
    /// Who issues certificates for custom domains; nobody if it is not said.
    pub acme: Option<Authority>,
    /// Links end in it.
    pub base_domain: BaseDomain,
    /// How clients reach the API; by its listening address if it is not said.
    pub public_url: Option<String>,
    /// How links begin and end, e.g. `https://localhost`; by the listening address if it is not said.
    pub edge_url: Option<String>,
    /// Base64 of the key that seals secrets; a file in the data folder if there is none.
    pub master_key: Option<String>,
    /// The DNS server that is asked about custom domains; those that this machine asks if it is not said.
    pub dns_resolver: Option<SocketAddr>,
    /// What customers point their domains to; the base domain if it is not said.
    pub domain_target: Option<HostName>,
    /// How often DNS is asked about a custom domain.
    pub domain_check: Duration,
    /// Roles that come with making things.
    pub policy: Policy,
    /// Where repositories may be.
    pub git: Git,
    /// How others are told of what happens.
    pub outbox: Outbox,
    /// How mail is sent.
    pub mail: Mail,
    /// The password of the mail server.
    pub smtp_password: Option<Password>,
    /// What builds may use.
    pub builds: Builds,
    /// How much of logs is kept.
    pub logs: Logs,
    /// Attempts to sign in or up, from one client address.
    pub sign_in_attempts_per_minute: NonZeroU32,
    /// How long a worker may be silent before another takes over its action.
    pub lease: Duration,
    /// How long streams and sockets may go on after a switch.
    pub drain_grace: Duration,
    /// How long a program gets to stop by itself.
    pub stop_grace: Duration,
    /// A server that cannot isolate programs does not start.
    pub production: bool,
    /// Whether programs are isolated as well as the machine can.
    pub isolation: Isolation,
    /// Users of the machine, one of which each project gets.
    pub users: RangeInclusive<u32>,
}

/// Whether programs are isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// As well as the machine can.
    Auto,
    /// Not at all: for a developer's own machine, where programs may need what lies in home folders.
    None,
}

/// Users that nobody else has: systemd gives containers those up to 1879048191, and from 2147483646 on they are reserved.
const USERS: RangeInclusive<u32> = 2_000_000_000..=2_000_065_535;

/// Roles that come with making things.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What the maker of a team, and every other owner, becomes there.
    pub team_creator: String,
    /// What a member of a team who is no owner becomes there.
    pub team_member: String,
    /// What the maker of an organization becomes there.
    pub organization_creator: String,
}

/// Where repositories may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Git {
    /// How they are spoken to, of `https`, `http` and `file`.
    pub protocols: Vec<String>,
    /// Whether they may be on this machine, or in a network that is not public.
    pub private_addresses: bool,
    /// After so many seconds, fetching is given up.
    pub timeout_seconds: u64,
}

impl Default for Git {
    fn default() -> Self {
        Self { protocols: vec!["https".to_owned()], private_addresses: false, timeout_seconds: 120 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            team_creator: "reeve/team-owner".into(),
            team_member: "reeve/team-member".into(),
            organization_creator: "ownstak/admin".into(),
        }
    }
}

/// What a file or flags say; what they leave out stays as it is.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    /// See [`Config::data`].
    pub data: Option<PathBuf>,
    /// See [`Config::database_url`].
    pub database_url: Option<String>,
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Config::edge_listen`].
    pub edge_listen: Option<SocketAddr>,
    /// See [`Config::edge_tls_listen`].
    pub edge_tls_listen: Option<SocketAddr>,
    /// See [`Config::https_port`].
    pub https_port: Option<u16>,
    /// See [`Config::acme`].
    pub acme: Option<Authority>,
    /// See [`Config::base_domain`].
    pub base_domain: Option<String>,
    /// See [`Config::public_url`].
    pub public_url: Option<String>,
    /// See [`Config::edge_url`].
    pub edge_url: Option<String>,
    /// See [`Config::dns_resolver`].
    pub dns_resolver: Option<SocketAddr>,
    /// See [`Config::domain_target`].
    pub domain_target: Option<String>,
    /// See [`Config::domain_check`].
    pub domain_check_seconds: Option<u64>,
    /// See [`Config::policy`].
    pub policy: Option<Policy>,
    /// See [`Config::git`].
    pub git: Option<Git>,
    /// See [`Config::outbox`].
    pub outbox: Option<Outbox>,
    /// See [`Config::mail`].
    pub mail: Option<Mail>,
    /// See [`Config::builds`].
    pub builds: Option<Builds>,
    /// See [`Config::logs`].
    pub logs: Option<Logs>,
    /// See [`Config::sign_in_attempts_per_minute`].
    pub sign_in_attempts_per_minute: Option<NonZeroU32>,
    /// See [`Config::lease`].
    pub lease_seconds: Option<u64>,
    /// See [`Config::drain_grace`].
    pub drain_grace_seconds: Option<u64>,
    /// See [`Config::stop_grace`].
    pub stop_grace_seconds: Option<u64>,
    /// See [`Config::production`].
    pub production: Option<bool>,
    /// See [`Config::isolation`].
    pub isolation: Option<Isolation>,
    /// See [`Config::users`]: the first and the last.
    pub users: Option<(u32, u32)>,
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// `InvalidInput` with the line and what is allowed there.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::invalid("config", "syntax", format!("the configuration file: {e}")))
    }
}

impl Config {
    /// What holds where nobody says otherwise.
    ///
    /// # Errors
    /// `InvalidInput` for a data folder that is no path.
    pub fn defaults(data: PathBuf) -> Result<Self> {
        let data = absolute(data)?;
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self {
            data,
            database_url: None,
            listen: local(8000),
            edge_listen: local(8080),
            edge_tls_listen: None,
            https_port: None,
            acme: None,
            base_domain: BaseDomain::parse("localhost")?,
            public_url: None,
            edge_url: None,
            master_key: None,
            dns_resolver: None,
            domain_target: None,
            domain_check: Duration::from_secs(300),
            policy: Policy::default(),
            git: Git::default(),
            outbox: Outbox::default(),
            mail: Mail::default(),
            smtp_password: None,
            builds: Builds::default(),
            logs: Logs::default(),
            sign_in_attempts_per_minute: NonZeroU32::MIN.saturating_add(29),
            lease: Duration::from_secs(15),
            drain_grace: Duration::from_secs(30),
            stop_grace: Duration::from_secs(10),
            production: false,
            isolation: Isolation::Auto,
            users: USERS,
        })
    }

    /// Lays `layer` over this.
    ///
    /// # Errors
    /// `InvalidInput` for values that cannot be.
    pub fn with(mut self, layer: Layer) -> Result<Self> {
        self.data = layer.data.map(absolute).transpose()?.unwrap_or(self.data);
        self.database_url = layer.database_url.or(self.database_url);
        self.listen = layer.listen.unwrap_or(self.listen);
        self.edge_listen = layer.edge_listen.unwrap_or(self.edge_listen);
        self.edge_tls_listen = layer.edge_tls_listen.or(self.edge_tls_listen);
        self.https_port = layer.https_port.or(self.https_port);
        self.acme = layer.acme.or(self.acme);
        if let Some(text) = layer.base_domain {
            self.base_domain = BaseDomain::parse(&text).map_err(|problem| problem.within("base_domain"))?;
        }
        self.public_url = layer.public_url.map(|url| trimmed("public_url", &url)).transpose()?.or(self.public_url);
        self.edge_url = layer.edge_url.map(|url| trimmed("edge_url", &url)).transpose()?.or(self.edge_url);
        self.dns_resolver = layer.dns_resolver.or(self.dns_resolver);
        if let Some(text) = layer.domain_target {
            self.domain_target = Some(HostName::parse(&text).map_err(|problem| problem.within("domain_target"))?);
        }
        self.domain_check = seconds("domain_check_seconds", layer.domain_check_seconds, self.domain_check)?;
        self.policy = layer.policy.unwrap_or(self.policy);
        self.git = layer.git.unwrap_or(self.git);
        self.outbox = layer.outbox.unwrap_or(self.outbox);
        self.mail = layer.mail.unwrap_or(self.mail);
        self.builds = layer.builds.unwrap_or(self.builds);
        self.logs = layer.logs.unwrap_or(self.logs);
        self.sign_in_attempts_per_minute =
            layer.sign_in_attempts_per_minute.unwrap_or(self.sign_in_attempts_per_minute);
        self.lease = seconds("lease_seconds", layer.lease_seconds, self.lease)?;
        self.drain_grace = seconds("drain_grace_seconds", layer.drain_grace_seconds, self.drain_grace)?;
        self.stop_grace = seconds("stop_grace_seconds", layer.stop_grace_seconds, self.stop_grace)?;
        self.production = layer.production.unwrap_or(self.production);
        self.isolation = layer.isolation.unwrap_or(self.isolation);
        self.users = match layer.users {
            None => self.users,
            // Root, and what distributions give to their own programs, are nobody's.
            Some((first, last)) if first >= 1000 && last >= first => first..=last,
            Some(_) => {
                let expected = "`users` has to be the first and the last of a range that begins at 1000 or above";
                return Err(Error::invalid("users", "out_of_range", expected.to_owned()));
            }
        };
        Ok(self)
    }

    /// The database that this configuration means.
    pub fn database(&self) -> String {
        self.database_url.clone().unwrap_or_else(|| Store::sqlite_url(&self.data))
    }

    /// The link of an environment, or of the deployment in it with this number.
    #[must_use]
    pub fn link(&self, environment: &str, number: Option<i32>) -> Option<String> {
        let host = Link::of(environment, number)?.host(&self.base_domain);
        let (scheme, rest) = self.edge_url.as_deref()?.split_once("://")?;
        let port = rest.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
        Some(format!("{scheme}://{host}{port}/"))
    }

    /// Refuses roles that no pack knows.
    ///
    /// # Errors
    /// `InvalidInput` with the role.
    pub fn check(&self, packs: &Packs) -> Result<()> {
        for role in [&self.policy.team_creator, &self.policy.team_member, &self.policy.organization_creator] {
            if packs.role(role).is_none() {
                return Err(Error::invalid("policy", "unknown", format!("there is no role {}", quote(role))));
            }
        }
        let known = |protocol: &String| ["https", "http", "file"].contains(&protocol.as_str());
        if let Some(protocol) = self.git.protocols.iter().find(|protocol| !known(protocol)) {
            let text = format!("{} is no way to a repository, choose `https`, `http` or `file`", quote(protocol));
            return Err(Error::invalid("git.protocols", "unknown", text));
        }
        seconds("git.timeout_seconds", Some(self.git.timeout_seconds), Duration::ZERO)?;
        seconds("outbox.timeout_seconds", Some(self.outbox.timeout_seconds), Duration::ZERO)?;
        self.outbox.check()?;
        self.builds.check()?;
        self.logs.check()
    }
}

/// Programs run in folders of their own, from where a relative path would lead elsewhere.
fn absolute(folder: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&folder)
        .map_err(|e| Error::invalid("data", "not_a_path", format!("`{}` is no folder ({e})", folder.display())))
}

fn trimmed(field: &str, url: &str) -> Result<String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(Error::invalid(field, "not_a_url", format!("{} has to begin with `http://` or `https://`", quote(url))))
    }
}

fn seconds(field: &str, value: Option<u64>, otherwise: Duration) -> Result<Duration> {
    match value {
        None => Ok(otherwise),
        Some(value @ 1..=3600) => Ok(Duration::from_secs(value)),
        Some(_) => Err(Error::invalid(field, "out_of_range", format!("`{field}` has to be from 1 to 3600 seconds"))),
    }
}
