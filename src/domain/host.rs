//! The links under which deployments are served, built and read back; it must not know what a link leads to, nor any
//! request.
//!
//! An environment is `<environment>--<project>.<organization>.<base>`, one deployment of it has its number in front:
//! `<number>--<environment>--<project>.<organization>.<base>`. Slugs hold no `--`, so the parts cannot be confused.
//! Certificates must be wildcards (`*.<organization>.<base>`): authorities refuse single names such as `qa--site`, whose
//! third and fourth characters are hyphens.

use std::fmt;

use super::{
    invalid::{Invalid, quote},
    name::{EnvironmentSlug, OrganizationSlug, ProjectSlug},
    path::EnvironmentPath,
};

/// RFC 1035, 2.3.4, in bytes.
const MAX_LABEL: usize = 63;
const MAX_HOST: usize = 253;

/// A host name as it is compared: lower case, without a port or a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Labels of ASCII letters, digits and inner hyphens, 63 characters each and 253 in all. Lower-cases, and takes one
    /// trailing dot away.
    ///
    /// # Errors
    /// When the text is no such name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() <= MAX_HOST && name.split('.').all(is_label) {
            return Ok(Self(name.to_ascii_lowercase()));
        }
        Err(Invalid::new("host", format!("{} is no host name, write it as `www.example.com`", quote(text))))
    }

    /// Reads a `Host` header or an address's authority, whose port plays no part in routing.
    #[must_use]
    pub fn from_header(text: &str) -> Option<Self> {
        let name = match text.split_once(':') {
            Some((name, port)) if port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return None,
            None => text,
        };
        Self::parse(name).ok()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The domain below which the platform gives out links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseDomain(HostName);

impl BaseDomain {
    /// What the longest link leaves of a host name: two more labels and their dots.
    const MAX: usize = MAX_HOST - (MAX_LABEL + 1) - (OrganizationSlug::MAX + 1);

    /// A host name short enough that every link below it is a host name too.
    ///
    /// # Errors
    /// When the text is no host name or too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = HostName::parse(text)?;
        if name.0.len() > Self::MAX {
            let message =
                format!("{} is too long for a base domain, use {} characters at most", quote(text), Self::MAX);
            return Err(Invalid::new("too_long", message));
        }
        Ok(Self(name))
    }

    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for BaseDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A deployment's number within its environment: 1 to 999,999,999, since nine digits are what a label leaves room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentNumber(u32);

impl DeploymentNumber {
    const MAX: u32 = 999_999_999;

    /// `None` when the number is zero or too large.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

const _: () = assert!(9 + 2 + EnvironmentSlug::MAX + 2 + ProjectSlug::MAX <= MAX_LABEL, "a link's label must fit");

/// What a link names: an environment's active deployment, or one deployment for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The environment.
    pub path: EnvironmentPath,
    /// One deployment of it; `None` for the alias, which follows the active one.
    pub deployment: Option<DeploymentNumber>,
}

impl Link {
    /// The link of an environment, or of the deployment in it with this number, from a path and number as they are stored.
    #[must_use]
    pub fn of(path: &str, number: Option<i32>) -> Option<Self> {
        let deployment = match number {
            None => None,
            Some(number) => Some(DeploymentNumber::new(u32::try_from(number).ok()?)?),
        };
        Some(Self { path: EnvironmentPath::parse(path).ok()?, deployment })
    }

    /// The link's host name.
    #[must_use]
    pub fn host(&self, base: &BaseDomain) -> HostName {
        let EnvironmentPath { organization, project, environment } = &self.path;
        let number = self.deployment.map(|number| format!("{}--", number.0)).unwrap_or_default();
        HostName(format!("{number}{environment}--{project}.{organization}.{base}"))
    }

    /// Reads a link back. `None` when the host is none of ours, such as a customer's own domain.
    #[must_use]
    pub fn parse(host: &HostName, base: &BaseDomain) -> Option<Self> {
        let below = host.as_str().strip_suffix(base.as_str())?.strip_suffix('.')?;
        let (label, organization) = below.split_once('.')?;
        let parts: Vec<&str> = label.split("--").collect();
        let (number, environment, project) = match parts[..] {
            [environment, project] => (None, environment, project),
            [number, environment, project] => (Some(number), environment, project),
            _ => return None,
        };
        let path = EnvironmentPath {
            organization: OrganizationSlug::parse(organization).ok()?,
            project: ProjectSlug::parse(project).ok()?,
            environment: EnvironmentSlug::parse(environment).ok()?,
        };
        let deployment = number.map(parse_number).transpose().ok()?;
        Some(Self { path, deployment })
    }
}

/// Plain digits without a leading zero: each deployment has one link only.
fn parse_number(text: &str) -> Result<DeploymentNumber, ()> {
    let number = text.parse().ok().and_then(DeploymentNumber::new).ok_or(())?;
    if number.0.to_string() == text { Ok(number) } else { Err(()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(host: &str) -> Option<String> {
        let base = BaseDomain::parse("reeve.example").unwrap();
        let link = Link::parse(&HostName::from_header(host)?, &base)?;
        Some(format!("{} {:?}", link.path, link.deployment.map(DeploymentNumber::get)))
    }

    #[test]
    fn links_are_read_in_every_spelling_of_one_host() {
        let alias = Some("acme/site/production None".to_owned());
        assert_eq!(read("production--site.acme.reeve.example"), alias);
        assert_eq!(read("Production--SITE.acme.Reeve.Example."), alias);
        assert_eq!(read("production--site.acme.reeve.example:8080"), alias);
        assert_eq!(read("production--site.acme.reeve.example.:"), alias);
        assert_eq!(read("12--qa--my-site.acme.reeve.example"), Some("acme/my-site/qa Some(12)".to_owned()));
    }

    #[test]
    fn hostile_hosts_name_nothing() {
        for host in [
            "",
            ".",
            "reeve.example",
            ".reeve.example",
            "acme.reeve.example",
            "site.acme.reeve.example",
            "--site.acme.reeve.example",
            "production--.acme.reeve.example",
            "--.acme.reeve.example",
            "a----b.acme.reeve.example",
            "a---b.acme.reeve.example",
            "1--a--b--c.acme.reeve.example",
            "0--a--b.acme.reeve.example",
            "01--a--b.acme.reeve.example",
            "+1--a--b.acme.reeve.example",
            "1000000000--a--b.acme.reeve.example",
            "99999999999--a--b.acme.reeve.example",
            "1--b.acme.reeve.example",
            "xn--site.acme.reeve.example",
            "a--b.www.reeve.example",
            "a--b.x.acme.reeve.example",
            "a--b.acme.evilreeve.example",
            "a--b.acmereeve.example",
            "a--b.acme.reeve.example..",
            "a--b..reeve.example",
            "a--b.acme.reeve.example:80:80",
            "a--b.acme.reeve.example:http",
            "[::1]:80",
            "a--b.acme.reeve.example@evil.example",
            "a--b.acme.reeve.example/x",
            "a--b.acme.reeve.example\u{0}",
            "\u{ff41}--b.acme.reeve.example",
            "a_b--c.acme.reeve.example",
            "production--site.acme.reeve.example.evil",
        ] {
            assert_eq!(read(host), None, "{host:?}");
        }
    }

    #[test]
    fn the_longest_link_below_the_longest_base_is_a_host_name() {
        let base = BaseDomain::parse(&format!("{}.{}", "b".repeat(62), "c.".repeat(47).trim_end_matches('.'))).unwrap();
        let path = format!("{}/{}/{}", "o".repeat(30), "p".repeat(30), "e".repeat(20));
        let path = EnvironmentPath::parse(&path).unwrap();
        let link = Link { path, deployment: DeploymentNumber::new(999_999_999) };
        let host = link.host(&base);
        assert_eq!(HostName::parse(host.as_str()), Ok(host.clone()));
        assert_eq!(Link::parse(&host, &base), Some(link));
        assert!(BaseDomain::parse(&"b.".repeat(80)).is_err());
        assert!(BaseDomain::parse("localhost").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(
            organization in "o[a-z0-9]{0,14}(-[a-z0-9]{1,14})?",
            project in "[a-z][a-z0-9]{0,14}(-[a-z0-9]{1,14})?",
            environment in "[a-w][a-z0-9]{0,9}(-[a-z0-9]{1,9})?",
            number in 0_u32..=1_000_000_000,
        ) {
            prop_assume!(OrganizationSlug::parse(&organization).is_ok());
            let path = EnvironmentPath::parse(&format!("{organization}/{project}/{environment}")).unwrap();
            let base = BaseDomain::parse("reeve.example").unwrap();
            let link = Link { path, deployment: DeploymentNumber::new(number) };
            let host = link.host(&base);
            prop_assert!(HostName::parse(host.as_str()).is_ok());
            prop_assert_eq!(Link::parse(&host, &base), Some(link));
        }

        #[test]
        fn whatever_is_read_is_the_host_that_would_be_built(label in "[a-z0-9-]{1,30}", organization in "[a-z-]{1,9}") {
            let base = BaseDomain::parse("reeve.example").unwrap();
            if let Ok(host) = HostName::parse(&format!("{label}.{organization}.{base}"))
                && let Some(link) = Link::parse(&host, &base) {
                prop_assert_eq!(link.host(&base), host);
            }
        }
    }
}
