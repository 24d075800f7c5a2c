//! Sends something to an address that anybody may have chosen: to exactly the machines that it was resolved to and that were
//! looked at, without following anywhere, without waiting for long, without reading much. It must not know what is sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::domain::address::is_outside;
use crate::domain::{Invalid, quote};

const LONGEST_URL: usize = 2_000;
/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 4 * 1024;
/// A connection that is not made by then is not waited for.
const CONNECT: Duration = Duration::from_secs(5);

/// Where something is sent.
#[derive(Clone)]
pub struct Endpoint(Url);

impl Endpoint {
    /// `http://` or `https://`, with a host and without a user or password; `private` says whether it may be in a network
    /// that is not public, as far as the address itself says where it is.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str, private: bool) -> Result<Self, Invalid> {
        // It may have a secret in it, and what is refused is logged in many places: so it is not repeated.
        let problem = |constraint, message: &str| Err(Invalid::new(constraint, message));
        if text.len() > LONGEST_URL {
            return problem("too_long", "the address is too long, use 2000 characters at most");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return problem("characters", "the address has a character that has to be written as `%…`, or `xn--…`");
        }
        let Ok(url) = Url::parse(text) else {
            return problem("not_a_url", "this is no address such as `https://example.com/hook`");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return problem("protocol", "the address has to begin with `https://` or `http://` and to name a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return problem("credential", "the address has a user or a password in it; receivers check the signature");
        }
        if url.fragment().is_some() {
            return problem("fragment", "the address has a part behind `#`, which is never sent; leave it out");
        }
        let endpoint = Self(url);
        if !private && endpoint.literal().is_some_and(|address| !is_outside(address)) {
            return problem("private_address", "the address is in a network that is not public; use one that is");
        }
        Ok(endpoint)
    }

    /// As it is kept and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its host, as DNS knows it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_end_matches('.')
    }

    /// The address that stands in place of a name.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        let host = self.0.host_str()?;
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok()
    }

    /// What may be connected to, of the addresses that its host has: all of them, or none.
    ///
    /// # Errors
    /// Why nothing is sent there.
    pub fn reachable(&self, found: Vec<IpAddr>, private: bool) -> Result<Way, String> {
        if found.is_empty() {
            return Err(format!("the host {} is not known", quote(self.host())));
        }
        if !private && found.iter().any(|address| !is_outside(*address)) {
            let host = quote(self.host());
            return Err(format!("the host {host} is in a network that is not public, to which nothing is sent"));
        }
        // The port is the URL's.
        Ok(Way(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect()))
    }
}

/// Addresses that were looked at.
pub struct Way(Vec<SocketAddr>);

/// Answers every question with the addresses that were looked at: nobody is asked a second time.
struct Only(Vec<SocketAddr>);

impl Resolve for Only {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The beginning of the body, as text.
    pub text: String,
}

/// Posts JSON, with headers whose names are in lower case.
///
/// # Errors
/// Why there is no answer, in words without the address.
pub async fn send(
    endpoint: &Endpoint,
    way: Way,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Answer, String> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT.min(timeout))
        .timeout(timeout)
        .user_agent(concat!("Reeve/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Only(way.0)));
    let client = builder.build().map_err(|error| in_words(&error, timeout))?;
    let mut request = client.post(endpoint.0.clone()).header("content-type", "application/json").body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut response = request.send().await.map_err(|error| in_words(&error, timeout))?;
    let mut text = Vec::new();
    // Whoever stops in the middle has answered all the same.
    while let Ok(Some(chunk)) = response.chunk().await {
        text.extend_from_slice(&chunk);
        if text.len() >= LONGEST_ANSWER {
            text.truncate(LONGEST_ANSWER);
            break;
        }
    }
    Ok(Answer { status: response.status().as_u16(), text: printable(&text) })
}

/// What both databases keep as text.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The innermost reason; the outer ones repeat the address.
fn in_words(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", timeout.as_secs());
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let what = if error.is_connect() { "no connection" } else { "no usable answer" };
    format!("{what} ({reason})")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_of_others_are_endpoints() {
        for good in ["https://example.com/hook?token=x", "http://example.com:8080", "https://[2606:50c0:8000::153]/x"] {
            assert!(Endpoint::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "https://",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://example.com/#part",
            "https://example.com/a b",
            "https://exa\nmple.com/",
            "https://m\u{fc}nchen.example/",
        ] {
            assert!(Endpoint::parse(bad, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_spelling_of_an_inner_address_is_an_endpoint() {
        for inside in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::7f00:1]/",
            "http://%31%32%37.0.0.1/",
            "http://127.0.0.1./",
        ] {
            let refused = Endpoint::parse(inside, false).err().map(|problem| problem.constraint);
            assert_eq!(refused, Some("private_address"), "{inside}");
            assert!(Endpoint::parse(inside, true).is_ok(), "{inside}");
        }
    }

    #[test]
    fn a_host_with_one_inner_address_is_not_sent_to() {
        let endpoint = Endpoint::parse("https://example.com/", false).unwrap();
        let addresses = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<IpAddr>>();
        assert!(endpoint.reachable(addresses(&["8.8.8.8"]), false).is_ok());
        assert!(endpoint.reachable(addresses(&["8.8.8.8", "::ffff:10.0.0.1"]), false).is_err());
        assert!(endpoint.reachable(addresses(&["8.8.8.8", "127.0.0.1"]), true).is_ok());
        assert!(endpoint.reachable(Vec::new(), true).is_err());
    }

    #[test]
    fn what_is_kept_of_an_answer_is_text() {
        assert_eq!(printable(b"a\0b\x1b[1mc\n\xff"), "ab[1mc\n\u{fffd}");
    }
}
