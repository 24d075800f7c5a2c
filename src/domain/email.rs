//! E-mail addresses as people type them, in the part of RFC 5321 that mail servers accept in practice; it must not know
//! whether anybody reads the mail.

use std::fmt;

use super::{
    host::HostName,
    invalid::{Invalid, quote},
};

/// RFC 5321, 4.5.3.1: the local part, and the path without its angle brackets, in bytes.
const MAX_LOCAL: usize = 64;
const MAX_TOTAL: usize = 254;

/// An address in lower case: two spellings of one mailbox must not make two accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Trims and lower-cases, then demands `local@domain` in plain ASCII with a domain of two labels or more.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let problem = |constraint, reason: &str| Invalid::new(constraint, format!("{} {reason}", quote(text)));
        if text.len() > MAX_TOTAL {
            return Err(problem("too_long", "is too long for an e-mail address, use 254 characters at most"));
        }
        if !text.is_ascii() {
            return Err(problem("characters", "holds characters beyond plain ascii, use an address without them"));
        }
        let Some((local, domain)) = text.split_once('@') else {
            return Err(problem("format", "is no e-mail address, write it as `name@example.com`"));
        };
        if local.len() > MAX_LOCAL {
            return Err(problem("too_long", "has more than 64 characters before the `@`"));
        }
        if !local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atom)) {
            return Err(problem("format", "is no e-mail address, check the part before the `@`"));
        }
        let whole = HostName::parse(domain).is_ok_and(|host| host.as_str().len() == domain.len());
        let top = domain.rsplit_once('.').map(|(_, top)| top);
        if !whole || top.is_none_or(|top| top.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(problem("format", "is no e-mail address, check the part after the `@`"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(local, _)| local)
    }
}

/// RFC 5322, 3.2.3: what an unquoted local part may hold between its dots.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_pass_and_lose_their_capitals() {
        for good in ["a@b.co", "first.last+tag@sub.example.com", "o'brien@example.ie", " a@b.co\n"] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        let address = EmailAddress::parse("Ada@Example.COM").map(|address| address.to_string());
        assert_eq!(address.as_deref(), Ok("ada@example.com"));
    }

    #[test]
    fn everything_else_is_refused() {
        let long_local = format!("{}@b.co", "a".repeat(65));
        let long = format!("a@{}.co", "b.".repeat(130));
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@@b.co",
            "a@b@c.co",
            "a b@c.co",
            "a@b c.co",
            "a\u{0}@b.co",
            "a\r\n@b.co",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a@.co",
            "a@b..co",
            "a@-b.co",
            "a@b.co.",
            "a@127.0.0.1",
            "a@b.co:25",
            "\"a\"@b.co",
            "<a@b.co>",
            "a@b.co,c@d.co",
            "\u{430}@b.co",
            "a@b\u{fc}cher.de",
            &long_local,
            &long,
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }
}
