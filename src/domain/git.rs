//! Addresses of repositories and what of one is wanted, as nothing but themselves can be read by the program `git`; it must not
//! know how they are fetched.

use std::fmt;

use super::invalid::{Invalid, quote};

const LONGEST_URL: usize = 2_000;
const LONGEST_REF: usize = 200;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryUrl {
    text: String,
    protocol: String,
    host: String,
    port: Option<u16>,
}

impl RepositoryUrl {
    /// `protocol://host[:port]/path` with one of these protocols, `file:///path` among them if it is allowed; nothing that
    /// git gives another meaning to, and no credential, which would be shown wherever the address is.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str, protocols: &[String]) -> Result<Self, Invalid> {
        let problem = |constraint, reason: String| Err(Invalid::new(constraint, format!("{} {reason}", quote(text))));
        if text.len() > LONGEST_URL {
            return problem("too_long", format!("is too long, use {LONGEST_URL} characters at most"));
        }
        let allowed = || format!("has to begin with {}", protocols.join("://, ") + "://");
        let Some((protocol, rest)) = text.split_once("://") else { return problem("protocol", allowed()) };
        if !protocols.iter().any(|it| it == protocol) {
            return problem("protocol", allowed());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic())
            || text.contains(['\\', '?', '#', '"', '\'', '`', '<', '>'])
        {
            return problem("characters", "has a character that no address of a repository needs".to_owned());
        }
        let Some((authority, path)) = rest.split_once('/') else {
            return problem("path", "names no repository on its host".to_owned());
        };
        if authority.contains('@') {
            return problem("credential", "has a user or a password in it; give them apart".to_owned());
        }
        let is_file = protocol == "file";
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, digits)) if !digits.contains(']') => match digits.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => return problem("host", "has no port after its colon".to_owned()),
            },
            Some(_) | None => (authority, None),
        };
        let named = !host.is_empty() && !host.starts_with(['-', '.']);
        let plain =
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'[' | b']' | b':'));
        if path.is_empty() || path.starts_with(['/', '-']) || is_file != host.is_empty() || !(is_file || named && plain)
        {
            return problem("host", "names no host and repository".to_owned());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Ok(Self { text: text.to_owned(), protocol: protocol.to_owned(), host, port })
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Its host and port; none for a file.
    #[must_use]
    pub fn host(&self) -> Option<(&str, u16)> {
        let usual = if self.protocol == "http" { 80 } else { 443 };
        (!self.host.is_empty()).then(|| (self.host.as_str(), self.port.unwrap_or(usual)))
    }
}

/// What of a repository is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitRef {
    /// The newest commit of this branch.
    Branch(String),
    /// What this tag names.
    Tag(String),
    /// This commit.
    Commit(String),
}

impl GitRef {
    /// A branch.
    ///
    /// # Errors
    /// When git has no branches of this name.
    pub fn branch(text: &str) -> Result<Self, Invalid> {
        name(text).map(Self::Branch)
    }

    /// A tag.
    ///
    /// # Errors
    /// When git has no tags of this name.
    pub fn tag(text: &str) -> Result<Self, Invalid> {
        name(text).map(Self::Tag)
    }

    /// A commit by its whole id: a shorter one may come to mean another.
    ///
    /// # Errors
    /// When it is not 40 or 64 lower-case hexadecimal digits.
    pub fn commit(text: &str) -> Result<Self, Invalid> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hexadecimal && matches!(text.len(), 40 | 64) {
            return Ok(Self::Commit(text.to_owned()));
        }
        Err(Invalid::new("commit", format!("{} is no whole id of a commit, write all 40 digits", quote(text))))
    }

    /// What a remote repository is asked for.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Branch(name) => format!("refs/heads/{name}"),
            Self::Tag(name) => format!("refs/tags/{name}"),
            Self::Commit(id) => id.clone(),
        }
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Commit(id) => write!(f, "commit {id}"),
        }
    }
}

/// The rules of `git check-ref-format`, and none but ASCII.
fn name(text: &str) -> Result<String, Invalid> {
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let bad = text.is_empty()
        || text.len() > LONGEST_REF
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
        || text.contains(['~', '^', ':', '?', '*', '[', '\\', '"', '\''])
        || text.contains("..")
        || text.contains("@{")
        || text == "@"
        || text.starts_with('-')
        || text.ends_with('.')
        || text.split('/').any(bad_part);
    if bad {
        return Err(Invalid::new("ref", format!("{} is no name that a branch or a tag can have", quote(text))));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RepositoryUrl, Invalid> {
        RepositoryUrl::parse(text, &["https".to_owned()])
    }

    #[test]
    fn an_address_is_one_and_nothing_else() {
        for (good, host) in [
            ("https://github.com/acme/site.git", ("github.com", 443)),
            ("https://git.example.com:8443/~ada/x", ("git.example.com", 8443)),
            ("https://[2001:db8::1]:99/x", ("2001:db8::1", 99)),
            ("https://[::1]/x", ("::1", 443)),
        ] {
            assert_eq!(parse(good).unwrap().host(), Some(host), "{good}");
        }
        for bad in [
            "",
            "ext::sh -c id",
            "https://",
            "https:///x",
            "https://host",
            "https://host/",
            "https://-oProxyCommand=id/x",
            "https://user:token@host/x",
            "https://host:port/x",
            "https://host//x",
            "https://host/x y",
            "https://host/x\n",
            "https://host/x?y",
            "https://host/-x",
            "--upload-pack=id",
            "file:///etc",
            "http://host/x",
            "ssh://host/x",
            "git@github.com:acme/site",
            "https://hos;t/x",
            "HTTPS://host/x",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let all = ["https", "file"].map(str::to_owned);
        assert_eq!(RepositoryUrl::parse("file:///srv/x.git", &all).unwrap().host(), None);
        assert!(RepositoryUrl::parse("file://host/x", &all).is_err());
        assert!(RepositoryUrl::parse("file://-x/y", &all).is_err());
    }

    #[test]
    fn a_ref_cannot_be_read_as_an_option_or_a_range() {
        for good in ["main", "feature/x-1", "v1.0.0", "a@b"] {
            assert_eq!(GitRef::branch(good).unwrap().wanted(), format!("refs/heads/{good}"));
        }
        for bad in ["", "-x", "a..b", "a b", "a:b", "a^", "a~1", "/a", "a/", "a//b", ".a", "a.lock", "a@{1}", "@"] {
            assert!(GitRef::branch(bad).is_err(), "{bad}");
        }
        assert!(GitRef::commit(&"a".repeat(40)).is_ok());
        for bad in ["", "HEAD", "abc123", &"A".repeat(40), &"g".repeat(40)] {
            assert!(GitRef::commit(bad).is_err(), "{bad}");
        }
    }
}
