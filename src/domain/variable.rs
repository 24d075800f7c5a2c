//! Names and values of variables, and which of several with one name counts; it must not know who may see or set them.

use std::collections::BTreeMap;
use std::fmt;

use super::invalid::{Invalid, quote};

/// Variables that one project or one environment may have.
pub const MOST: usize = 256;
/// Bytes that the names and values of one project or one environment may have together.
pub const LARGEST: usize = 64 * 1024;

const LONGEST_NAME: usize = 128;
/// What the runtime says itself.
const RESERVED: &str = "PORT";
/// What the runtime may come to say.
const RESERVED_PREFIX: &str = "REEVE_";

/// The name of a variable, as every shell takes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(String);

impl VariableName {
    /// Letters, digits and underscores, not beginning with a digit.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let problem = |constraint, reason: &str| Err(Invalid::new(constraint, format!("{} {reason}", quote(text))));
        if text.is_empty() {
            return Err(Invalid::new("empty", "the name is empty, choose one such as `DATABASE_URL`"));
        }
        if text.len() > LONGEST_NAME {
            return problem("too_long", &format!("is too long, use {LONGEST_NAME} characters at most"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return problem("characters", "may hold only the letters A to Z and a to z, digits and underscores");
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return problem("start", "may not begin with a digit");
        }
        if text == RESERVED || text.starts_with(RESERVED_PREFIX) {
            return problem("reserved", "is set by the platform, choose another name");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a variable: any text, and perhaps a secret, so that it is never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct VariableValue(String);

impl VariableValue {
    /// Any text that a program can be given.
    ///
    /// # Errors
    /// For a text with a NUL character, or a too long one; the value is not repeated.
    pub fn parse(text: String) -> Result<Self, Invalid> {
        if text.contains('\0') {
            return Err(Invalid::new("nul", "the value has a NUL character, which no program can be given"));
        }
        if text.len() > LARGEST {
            return Err(Invalid::new("too_long", format!("the value is too long, use {LARGEST} bytes at most")));
        }
        Ok(Self(text))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VariableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VariableValue(redacted)")
    }
}

/// Where a variable is set: the later one in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On the project, for every kind of environment.
    Project,
    /// On the project, for this kind of environment.
    ProjectForKind,
    /// On the environment.
    Environment,
}

/// Of each name the one that counts, by name.
pub fn counting<T>(all: impl IntoIterator<Item = T>, of: impl Fn(&T) -> (String, Place)) -> BTreeMap<String, T> {
    let mut counting: BTreeMap<String, (Place, T)> = BTreeMap::new();
    for each in all {
        let (name, place) = of(&each);
        if counting.get(&name).is_none_or(|(before, _)| *before < place) {
            counting.insert(name, (place, each));
        }
    }
    counting.into_iter().map(|(name, (_, each))| (name, each)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_every_shell() {
        for good in ["A", "_", "database_url", "X1", "PORTS", "MY_PORT", "REEVE"] {
            assert!(VariableName::parse(good).is_ok(), "{good}");
        }
        for (bad, constraint) in [
            ("", "empty"),
            ("1A", "start"),
            ("A-B", "characters"),
            ("A=B", "characters"),
            ("A\0", "characters"),
            ("A B", "characters"),
            ("Ä", "characters"),
            ("A\n", "characters"),
            ("PORT", "reserved"),
            ("REEVE_", "reserved"),
            ("REEVE_TOKEN", "reserved"),
            (&"A".repeat(LONGEST_NAME + 1), "too_long"),
        ] {
            assert_eq!(VariableName::parse(bad).map_err(|it| it.constraint), Err(constraint), "{bad:?}");
        }
    }

    #[test]
    fn values_are_not_repeated() {
        let refused = [VariableValue::parse("hunter2\0".to_owned()), VariableValue::parse("hunter2".repeat(LARGEST))];
        for problem in refused.map(Result::unwrap_err) {
            assert!(!format!("{problem:?}").contains("hunter2"));
        }
        assert!(VariableValue::parse("=\n\"'$(x) é".to_owned()).is_ok_and(|it| !format!("{it:?}").contains("=\\n")));
    }

    #[test]
    fn the_nearest_counts_in_whatever_order_they_come() {
        let all =
            [("A", Place::Project), ("A", Place::Environment), ("A", Place::ProjectForKind), ("B", Place::Project)];
        for turn in 0..all.len() {
            let mut turned = all;
            turned.rotate_left(turn);
            let counting = counting(turned, |(name, place)| ((*name).to_owned(), *place));
            assert_eq!(counting["A"].1, Place::Environment);
            assert_eq!(counting["B"].1, Place::Project);
        }
    }
}
