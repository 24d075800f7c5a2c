//! The names people choose: slugs, which become parts of links, and display names, which are only shown; it must not
//! know which names are taken.

use std::fmt;

use super::invalid::{Invalid, quote};

/// An organization's slug is a label of its own below the base domain. These are labels that the platform or a browser
/// gives a meaning to, or that would lend a stranger the platform's authority.
const RESERVED_ORGANIZATIONS: [&str; 40] = [
    "about",
    "abuse",
    "account",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "billing",
    "blog",
    "cdn",
    "console",
    "dashboard",
    "docs",
    "edge",
    "ftp",
    "graphql",
    "help",
    "hostmaster",
    "localhost",
    "login",
    "mail",
    "ns",
    "official",
    "postmaster",
    "reeve",
    "root",
    "security",
    "static",
    "status",
    "support",
    "system",
    "webmaster",
    "well-known",
    "wpad",
    "www",
    "internal",
];

/// `xn--…` is how browsers spell other alphabets: a link of an environment `xn` would be read as one of those.
const RESERVED_ENVIRONMENTS: [&str; 1] = ["xn"];

const MAX_DISPLAY_NAME: usize = 100;

fn parse_slug(text: &str, max: usize, reserved: &[&str]) -> Result<String, Invalid> {
    let shown = quote(text);
    let problem = |constraint, reason: &str| Err(Invalid::new(constraint, format!("{shown} {reason}")));
    if text.is_empty() {
        return Err(Invalid::new("too_short", format!("the name is empty, choose 1 to {max} characters")));
    }
    if text.chars().count() > max {
        return problem("too_long", &format!("is too long, use {max} characters at most"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return problem("characters", "may hold only the letters a to z, digits and hyphens");
    }
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return problem("start", "must start with a letter");
    }
    if text.ends_with('-') {
        return problem("end", "must end with a letter or a digit");
    }
    if text.contains("--") {
        return problem("double_hyphen", "may not hold two hyphens in a row, they separate the parts of a link");
    }
    if reserved.contains(&text) {
        return problem("reserved", "is reserved, choose another name");
    }
    Ok(text.to_owned())
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $max:literal, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The longest slug in characters.
            pub const MAX: usize = $max;

            /// Lower-case letters, digits and single hyphens, starting with a letter.
            ///
            /// # Errors
            /// The first rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                parse_slug(text, Self::MAX, $reserved).map(Self)
            }

            /// The slug as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug!(
    /// An organization's name in links; unique on the platform.
    OrganizationSlug, 30, &RESERVED_ORGANIZATIONS
);
slug!(
    /// A project's name in links; unique in its organization. No name is reserved: a project is never a label alone.
    ProjectSlug, 30, &[]
);
slug!(
    /// An environment's name in links; unique in its project.
    EnvironmentSlug, 20, &RESERVED_ENVIRONMENTS
);

/// A name that is shown to people, in any script.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    /// Trims, then demands 1 to 100 characters, something visible, and nothing that steers the text around it.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.chars().any(steers_text) {
            let message = format!("{} holds control characters, remove them", quote(text));
            return Err(Invalid::new("characters", message));
        }
        if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(Invalid::new("too_short", "the name shows nothing, choose 1 to 100 visible characters"));
        }
        if text.chars().count() > MAX_DISPLAY_NAME {
            return Err(Invalid::new("too_long", format!("{} is too long, use 100 characters at most", quote(text))));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters, line breaks, and the overrides of writing direction with which a name could rearrange the audit
/// entry that it appears in.
fn steers_text(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that Unicode calls letters, marks or formats but that draw nothing. A joiner or a variation selector is
/// fine inside a name; a name of nothing else is not.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn constraint(text: &str) -> Option<&'static str> {
        OrganizationSlug::parse(text).err().map(|problem| problem.constraint)
    }

    #[test]
    fn each_rule_of_a_slug_is_told_apart() {
        for good in ["a", "acme", "a1", "a-b-c", "well", &"a".repeat(30)] {
            assert_eq!(constraint(good), None, "{good}");
        }
        for (text, wanted) in [
            ("", "too_short"),
            (&*"a".repeat(31), "too_long"),
            ("Acme", "characters"),
            ("a_b", "characters"),
            ("a.b", "characters"),
            ("a b", "characters"),
            ("acme\n", "characters"),
            ("\u{430}cme", "characters"),
            ("\u{ff41}cme", "characters"),
            ("acme\u{301}", "characters"),
            ("ac\u{200d}me", "characters"),
            ("1a", "start"),
            ("-a", "start"),
            ("a-", "end"),
            ("a--b", "double_hyphen"),
            ("www", "reserved"),
            ("reeve", "reserved"),
        ] {
            assert_eq!(constraint(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn only_names_that_become_a_label_of_their_own_are_reserved() {
        assert!(ProjectSlug::parse("api").is_ok());
        assert!(EnvironmentSlug::parse("static").is_ok());
        assert!(EnvironmentSlug::parse("xn").is_err());
        assert!(EnvironmentSlug::parse(&"a".repeat(21)).is_err());
    }

    #[test]
    fn display_names_are_visible_and_steer_nothing() {
        for good in ["Acme", " Acme ", "\u{5c71}\u{7530}", "x", &"\u{e9}".repeat(100), "\u{2764}\u{fe0f}"] {
            assert!(DisplayName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "  ", "\u{200b}", "\u{3164}\u{2800}", "a\u{0}b", "a\nb", "a\u{202e}b", "\u{7f}", &"x".repeat(101)]
        {
            assert!(DisplayName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(DisplayName::parse(" Acme ").map(|name| name.0), Ok("Acme".to_owned()));
    }

    proptest! {
        #[test]
        fn a_slug_that_parses_is_plain(text in "[a-z0-9-]{0,32}|\\PC{0,32}") {
            if let Ok(slug) = OrganizationSlug::parse(&text) {
                let slug = slug.as_str();
                prop_assert_eq!(slug, &text);
                prop_assert!(slug.len() <= 30 && slug.is_ascii() && !slug.contains("--"));
                prop_assert!(slug.split('-').all(|part| !part.is_empty()));
            }
        }

        #[test]
        fn every_plain_word_is_a_project(text in "[a-z][a-z0-9]{0,13}(-[a-z0-9]{1,14})?") {
            prop_assert!(ProjectSlug::parse(&text).is_ok());
        }
    }
}
