//! Names that customers bring along: which can be, what proves that one is theirs, and what follows from what DNS says. It
//! must not know how DNS is asked.

use std::fmt;

use super::{
    host::{BaseDomain, HostName},
    invalid::{Invalid, quote},
};

/// The label under which the proof is looked for.
const CHALLENGE: &str = "_reeve-challenge";
/// Room for the label of the proof in a name of 253 bytes.
const MAX: usize = 253 - CHALLENGE.len() - 1;
/// Definite answers in a row without something that was there: a record that is being edited is not lost yet.
const LOST_AFTER: i32 = 3;
/// Last labels that no public name has (RFC 6761, RFC 6762, RFC 7686, RFC 9476 and the root's `arpa`).
const NOT_PUBLIC: [&str; 8] = ["localhost", "local", "internal", "invalid", "onion", "arpa", "alt", "localdomain"];

/// A custom domain: a public host name in ASCII and lower case, outside the platform's own domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomDomain(HostName);

impl CustomDomain {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// When it is no host name, an address, a wildcard, written in another alphabet than a host name's, not public, or the
    /// platform's own.
    pub fn parse(text: &str, base: &BaseDomain) -> Result<Self, Invalid> {
        let shown = quote(text);
        let problem = |constraint, reason: &str| Err(Invalid::new(constraint, format!("{shown} {reason}")));
        if text.contains('*') {
            return problem("wildcard", "is a wildcard, add each name by itself");
        }
        if !text.is_ascii() {
            return match idna::domain_to_ascii_strict(text) {
                Ok(ascii) => {
                    problem("not_ascii", &format!("has letters outside a to z, write it as {}", quote(&ascii)))
                }
                Err(_) => problem("host", "is no host name, write it as `www.example.com`"),
            };
        }
        let host = HostName::parse(text)?;
        let name = host.as_str();
        let mut labels = name.rsplit('.');
        let last = labels.next().unwrap_or_default();
        if labels.next().is_none() || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return problem("not_public", "is no public domain, write it as `www.example.com`");
        }
        if NOT_PUBLIC.contains(&last) {
            return problem("not_public", &format!("ends in `{last}`, under which there are no public domains"));
        }
        if name.len() > MAX {
            return problem("too_long", &format!("is too long, use {MAX} characters at most"));
        }
        // An `xn--` label has to be what the letters that it stands for are written as.
        if idna::domain_to_ascii_strict(name).ok().as_deref() != Some(name) {
            return problem("punycode", "has a label beginning with `xn--` that stands for nothing");
        }
        let own = base.as_str();
        if name == own || name.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')) {
            return problem("own", "belongs to this platform, whose links are given out by it alone");
        }
        Ok(Self(host))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for CustomDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of the TXT record that proves a domain.
#[must_use]
pub fn proof_name(domain: &str) -> String {
    format!("{CHALLENGE}.{domain}")
}

/// What DNS says to a question of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is so.
    Yes,
    /// It is not so, and why.
    No(String),
    /// It could not be told, and why: nothing follows from it.
    Unclear(String),
}

/// What is held of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Ownership is proved.
    pub owned: bool,
    /// The name leads to this edge.
    pub delegated: bool,
    /// Checks in a row that missed something that is held to be so.
    pub misses: i32,
}

impl Standing {
    /// What is held after another check.
    #[must_use]
    pub fn after(self, proof: &Finding, delegation: &Finding) -> Self {
        let of_held = || [(self.owned, proof), (self.delegated, delegation)].into_iter().filter(|(held, _)| *held);
        let misses = if of_held().any(|(_, finding)| matches!(finding, Finding::No(_))) {
            self.misses + 1
        } else if of_held().all(|(_, finding)| *finding == Finding::Yes) {
            0
        } else {
            // Silence says nothing, for or against.
            self.misses
        };
        let held = |before: bool, finding: &Finding| match finding {
            Finding::Yes => true,
            Finding::No(_) => before && misses < LOST_AFTER,
            Finding::Unclear(_) => before,
        };
        let (owned, delegated) = (held(self.owned, proof), held(self.delegated, delegation));
        Self { owned, delegated, misses: if misses < LOST_AFTER { misses } else { 0 } }
    }
}

/// What a check found, in words.
#[must_use]
pub fn in_words(proof: &Finding, delegation: &Finding) -> String {
    match (proof, delegation) {
        (Finding::Yes, Finding::Yes) => "the proof is there, and the name leads here".to_owned(),
        (Finding::Yes, Finding::No(text) | Finding::Unclear(text)) => format!("the proof is there; {text}"),
        (Finding::No(text) | Finding::Unclear(text), Finding::Yes) => format!("the name leads here; {text}"),
        (Finding::No(one) | Finding::Unclear(one), Finding::No(other) | Finding::Unclear(other)) => {
            format!("{one}; {other}")
        }
    }
}

/// Where a domain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It never was verified.
    Pending,
    /// It is proved and leads here.
    Verified,
    /// It was verified, and the proof or the way here is gone.
    Lost,
}

impl State {
    /// Follows from what is held, and whether it was verified before.
    #[must_use]
    pub fn of(owned: bool, delegated: bool, was_verified: bool) -> Self {
        match (owned && delegated, was_verified) {
            (true, _) => Self::Verified,
            (false, true) => Self::Lost,
            (false, false) => Self::Pending,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, &'static str> {
        let base = BaseDomain::parse("reeve.example").unwrap();
        CustomDomain::parse(text, &base).map(|domain| domain.to_string()).map_err(|problem| problem.constraint)
    }

    #[test]
    fn public_names_are_taken_in_one_spelling() {
        for (text, name) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM.", "www.example.com"),
            ("a.b.c.example.co.uk", "a.b.c.example.co.uk"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("notreeve.example", "notreeve.example"),
            ("1.example.com", "1.example.com"),
        ] {
            assert_eq!(parsed(text), Ok(name.to_owned()), "{text}");
        }
    }

    #[test]
    fn hostile_and_foreign_names_are_refused() {
        let long = format!("{}.com", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(50)].join("."));
        for (text, constraint) in [
            ("", "host"),
            (".", "host"),
            ("example", "not_public"),
            ("localhost", "not_public"),
            ("app.localhost", "not_public"),
            ("db.internal", "not_public"),
            ("4.3.2.1.in-addr.arpa", "not_public"),
            ("127.0.0.1", "not_public"),
            ("[::1]", "host"),
            ("*.example.com", "wildcard"),
            ("www.*.com", "wildcard"),
            ("münchen.example", "not_ascii"),
            ("ex\u{430}mple.com", "not_ascii"),
            ("example\u{3002}com", "not_ascii"),
            ("xn--.example", "host"),
            ("xn--zzzzzzzz99999.example", "punycode"),
            ("xn--example-.com", "host"),
            ("reeve.example", "own"),
            ("REEVE.example.", "own"),
            ("production--site.acme.reeve.example", "own"),
            ("a_b.example.com", "host"),
            ("-a.example.com", "host"),
            ("a..example.com", "host"),
            ("example.com..", "host"),
            ("example.com:443", "host"),
            ("https://example.com", "host"),
            ("example.com/path", "host"),
            ("user@example.com", "host"),
            ("exa mple.com", "host"),
            ("example.com\0", "host"),
            ("example.com\r\nHost: evil", "host"),
            (long.as_str(), "too_long"),
        ] {
            assert_eq!(parsed(text), Err(constraint), "{text:?}");
        }
    }

    #[test]
    fn what_holds_is_lost_only_after_several_definite_answers() {
        let (no, unclear) = (Finding::No("gone".into()), Finding::Unclear("silence".into()));
        let fresh = Standing { owned: false, delegated: false, misses: 0 };
        assert_eq!(fresh.after(&no, &no), fresh);
        assert_eq!(fresh.after(&unclear, &unclear), fresh);
        let good = fresh.after(&Finding::Yes, &Finding::Yes);
        assert_eq!(good, Standing { owned: true, delegated: true, misses: 0 });
        let once = good.after(&no, &Finding::Yes);
        assert_eq!(once, Standing { misses: 1, ..good });
        assert_eq!(once.after(&unclear, &unclear), once, "silence says nothing");
        let twice = once.after(&no, &no);
        assert_eq!(twice, Standing { misses: 2, ..good });
        assert_eq!(twice.after(&Finding::Yes, &Finding::Yes), good);
        assert_eq!(twice.after(&no, &Finding::Yes), Standing { owned: false, delegated: true, misses: 0 });
        assert_eq!(twice.after(&Finding::Yes, &no), Standing { owned: true, delegated: false, misses: 0 });
    }

    #[test]
    fn a_state_follows_from_what_is_held() {
        assert_eq!(State::of(true, true, true), State::Verified);
        assert_eq!(State::of(true, false, false), State::Pending);
        assert_eq!(State::of(true, false, true), State::Lost);
        assert_eq!(State::of(false, true, true), State::Lost);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_a_host_name_in_its_only_spelling(text in "\\PC{0,40}|[a-z0-9.-]{1,30}") {
            let base = BaseDomain::parse("reeve.example").unwrap();
            if let Ok(domain) = CustomDomain::parse(&text, &base) {
                let host = HostName::parse(domain.as_str()).unwrap();
                prop_assert_eq!(host.as_str(), domain.as_str());
                prop_assert_eq!(CustomDomain::parse(domain.as_str(), &base), Ok(domain));
            }
        }
    }
}
